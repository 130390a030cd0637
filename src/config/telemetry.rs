//! Logs: form and level.

use super::{Reader, Setting};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// One readable line per event.
    Human,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// `LOG_FORMAT`; `None` leaves the choice to whether standard error is a terminal.
    pub format: Option<LogFormat>,
    /// `RUST_LOG` if given, else `LOG_LEVEL`.
    pub filter: String,
}

impl TelemetrySettings {
    const FORMAT: Setting =
        Setting::optional("LOG_FORMAT", "`human` or `json`; left out, it is `human` on a terminal and `json` everywhere else");
    const LEVEL: Setting = Setting::new("LOG_LEVEL", "info", "Least level logged: `error`, `warn`, `info`, `debug` or `trace`");
    const FILTER: Setting =
        Setting::optional("RUST_LOG", "Filter per module, such as `info,callscribe::queue=debug`; wins over `LOG_LEVEL`");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::FORMAT, Self::LEVEL, Self::FILTER];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let format = reader.text(&Self::FORMAT).and_then(|word| match word.trim() {
            "json" => Some(LogFormat::Json),
            "human" => Some(LogFormat::Human),
            other => {
                reader.complain(Self::FORMAT.name, format!("is not usable: `{other}` is neither `human` nor `json`"));
                None
            }
        });
        let level = reader.text(&Self::LEVEL).unwrap_or_else(|| "info".to_owned()).trim().to_ascii_lowercase();
        if !["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
            reader.complain(Self::LEVEL.name, format!("is not usable: `{level}` is not one of `error`, `warn`, `info`, `debug`, `trace`"));
        }
        Self { format, filter: reader.text(&Self::FILTER).unwrap_or(level) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<TelemetrySettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, TelemetrySettings::read)
    }

    #[test]
    fn the_filter_per_module_wins_over_the_level() {
        assert_eq!(read(&[("LOG_LEVEL", "WARN")]).unwrap().filter, "warn");
        assert_eq!(read(&[("LOG_LEVEL", "warn"), ("RUST_LOG", "callscribe=debug")]).unwrap().filter, "callscribe=debug");
    }

    #[test]
    fn a_format_nobody_knows_is_refused() {
        let text = read(&[("LOG_FORMAT", "xml")]).unwrap_err().to_string();
        assert!(text.contains("`LOG_FORMAT` is not usable: `xml`"), "{text}");
    }
}
