//! What the search answers: a 200 may hold rows, errors, or both. Rows beside an error are not all rows, so they are not taken.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::super::api::Answer;
use crate::{domain::SourceName, ledger::VendorTrace, outbound::scrub, sources::SourceError};

/// Characters of the vendor's errors that are kept.
const LONGEST_REASON: usize = 300;

#[derive(Debug, Deserialize)]
pub(super) struct WireAnswer {
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    errors: Option<Vec<WireError>>,
}

#[derive(Debug, Deserialize)]
struct WireError {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    extensions: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireData {
    task_details: WireList,
}

/// Missing is not empty: an answer without `tasks` is not an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireList {
    tasks: Vec<Value>,
    page_info: WirePageInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePageInfo {
    has_next_page: bool,
    #[serde(default)]
    end_cursor: Option<Value>,
}

/// Rows of one answer.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) tasks: Vec<Value>,
    /// Where the next page begins, if there is one; empty when the vendor does not say where.
    pub(super) next: Option<String>,
    pub(super) trace: VendorTrace,
}

/// An answer, or the names of fields that were asked for and are not there.
#[derive(Debug)]
pub(super) enum Told {
    All(Read),
    Undefined(BTreeSet<String>, SourceError),
}

/// Reads an answer. How many rows it has says nothing about whether more follow.
pub(super) fn read(answer: Answer<WireAnswer>) -> Result<Told, SourceError> {
    let Answer { content: WireAnswer { data, errors }, trace } = answer;
    let errors = errors.unwrap_or_default();
    if !errors.is_empty() {
        return refused(&errors, trace);
    }
    let WireData { task_details } = serde_path_to_error::deserialize(data.unwrap_or_default()).map_err(|error| {
        let what = format!("`data.{}`: {}", error.path(), scrub(&error.inner().to_string(), LONGEST_REASON));
        SourceError::WrongShape { source_name: SourceName::Webex, what, trace: trace.clone() }
    })?;
    let WirePageInfo { has_next_page, end_cursor } = task_details.page_info;
    // a text by the specification; a number would mean the same
    let cursor = match end_cursor {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    Ok(Told::All(Read { tasks: task_details.tasks, next: has_next_page.then_some(cursor), trace }))
}

fn refused(errors: &[WireError], trace: VendorTrace) -> Result<Told, SourceError> {
    let source_name = SourceName::Webex;
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_deref().unwrap_or("an error without a message")).collect();
    let what = scrub(&messages.join("; "), LONGEST_REASON);
    if !errors.iter().any(is_validation) {
        return Err(SourceError::Unavailable { source_name, what, trace });
    }
    let error = SourceError::Rejected { source_name, what, trace };
    let fields = undefined(&messages.join("; "));
    if fields.is_empty() { Err(error) } else { Ok(Told::Undefined(fields, error)) }
}

fn is_validation(error: &WireError) -> bool {
    let classified = error.extensions.as_ref().and_then(|extensions| extensions.get("classification")).and_then(Value::as_str);
    classified == Some("ValidationError") || error.message.as_deref().is_some_and(|message| message.starts_with("Validation error"))
}

/// The fields of a task that a text calls undefined, by their paths below `tasks`, such as `csatScore` or `lastSite/name`.
pub(super) fn undefined(text: &str) -> BTreeSet<String> {
    let paths = text.split("FieldUndefined@[").skip(1).filter_map(|rest| rest.split_once(']'));
    paths.filter_map(|(path, _)| path.split_once("tasks/").map(|(_, below)| below.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(body: Value) -> Result<Told, SourceError> {
        read(Answer { content: serde_json::from_value(body).unwrap(), trace: VendorTrace::default() })
    }

    #[test]
    fn an_answer_without_tasks_is_loud_and_never_no_tasks() {
        for body in [json!({}), json!({"data": null}), json!({"data": {"taskDetails": {"items": []}}}), json!({"errors": [], "data": {}})] {
            let error = told(body.clone()).unwrap_err();
            assert!(matches!(error, SourceError::WrongShape { .. }), "{body}: {error}");
        }
    }

    #[test]
    fn rows_beside_an_error_are_not_taken() {
        let error = told(json!({"data": {"taskDetails": {"tasks": [{"id": "a"}], "pageInfo": {"hasNextPage": false}}},
                                "errors": [{"message": "upstream request timeout"}]}));
        assert!(matches!(error.unwrap_err(), SourceError::Unavailable { .. }));
    }

    #[test]
    fn a_validation_error_names_the_fields_or_stays_an_error() {
        let undefined = "Validation error (FieldUndefined@[taskDetails/tasks/lastSite/name]) : Field 'name' in type 'Site' is undefined";
        let Told::Undefined(fields, _) = told(
            json!({"errors": [{"message": undefined}, {"message": "Validation error (FieldUndefined@[taskDetails/tasks/csatScore]) : …"}]}),
        )
        .unwrap() else {
            panic!("fields are undefined")
        };
        assert_eq!(fields.into_iter().collect::<Vec<_>>(), ["csatScore", "lastSite/name"]);
        let other = json!({"errors": [{"message": "Validation error (WrongType@[taskDetails]) : …"}]});
        assert!(matches!(told(other).unwrap_err(), SourceError::Rejected { .. }));
    }

    #[test]
    fn only_the_vendors_word_says_whether_more_follows() {
        let page = |info: Value| {
            let Told::All(read) = told(json!({"data": {"taskDetails": {"tasks": [], "pageInfo": info}}})).unwrap() else { panic!("rows") };
            read.next
        };
        assert_eq!(page(json!({"hasNextPage": true, "endCursor": "1"})).as_deref(), Some("1"));
        assert_eq!(page(json!({"hasNextPage": true, "endCursor": 7})).as_deref(), Some("7"));
        assert_eq!(page(json!({"hasNextPage": false, "endCursor": null})), None);
    }
}
