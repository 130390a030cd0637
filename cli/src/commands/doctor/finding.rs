//! What a check came to.

use std::fmt::Display;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Level {
    /// As it should be.
    #[serde(rename = "ok")]
    Ok,
    /// Works, and someone should look.
    #[serde(rename = "warn")]
    Warn,
    /// Will not work.
    #[serde(rename = "FAIL")]
    Fail,
    /// Not configured, so not checked.
    #[serde(rename = "off")]
    Off,
}

impl Level {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Off => "off",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was checked.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Display) -> Self {
        Self { check, level: Level::Ok, found: found.to_string(), fix: None }
    }

    pub(super) fn off(check: &'static str, found: impl Display) -> Self {
        Self { check, level: Level::Off, found: found.to_string(), fix: None }
    }

    pub(super) fn warn(check: &'static str, found: impl Display, fix: impl Display) -> Self {
        Self { check, level: Level::Warn, found: found.to_string(), fix: Some(fix.to_string()) }
    }

    pub(super) fn fail(check: &'static str, found: impl Display, fix: impl Display) -> Self {
        Self { check, level: Level::Fail, found: found.to_string(), fix: Some(fix.to_string()) }
    }
}
