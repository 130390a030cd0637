//! Where a call's case number is found at the vendor.

use regex::{Regex, RegexBuilder};

use super::{Reader, Setting};

/// Which variables hold the case number, and what it looks like.
#[derive(Debug, Clone, Default)]
pub struct CaseNumberSettings {
    /// `WEBEX_CC_CASE_VARIABLE`: names of variables, the first with a value wins. Empty: calls have no case numbers.
    pub variables: Vec<String>,
    /// `WEBEX_CC_CASE_PATTERN`: the part of a value that is the number.
    pub pattern: Option<Regex>,
}

impl CaseNumberSettings {
    const VARIABLE: Setting = Setting::optional(
        "WEBEX_CC_CASE_VARIABLE",
        "Global variable of the flow that holds the case number, reportable in its definition; several names with commas between, the first with a value wins",
    );
    const PATTERN: Setting = Setting::optional(
        "WEBEX_CC_CASE_PATTERN",
        r"Regular expression for the case number within the variable's value, such as `CS\d{7}`, in upper or lower case; a value without a match counts as none",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::VARIABLE, Self::PATTERN];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let names = reader.text(&Self::VARIABLE).unwrap_or_default();
        let variables = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let pattern = reader.text(&Self::PATTERN).and_then(|text| match RegexBuilder::new(&text).case_insensitive(true).build() {
            Ok(pattern) => Some(pattern),
            Err(_) => {
                reader.complain(Self::PATTERN.name, format!("is not usable: `{text}` is no regular expression"));
                None
            }
        });
        let settings = Self { variables, pattern };
        if settings.variables.is_empty() && settings.pattern.is_some() {
            reader.complain(Self::PATTERN.name, "finds nothing: set `WEBEX_CC_CASE_VARIABLE` as well");
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<CaseNumberSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, CaseNumberSettings::read)
    }

    #[test]
    fn several_variables_may_be_named() {
        let read = read(&[("WEBEX_CC_CASE_VARIABLE", "CaseNumber, Incident,"), ("WEBEX_CC_CASE_PATTERN", r"cs\d{7}")]).unwrap();
        assert_eq!(read.variables, ["CaseNumber", "Incident"]);
        assert!(read.pattern.unwrap().is_match("CS1234567"));
    }

    #[test]
    fn a_pattern_that_cannot_work_is_told_at_start() {
        let wrong = read(&[("WEBEX_CC_CASE_VARIABLE", "CaseNumber"), ("WEBEX_CC_CASE_PATTERN", "CS(")]).unwrap_err().to_string();
        assert!(wrong.contains("`WEBEX_CC_CASE_PATTERN` is not usable"), "{wrong}");
        let alone = read(&[("WEBEX_CC_CASE_PATTERN", "CS")]).unwrap_err().to_string();
        assert!(alone.contains("set `WEBEX_CC_CASE_VARIABLE`"), "{alone}");
    }
}
