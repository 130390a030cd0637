//! What PostgreSQL cannot hold is taken out before it gets there: one odd value must not fail the statement of its page.

use std::borrow::Cow;

use serde_json::Value;

/// Stands where a NUL stood, which neither `text` nor `jsonb` can hold.
const REPLACEMENT: &str = "\u{fffd}";

/// `text` without NULs and of at most `longest` characters; borrowed when nothing had to change, as nearly always.
pub(crate) fn text(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let end = text.char_indices().nth(longest).map_or(text.len(), |(end, _)| end);
    Cow::Owned(text.get(..end).unwrap_or(text).replace('\0', REPLACEMENT))
}

/// `value` with the NULs in its strings and names replaced; borrowed when there is none, as nearly always.
pub(crate) fn json(value: &Value) -> Cow<'_, Value> {
    if holds_nul(value) { Cow::Owned(without_nul(value)) } else { Cow::Borrowed(value) }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains('\0') || holds_nul(member)),
    }
}

fn without_nul(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(text.replace('\0', REPLACEMENT)),
        Value::Array(items) => Value::Array(items.iter().map(without_nul).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.replace('\0', REPLACEMENT), without_nul(member))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_nul_is_replaced_wherever_it_hides() {
        let value = json!({"a\u{0}": ["x\u{0}y", {"b": "\u{0}"}], "n": 1});
        assert_eq!(*json(&value), json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\u{fffd}"}], "n": 1}));
    }

    #[test]
    fn clean_json_is_not_copied() {
        let value = json!({"a": [1, "x", null]});
        assert!(matches!(json(&value), Cow::Borrowed(_)));
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(text("äöü", 2), "äö");
        assert_eq!(text("a\0b", 10), "a\u{fffd}b");
    }
}
