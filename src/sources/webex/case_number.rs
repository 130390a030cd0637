//! Which case a call belongs to: a variable that the tenant's own flow sets, under a name that only the tenant knows; failing that,
//! what else of the record names a number.

use serde_json::Value;

use super::{search::Field, translate::told};
use crate::config::CaseNumberSettings;

/// The variables of one flow, each asked for by its name.
const BY_NAME: &str = "stringGlobalVariables";
/// All of them at once, in a shape that no contract tells: asked for only where they cannot be asked for by name, or when the
/// settings say so.
const ALL: &str = "globalVariables";
/// What agents and the vendor's analysis write of a call, where a number may be named.
const TEXTS: &[&str] = &["contactReason", "contactDriver", "lastWrapupCodeName"];

/// Where the case number is found.
#[derive(Debug, Clone, Default)]
pub(super) struct CaseNumbers(pub(super) CaseNumberSettings);

impl CaseNumbers {
    /// What to ask for.
    pub(super) fn fields(&self) -> Vec<Field> {
        let by_name = self.0.variables.iter().enumerate().map(|(place, name)| Field::variable(alias(place), name));
        let all = match (self.0.any_variable, self.0.variables.is_empty()) {
            (true, _) => Some(Field::plain(ALL)),
            (false, false) => Some(Field::plain(ALL).in_place_of(BY_NAME)),
            (false, true) => None,
        };
        by_name.chain(all).collect()
    }

    /// The case number of a call, as its flow told it: the first of the variables that has one.
    pub(super) fn of(&self, element: &Value) -> Option<String> {
        let all = element.get(ALL);
        let held = |place: usize, name: &str| {
            let by_name = element.get(alias(place)).and_then(|variable| variable.get("value"));
            text(by_name).or_else(|| text(all.and_then(|all| among_all(all, name))))
        };
        self.0.variables.iter().enumerate().find_map(|(place, name)| self.normalised(&held(place, name)?))
    }

    /// The number that the call's other variables, its reason or its wrap-up name, if all of them name the same one.
    pub(super) fn guessed(&self, element: &Value) -> Option<String> {
        let texts = TEXTS.iter().filter_map(|name| element.get(name)?.as_str());
        let held: Vec<&str> = element.get(ALL).map(all_values).unwrap_or_default();
        self.named_in(texts.chain(held))
    }

    /// The number that these texts name, if it is only one.
    pub(super) fn named_in<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Option<String> {
        self.0.pattern.as_ref()?.named_in(texts)
    }

    fn normalised(&self, value: &str) -> Option<String> {
        match &self.0.pattern {
            Some(pattern) => pattern.within(value),
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
    value_of(held)
}

/// The texts of all variables, in either shape.
fn all_values(all: &Value) -> Vec<&str> {
    let held: Vec<&Value> = match all {
        Value::Array(list) => list.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    held.into_iter().filter_map(value_of).filter_map(Value::as_str).collect()
}

fn value_of(held: &Value) -> Option<&Value> {
    held.get("value").or((!held.is_object()).then_some(held))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::CasePattern;

    fn numbers(variables: &[&str], pattern: Option<&str>) -> CaseNumbers {
        let variables = variables.iter().map(|name| (*name).to_owned()).collect();
        CaseNumbers(CaseNumberSettings { variables, any_variable: false, pattern: pattern.map(|text| CasePattern::parse(text).unwrap()) })
    }

    #[test]
    fn what_no_variable_tells_is_guessed_from_all_that_the_record_says_and_only_if_it_says_one_number() {
        let guessing = numbers(&["CaseNumber"], Some(r"CS\d{7}"));
        for element in [
            json!({"contactReason": "about cs0012345, again"}),
            json!({"contactDriver": "CS0012345", "lastWrapupCodeName": "Resolved"}),
            json!({"lastWrapupCodeName": "see CS0012345", "contactReason": "CS0012345"}),
            json!({"globalVariables": {"Note": "CS0012345", "Other": {"value": "x"}, "Count": 7}}),
            json!({"globalVariables": [{"name": "Note", "value": "is CS0012345"}]}),
        ] {
            assert_eq!(guessing.of(&element), None, "a guess is not told: {element}");
            assert_eq!(guessing.guessed(&element).as_deref(), Some("CS0012345"), "{element}");
        }
        let two = json!({"contactReason": "CS0012345", "globalVariables": {"Note": "CS7654321"}});
        assert_eq!(guessing.guessed(&two), None);
        let without_pattern = numbers(&["CaseNumber"], None);
        assert_eq!(without_pattern.guessed(&json!({"contactReason": "CS0012345"})), None, "any text would be a number");
    }

    #[test]
    fn all_variables_are_asked_for_only_when_the_settings_say_so() {
        assert_eq!(numbers(&[], Some("CS")).fields().len(), 0);
        assert_eq!(numbers(&["CaseNumber"], None).fields().len(), 2);
        let any = CaseNumbers(CaseNumberSettings { any_variable: true, ..CaseNumberSettings::default() });
        assert_eq!(any.fields().len(), 1);
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
