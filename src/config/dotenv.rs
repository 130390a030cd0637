//! `.env`: settings beside the program, for people's own machines. The process's environment wins.

use std::{io, path::Path};

use super::{Environment, Problem, Problems};

impl Environment {
    /// The process's environment, and under it what `.env` in `directory` says, if there is one.
    pub fn with_dotenv(directory: &Path) -> Result<Self, Problems> {
        let mut environment = Self::of_process();
        environment.add_missing_from(&directory.join(".env"))?;
        Ok(environment)
    }

    /// Adds what the file says and the environment does not; a file that is not there says nothing.
    pub(super) fn add_missing_from(&mut self, file: &Path) -> Result<(), Problems> {
        let pairs = match dotenvy::from_path_iter(file) {
            Ok(pairs) => pairs,
            Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(file, &error)),
        };
        for pair in pairs {
            let (name, value) = pair.map_err(|error| unreadable(file, &error))?;
            // a secret given as a file in the environment also wins over its value in `.env`
            if self.get(&name).is_none() && self.get(&format!("{name}_FILE")).is_none() {
                self.set(&name, value);
            }
        }
        Ok(())
    }
}

/// Says where, never what: the line may hold a secret.
fn unreadable(file: &Path, error: &dotenvy::Error) -> Problems {
    let what = match error {
        dotenvy::Error::LineParse(line, column) => {
            let name = line.split('=').next().unwrap_or_default().trim();
            format!("cannot be read: the value of `{name}` is broken at column {column}; put it in quotes")
        }
        other => format!("cannot be read: {other}"),
    };
    Problems(vec![Problem { name: file.display().to_string(), what }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(".env");
        std::fs::write(&file, "# a comment\nREDIS_PREFIX=from-file\nLOG_LEVEL=\"debug\"\n").unwrap();
        let mut environment = Environment::default();
        environment.set("REDIS_PREFIX", "from-process");
        environment.add_missing_from(&file).unwrap();
        assert_eq!(environment.get("REDIS_PREFIX"), Some("from-process"));
        assert_eq!(environment.get("LOG_LEVEL"), Some("debug"));
    }

    #[test]
    fn a_missing_file_says_nothing_and_a_broken_one_never_shows_its_values() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = Environment::default();
        environment.add_missing_from(&directory.path().join(".env")).unwrap();
        let file = directory.path().join("broken");
        std::fs::write(&file, "WEBEX_CC_CLIENT_SECRET='s3cret\n").unwrap();
        let text = environment.add_missing_from(&file).unwrap_err().to_string();
        assert!(!text.contains("s3cret"), "{text}");
    }
}
