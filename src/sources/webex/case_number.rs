//! Which case a call belongs to: a variable that the tenant's own flow sets, under a name that only the tenant knows.

use serde_json::Value;

use super::{search::Field, translate::told};
use crate::config::CaseNumberSettings;

/// The variables of one flow, each asked for by its name.
const BY_NAME: &str = "stringGlobalVariables";
/// All of them at once, in a shape that no contract tells: asked for only where they cannot be asked for by name.
const ALL: &str = "globalVariables";

/// Where the case number is found.
#[derive(Debug, Clone, Default)]
pub(super) struct CaseNumbers(pub(super) CaseNumberSettings);

impl CaseNumbers {
    /// What to ask for.
    pub(super) fn fields(&self) -> Vec<Field> {
        if self.0.variables.is_empty() {
            return Vec::new();
        }
        let by_name = self.0.variables.iter().enumerate().map(|(place, name)| Field::variable(alias(place), name));
        by_name.chain([Field::plain(ALL).in_place_of(BY_NAME)]).collect()
    }

    /// The case number of a call: the first of the variables that has one.
    pub(super) fn of(&self, element: &Value) -> Option<String> {
        let all = element.get(ALL);
        let held = |place: usize, name: &str| {
            let by_name = element.get(alias(place)).and_then(|variable| variable.get("value"));
            text(by_name).or_else(|| text(all.and_then(|all| among_all(all, name))))
        };
        self.0.variables.iter().enumerate().find_map(|(place, name)| self.normalised(&held(place, name)?))
    }

    fn normalised(&self, value: &str) -> Option<String> {
        match &self.0.pattern {
            Some(pattern) => pattern.find(value).map(|found| found.as_str().to_ascii_uppercase()),
            None => Some(value.to_owned()),
        }
    }
}

fn alias(place: usize) -> String {
    format!("case_{place}")
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => told(Some(text.clone())),
        Value::Number(number) => told(Some(number.to_string())),
        _ => None,
    }
}

/// A variable in an object of them, `{"name": value}` or `{"name": {"value": …}}`, or in a list of `{"name", "value"}`.
fn among_all<'v>(all: &'v Value, name: &str) -> Option<&'v Value> {
    let held = match all {
        Value::Array(list) => list.iter().find(|each| each.get("name").and_then(Value::as_str) == Some(name))?,
        object => object.get(name)?,
    };
    held.get("value").or((!held.is_object()).then_some(held))
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::json;

    use super::*;

    fn numbers(variables: &[&str], pattern: Option<&str>) -> CaseNumbers {
        let variables = variables.iter().map(|name| (*name).to_owned()).collect();
        CaseNumbers(CaseNumberSettings { variables, pattern: pattern.map(|text| Regex::new(text).unwrap()) })
    }

    #[test]
    fn the_first_variable_with_a_value_wins() {
        let numbers = numbers(&["CaseNumber", "Incident"], None);
        let of = |one: Value, other: Value| numbers.of(&json!({"case_0": one, "case_1": other}));
        let set = |value: &str| json!({"name": "x", "value": value});
        let unset = json!({"name": null, "value": null});
        assert_eq!(of(set("CS0000001"), set("INC1")).as_deref(), Some("CS0000001"));
        assert_eq!(of(unset.clone(), set(" INC1 ")).as_deref(), Some("INC1"));
        for nothing in [json!(null), unset, set(""), set("NA"), set("n/a")] {
            assert_eq!(of(nothing.clone(), set("INC1")).as_deref(), Some("INC1"), "{nothing}");
            assert_eq!(of(nothing.clone(), nothing), None);
        }
    }

    #[test]
    fn a_pattern_takes_the_number_out_of_what_people_write_around_it() {
        let numbers = numbers(&["CaseNumber", "Note"], Some(r"(?i)CS\d{7}"));
        let of = |one: &str, other: &str| numbers.of(&json!({"case_0": {"value": one}, "case_1": {"value": other}}));
        assert_eq!(of("case cs0012345, urgent", "CS7654321").as_deref(), Some("CS0012345"));
        assert_eq!(of("none", "see CS7654321").as_deref(), Some("CS7654321"), "what does not match is no number");
        assert_eq!(of("12345", "CS12"), None);
    }

    #[test]
    fn all_variables_at_once_are_read_in_either_shape() {
        let numbers = numbers(&["CaseNumber"], None);
        for all in [
            json!({"CaseNumber": "CS0000001"}),
            json!({"CaseNumber": {"value": "CS0000001"}}),
            json!([{"name": "Other", "value": "x"}, {"name": "CaseNumber", "value": "CS0000001"}]),
        ] {
            assert_eq!(numbers.of(&json!({"globalVariables": all})).as_deref(), Some("CS0000001"), "{all}");
        }
        assert_eq!(numbers.of(&json!({"globalVariables": "CaseNumber"})), None);
    }
}
