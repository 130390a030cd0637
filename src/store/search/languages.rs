//! PostgreSQL's text search configurations by the languages that providers name.

/// Codes and names of languages, and the configuration that knows their stems; PostgreSQL 15 has all of them.
const CONFIGURATIONS: &[(&str, &str)] = &[
    ("ar", "arabic"),
    ("ca", "catalan"),
    ("da", "danish"),
    ("de", "german"),
    ("el", "greek"),
    ("en", "english"),
    ("es", "spanish"),
    ("fi", "finnish"),
    ("fr", "french"),
    ("hi", "hindi"),
    ("hu", "hungarian"),
    ("it", "italian"),
    ("nl", "dutch"),
    ("no", "norwegian"),
    ("nb", "norwegian"),
    ("pt", "portuguese"),
    ("ro", "romanian"),
    ("ru", "russian"),
    ("sv", "swedish"),
    ("ta", "tamil"),
    ("tr", "turkish"),
];

/// Words as they stand, for languages that PostgreSQL does not know and where none was told.
const SIMPLE: &str = "simple";

/// The configuration for a language, given as `en`, `en-US` or `english`.
pub(super) fn configuration(language: Option<&str>) -> &'static str {
    let language = language.unwrap_or_default().to_ascii_lowercase();
    let code = language.split(['-', '_']).next().unwrap_or_default();
    CONFIGURATIONS.iter().find(|(short, name)| *short == code || *name == language).map_or(SIMPLE, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_code_region_and_name() {
        let languages = [Some("en"), Some("en-GB"), Some("German"), Some("xx"), None];
        assert_eq!(languages.map(configuration), ["english", "english", "german", "simple", "simple"]);
    }
}
