//! `docs/CONFIGURATION.md` and `.env.example`, generated from the declarations; `tests/it/house/documents.rs` compares the files.

use std::fmt::Write as _;

use super::{CONCERNS, Setting};

/// The whole of docs/CONFIGURATION.md.
#[must_use]
pub fn configuration_page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- generated from src/config by `make docs` -->\n\n\
         Settings come from the environment, and from a file `.env` in the working directory; the environment wins.\n\
         A secret can also be given as a file: `NAME_FILE=/run/secrets/name`. Spans of time are written `30s`, `10m` or `1h 30m`.\n\
         Everything that is wrong with the settings is reported at start, at once and by name.\n\
         A group that is absent switches its feature off. `.env.example` lists the same settings, ready to be filled in.\n",
    );
    for concern in CONCERNS {
        let _ = write!(page, "\n## {}\n\n{}\n\n| setting | default | what it does |\n|---|---|---|\n", concern.title, concern.about);
        for setting in concern.settings {
            let _ = writeln!(page, "| `{}` | {} | {} |", setting.name, default_cell(setting), setting.about.replace('|', "\\|"));
        }
    }
    page
}

fn default_cell(setting: &Setting) -> String {
    match (setting.default, setting.secret) {
        (Some(default), _) => format!("`{default}`"),
        (None, true) => "secret".to_owned(),
        (None, false) => String::new(),
    }
}

/// The whole of .env.example: every setting, commented out, with its default.
#[must_use]
pub fn example_file() -> String {
    let mut file = String::from(
        "# Settings of Callscribe. Copy to `.env` and fill in what you need; docs/CONFIGURATION.md says more.\n\
         # Generated from src/config by `make docs`.\n",
    );
    for concern in CONCERNS {
        let _ = write!(file, "\n# --- {} ---\n", concern.title);
        for setting in concern.settings {
            let value = setting.default.unwrap_or_default();
            let quote = if value.contains([' ', '#']) { "\"" } else { "" };
            let _ = write!(file, "# {}\n#{}={quote}{value}{quote}\n", setting.about, setting.name);
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_lacks_a_sentence() {
        for setting in CONCERNS.iter().flat_map(|concern| concern.settings) {
            assert!(setting.about.len() > 10 && !setting.about.ends_with('.'), "{}", setting.name);
        }
    }
}
