//! `POST /generated-summaries/search`: what the AI assistant made of a call, where a tenant has one.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{api_error, json_answer};
use super::book::Call;
use super::fault::Fault;
use super::platform::{foreign_org, told_org, unauthorised};
use super::{Shared, Site};

/// What was noted of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Why the customer called.
    pub initial_contact_reason: String,
    /// What was done, in lines.
    pub key_actions_taken: String,
    /// The wrap-up code that the agent chose.
    pub wrap_up_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    search_type: String,
    org_id: Option<String>,
    interaction_id: Option<Uuid>,
}

/// The summary of a call, as the truth has it.
pub(super) fn summary_of(call: &Call) -> Summary {
    let number = call.number;
    Summary {
        initial_contact_reason: call
            .spec
            .contact_reason
            .map_or_else(|| format!("The customer's device {number} does not start."), str::to_owned),
        key_actions_taken: format!("Read the number on the label.\nOpened request {number}.\nPromised to call back."),
        wrap_up_code: call.spec.wrap_up.map_or_else(|| format!("Wrap-up {}", number % 4), str::to_owned),
    }
}

pub(super) async fn search(State(site): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refused) = unauthorised(&site, &headers) {
        return refused;
    }
    let refused = site.faults.strike(&[], |fault| if let Fault::SummariesRefused { status } = fault { Some(*status) } else { None });
    if let Some(status) = refused {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        return api_error(&site, &headers, status, "The organization is not entitled to generated summaries.");
    }
    let bad = |why| api_error(&site, &headers, StatusCode::BAD_REQUEST, why);
    let Ok(query) = serde_json::from_slice::<Query>(&body) else { return bad("The request body could not be read.") };
    if let Some(foreign) = foreign_org(&site, &headers, query.org_id.as_deref()) {
        return foreign;
    }
    let Some(id) = query.interaction_id.filter(|_| query.search_type == "INTERACTION") else {
        return bad("Only searchType INTERACTION with an interactionId is simulated.");
    };
    json_answer(StatusCode::OK, &found(&site, id))
}

fn found(site: &Site, id: Uuid) -> Value {
    let call = site.book.find(id, &site.faults).filter(|call| call.spec.summarised && site.now_ms() >= call.ended_ms);
    let summaries = call.map_or_else(|| json!({}), |call| summaries(site, &call));
    json!({
        "interactionId": id, "orgId": told_org(site), "searchType": "INTERACTION", "agentCiUserId": null, "queueId": null,
        "summaries": summaries,
    })
}

fn summaries(site: &Site, call: &Call) -> Value {
    let Summary { initial_contact_reason, key_actions_taken, wrap_up_code } = summary_of(call);
    let key = format!("{}:{}:{}", site.org_id, call.id, site.book.owner(call).0);
    let post_call = json!({
        "initialContactReason": initial_contact_reason, "additionalContext": null, "additionalContactReasons": null,
        // newlines come escaped twice
        "keyActionsTaken": key_actions_taken.replace('\n', "\\n"), "nextSteps": null,
        "chosenWrapUpCode": wrap_up_code, "proposedWrapUpCodes": [{"name": wrap_up_code}],
    });
    let mut summaries = json!({"POST_CALL": {(key.as_str()): post_call}});
    let transferred = site.faults.strikes(&[&call.id.to_string()], &Fault::TransferSummary);
    if let (true, Some(fields)) = (transferred, summaries.as_object_mut()) {
        let mid_call =
            json!({"reasonForTransferOrConsult": "A colleague knows the device.", "additionalContext": null, "keyActionsTaken": null});
        fields.insert("MID_CALL".to_owned(), json!({(key.as_str()): mid_call}));
    }
    summaries
}
