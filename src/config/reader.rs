//! The one way to a setting: declared, typed, optional as `NAME_FILE`, and remembered when it is wrong.

use std::{collections::BTreeMap, fmt, path::Path, str::FromStr, time::Duration};

use secrecy::SecretString;

/// One documented setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the environment.
    pub name: &'static str,
    /// What it is when it is not set; `None` when there is no default.
    pub default: Option<&'static str>,
    /// Never printed, and readable from the file that `<NAME>_FILE` names.
    pub secret: bool,
    /// What it does, with its unit; one or two sentences for docs/CONFIGURATION.md.
    pub about: &'static str,
}

impl Setting {
    /// A setting with a default.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, about: &'static str) -> Self {
        Self { name, default: Some(default), secret: false, about }
    }

    /// A setting without a default.
    #[must_use]
    pub const fn optional(name: &'static str, about: &'static str) -> Self {
        Self { name, default: None, secret: false, about }
    }

    /// A secret, without a default.
    #[must_use]
    pub const fn secret(name: &'static str, about: &'static str) -> Self {
        Self { name, default: None, secret: true, about }
    }
}

/// The environment as a map, so that tests need not touch the process's own.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars().collect()
    }

    /// Sets `name`, replacing what was there.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The value of `name`; an empty value counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Every name in it, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// One thing wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting.
    pub name: String,
    /// What is wrong with it and what would be right; never its value when it is a secret.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name, self.what)
    }
}

/// Everything wrong with the settings, told at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings do not work:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Reads declared settings and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'e> {
    environment: &'e Environment,
    problems: Vec<Problem>,
}

impl<'e> Reader<'e> {
    /// A reader of `environment`.
    #[must_use]
    pub fn new(environment: &'e Environment) -> Self {
        Self { environment, problems: Vec::new() }
    }

    /// Notes that something is wrong.
    pub fn complain(&mut self, name: &str, what: impl Into<String>) {
        self.problems.push(Problem { name: name.to_owned(), what: what.into() });
    }

    /// Whether the setting is given, by itself or as a file.
    #[must_use]
    pub fn is_set(&self, setting: &Setting) -> bool {
        self.environment.get(setting.name).is_some() || (setting.secret && self.environment.get(&file_name(setting)).is_some())
    }

    /// The text of the setting, or of its default.
    pub fn text(&mut self, setting: &Setting) -> Option<String> {
        self.given(setting).or_else(|| setting.default.map(str::to_owned))
    }

    /// The text of a setting that must be given; `why` ends the sentence "… is missing".
    pub fn required(&mut self, setting: &Setting, why: &str) -> String {
        self.text(setting).unwrap_or_else(|| {
            self.complain(setting.name, format!("is missing: {why}"));
            String::new()
        })
    }

    /// A secret, if given.
    pub fn secret(&mut self, setting: &Setting) -> Option<SecretString> {
        self.text(setting).map(SecretString::from)
    }

    /// A value that parses, or `None` when neither it nor a default is there or it does not parse (which is noted).
    pub fn parsed<T: FromStr>(&mut self, setting: &Setting, expected: &str) -> Option<T> {
        let text = self.text(setting)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            let shown = if setting.secret { "its value".to_owned() } else { format!("`{text}`") };
            self.complain(setting.name, format!("is not usable: {shown} is not {expected}"));
        }
        value
    }

    /// A span of time such as `30s`, `10m` or `1h 30m`.
    pub fn duration(&mut self, setting: &Setting) -> Option<Duration> {
        let text = self.text(setting)?;
        let value = humantime::parse_duration(text.trim()).ok();
        if value.is_none() {
            self.complain(setting.name, format!("is not usable: `{text}` is not a span of time such as `30s`, `10m` or `1h 30m`"));
        }
        value
    }

    /// A list separated by commas; empty items are left out.
    pub fn list(&mut self, setting: &Setting) -> Vec<String> {
        let text = self.text(setting).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Everything that was wrong, if anything was.
    pub fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    fn given(&mut self, setting: &Setting) -> Option<String> {
        let direct = self.environment.get(setting.name).map(str::to_owned);
        if !setting.secret {
            return direct;
        }
        let file_setting = file_name(setting);
        let Some(path) = self.environment.get(&file_setting) else { return direct };
        if direct.is_some() {
            self.complain(&file_setting, format!("fights with `{}`: give one of them", setting.name));
            return direct;
        }
        match std::fs::read_to_string(Path::new(path)) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                self.complain(&file_setting, format!("names `{path}`, which cannot be read: {error}"));
                None
            }
        }
    }
}

fn file_name(setting: &Setting) -> String {
    format!("{}_FILE", setting.name)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const TOKEN: Setting = Setting::secret("TOKEN", "a secret");
    const LEASE: Setting = Setting::new("LEASE", "30s", "a span");

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_problem_is_told_at_once_and_by_name() {
        let environment = environment(&[("LEASE", "soon")]);
        let mut reader = Reader::new(&environment);
        assert_eq!(reader.duration(&LEASE), None);
        reader.required(&TOKEN, "needed to log in");
        let text = reader.finish().unwrap_err().to_string();
        assert!(text.contains("`LEASE` is not usable: `soon`"), "{text}");
        assert!(text.contains("`TOKEN` is missing: needed to log in"), "{text}");
    }

    #[test]
    fn a_secret_may_come_from_a_file_but_not_from_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let path = file.path().to_str().unwrap();
        let only_file = environment(&[("TOKEN_FILE", path)]);
        let mut reader = Reader::new(&only_file);
        assert_eq!(reader.secret(&TOKEN).unwrap().expose_secret(), "s3cret");
        let both = environment(&[("TOKEN_FILE", path), ("TOKEN", "x")]);
        let mut reader = Reader::new(&both);
        reader.secret(&TOKEN);
        assert!(reader.finish().is_err());
    }

    #[test]
    fn an_empty_value_counts_as_not_set() {
        let environment = environment(&[("LEASE", " ")]);
        assert_eq!(Reader::new(&environment).duration(&LEASE), Some(Duration::from_secs(30)));
    }
}
