//! Where a call's case number is found at the vendor.

use super::{Reader, Setting};
use crate::domain::CasePattern;

/// Stands for every variable there is.
const ANY: &str = "*";

/// Which variables hold the case number, and what it looks like.
#[derive(Debug, Clone, Default)]
pub struct CaseNumberSettings {
    /// `WEBEX_CC_CASE_VARIABLE`: names of variables, the first with a value wins.
    pub variables: Vec<String>,
    /// `*` among those names: a number that any other variable holds is a guess.
    pub any_variable: bool,
    /// `WEBEX_CC_CASE_PATTERN`: the part of a value that is the number. Without one nothing is guessed.
    pub pattern: Option<CasePattern>,
}

impl CaseNumberSettings {
    const VARIABLE: Setting = Setting::optional(
        "WEBEX_CC_CASE_VARIABLE",
        "Global variable of the flow that holds the case number, reportable in its definition; several names with commas between, the first with a value wins; `*` among them looks through all other variables, too, and needs `WEBEX_CC_CASE_PATTERN`",
    );
    const PATTERN: Setting = Setting::optional(
        "WEBEX_CC_CASE_PATTERN",
        r"Regular expression for the case number within the variable's value, such as `CS\d{7}`, in upper or lower case; a value without a match counts as none. With it a call whose variables tell no number gets the one that its reason, wrap-up or summary names",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::VARIABLE, Self::PATTERN];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let names = reader.text(&Self::VARIABLE).unwrap_or_default();
        let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let variables = names.iter().filter(|name| **name != ANY).map(|name| (*name).to_owned()).collect();
        let pattern = reader.text(&Self::PATTERN).and_then(|text| match CasePattern::parse(&text) {
            Ok(pattern) => Some(pattern),
            Err(_) => {
                reader.complain(Self::PATTERN.name, format!("is not usable: `{text}` is no regular expression"));
                None
            }
        });
        let any_variable = names.contains(&ANY);
        // a pattern that was refused has had its complaint
        if any_variable && reader.text(&Self::PATTERN).is_none() {
            reader.complain(Self::VARIABLE.name, "cannot be `*` alone: set `WEBEX_CC_CASE_PATTERN`, or every value would be a number");
        }
        Self { variables, any_variable, pattern }
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
        assert_eq!((read.variables, read.any_variable), (vec!["CaseNumber".to_owned(), "Incident".to_owned()], false));
        assert_eq!(read.pattern.unwrap().within("CS1234567").as_deref(), Some("CS1234567"));
    }

    #[test]
    fn a_pattern_that_cannot_work_is_told_at_start() {
        let wrong = read(&[("WEBEX_CC_CASE_VARIABLE", "CaseNumber"), ("WEBEX_CC_CASE_PATTERN", "CS(")]).unwrap_err().to_string();
        assert!(wrong.contains("`WEBEX_CC_CASE_PATTERN` is not usable"), "{wrong}");
    }

    #[test]
    fn any_variable_will_do_only_with_a_pattern_and_a_pattern_needs_no_variable() {
        let any = read(&[("WEBEX_CC_CASE_VARIABLE", "CaseNumber,*"), ("WEBEX_CC_CASE_PATTERN", r"CS\d{7}")]).unwrap();
        assert!(any.any_variable && any.variables == ["CaseNumber"]);
        let alone = read(&[("WEBEX_CC_CASE_VARIABLE", "*")]).unwrap_err().to_string();
        assert!(alone.contains("set `WEBEX_CC_CASE_PATTERN`"), "{alone}");
        assert!(read(&[("WEBEX_CC_CASE_PATTERN", "CS")]).unwrap().pattern.is_some());
    }
}
