//! Numbers that Webex writes sometimes as numbers and sometimes as text, against its own specification.

use serde::{Deserialize, Deserializer, de::Error};

#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Whole(i64),
    Fraction(f64),
    Text(String),
}

/// Reads `1`, `1.0`, `"1"`, `""` or `null`; an empty text is nothing.
pub(super) fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let wire = Option::<Wire>::deserialize(deserializer).map_err(|_| D::Error::custom("expected a number, as a number or as text"))?;
    match wire {
        None => Ok(None),
        Some(Wire::Whole(number)) => Ok(Some(number)),
        Some(Wire::Fraction(number)) => whole(&format!("{number:.0}")).map(Some),
        Some(Wire::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(Wire::Text(text)) => whole(text.trim()).map(Some),
    }
}

fn whole<E: Error>(text: &str) -> Result<i64, E> {
    text.parse().map_err(|_| E::custom("expected a number, as a number or as text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Row {
        #[serde(default, deserialize_with = "number_or_text")]
        at: Option<i64>,
    }

    #[test]
    fn a_number_may_be_a_number_or_a_text_or_missing() {
        let read = |json: &str| serde_json::from_str::<Row>(json).map(|row| row.at).ok();
        assert_eq!(read(r#"{"at":1758724953881}"#), Some(Some(1_758_724_953_881)));
        assert_eq!(read(r#"{"at":"1758724953881"}"#), Some(Some(1_758_724_953_881)));
        assert_eq!(read(r#"{"at":1.758724953881e12}"#), Some(Some(1_758_724_953_881)));
        assert_eq!(read(r#"{"at":-1}"#), Some(Some(-1)));
        for nothing in ["{}", r#"{"at":null}"#, r#"{"at":" "}"#] {
            assert_eq!(read(nothing), Some(None), "{nothing}");
        }
        for wrong in [r#"{"at":"soon"}"#, r#"{"at":[1]}"#, r#"{"at":true}"#] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
