//! Summaries by Webex's AI assistant: `POST /generated-summaries/search`, for tenants that have it.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{Api, Ask},
    translate::told,
};
use crate::{
    domain::{CallSummary, SessionId, SourceName, SummaryNote},
    ledger::VendorTrace,
    sources::SourceError,
};

const PATH: &str = "generated-summaries/search";

#[derive(Debug, Deserialize)]
struct WireAnswer {
    summaries: Option<WireSummaries>,
}

/// By `<org>:<task>:<agent>`.
#[derive(Debug, Deserialize)]
struct WireSummaries {
    #[serde(rename = "POST_CALL")]
    post_call: Option<BTreeMap<String, WireNote>>,
    #[serde(rename = "MID_CALL")]
    mid_call: Option<BTreeMap<String, WireNote>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireNote {
    initial_contact_reason: Option<String>,
    additional_context: Option<String>,
    additional_contact_reasons: Option<String>,
    key_actions_taken: Option<String>,
    next_steps: Option<String>,
    reason_for_transfer_or_consult: Option<String>,
    chosen_wrap_up_code: Option<String>,
    proposed_wrap_up_codes: Option<Vec<WireCode>>,
}

#[derive(Debug, Deserialize)]
struct WireCode {
    name: Option<String>,
}

/// The summary of one call; `None` when there is none, or none yet.
pub(super) async fn ask(api: &Api, session: &SessionId) -> Result<Option<CallSummary>, SourceError> {
    let url = api.base.join(PATH).map_err(|error| SourceError::Rejected {
        source_name: SourceName::Webex,
        what: format!("`WEBEX_CC_BASE_URL` makes no URL: {error}"),
        trace: VendorTrace::default(),
    })?;
    let body = json!({"searchType": "INTERACTION", "orgId": api.org_id.as_str(), "interactionId": session.as_str()});
    let ask = Ask { method: Method::POST, url, body: Some(body), divisible: false };
    let answer = api.ask_of_extras::<Value>(&ask).await.map_err(|refusal| refusal.error)?;
    read(answer.content, &answer.trace)
}

fn read(answer: Value, trace: &VendorTrace) -> Result<Option<CallSummary>, SourceError> {
    let wire: WireAnswer = serde_path_to_error::deserialize(answer).map_err(|error| SourceError::WrongShape {
        source_name: SourceName::Webex,
        // serde's own text may quote what was said
        what: format!("`{}`: not what was expected there", error.path()),
        trace: trace.clone(),
    })?;
    let Some(summaries) = wire.summaries else { return Ok(None) };
    let summary = CallSummary { post_call: notes(summaries.post_call), mid_call: notes(summaries.mid_call), named_case_number: None };
    Ok((!summary.is_empty()).then_some(summary))
}

/// The notes that say something.
fn notes(wire: Option<BTreeMap<String, WireNote>>) -> Vec<SummaryNote> {
    let note = |(key, wire): (String, WireNote)| {
        let note = SummaryNote {
            agent_id: None,
            initial_contact_reason: lines(wire.initial_contact_reason),
            additional_context: lines(wire.additional_context),
            additional_contact_reasons: lines(wire.additional_contact_reasons),
            key_actions_taken: lines(wire.key_actions_taken),
            next_steps: lines(wire.next_steps),
            reason_for_transfer_or_consult: lines(wire.reason_for_transfer_or_consult),
            chosen_wrap_up_code: lines(wire.chosen_wrap_up_code),
            proposed_wrap_up_codes: wire.proposed_wrap_up_codes.into_iter().flatten().filter_map(|code| lines(code.name)).collect(),
        };
        let agent_id = key.splitn(3, ':').nth(2).map(str::to_owned);
        (note != SummaryNote::default()).then(|| SummaryNote { agent_id: told(agent_id), ..note })
    };
    wire.into_iter().flatten().filter_map(note).collect()
}

/// Newlines come as a backslash and an `n`; U+0000 is in no text that PostgreSQL takes.
fn lines(text: Option<String>) -> Option<String> {
    told(text.map(|text| text.replace("\\r\\n", "\n").replace("\\n", "\n").replace('\0', "\u{fffd}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(summaries: &Value) -> Option<CallSummary> {
        read(json!({"interactionId": "t", "summaries": summaries}), &VendorTrace::default()).unwrap()
    }

    #[test]
    fn newlines_are_newlines_and_what_is_not_told_is_not_there() {
        let found = summary(&json!({
            "POST_CALL": {"org:task:agent-1": {"initialContactReason": "a\\nb", "keyActionsTaken": null, "nextSteps": " ", "chosenWrapUpCode": "Sale",
                "proposedWrapUpCodes": [{"name": "Sale"}, {"name": null}], "somethingNew": 7}},
            "MID_CALL": {"org:task:agent-2": {"reasonForTransferOrConsult": "knows the device"}},
        }))
        .unwrap();
        let note = &found.post_call[0];
        assert_eq!((note.initial_contact_reason.as_deref(), note.next_steps.as_deref()), (Some("a\nb"), None));
        assert_eq!((note.agent_id.as_deref(), note.proposed_wrap_up_codes.as_slice()), (Some("agent-1"), ["Sale".to_owned()].as_slice()));
        assert_eq!(found.chosen_wrap_up_code(), Some("Sale"));
        assert_eq!(found.mid_call[0].reason_for_transfer_or_consult.as_deref(), Some("knows the device"));
    }

    #[test]
    fn nothing_is_no_summary_and_codes_that_differ_choose_none() {
        for nothing in
            [json!(null), json!({}), json!({"POST_CALL": {}}), json!({"POST_CALL": {"k": {"nextSteps": null}}, "MID_CALL": null})]
        {
            assert_eq!(summary(&nothing), None, "{nothing}");
        }
        let two =
            summary(&json!({"POST_CALL": {"o:t:a": {"chosenWrapUpCode": "Sale"}, "o:t:b": {"chosenWrapUpCode": "Complaint"}}})).unwrap();
        assert_eq!((two.post_call.len(), two.chosen_wrap_up_code()), (2, None));
    }

    #[test]
    fn a_wrong_shape_is_told_without_what_was_said() {
        let error =
            read(json!({"summaries": {"POST_CALL": {"k": {"nextSteps": {"said": "secret"}}}}}), &VendorTrace::default()).unwrap_err();
        assert!(matches!(error, SourceError::WrongShape { .. }) && !error.to_string().contains("secret"), "{error}");
    }
}
