//! Webex's own transcripts and summaries, and every fault of theirs; what is recorded beside a call.

use std::time::Duration;

use callscribe_simulators::When;
use callscribe_simulators::webex::{CallSpec, Fault, Leg, WebexPlan};
use serde_json::{Value, json};

use crate::client::Caller;

fn plan() -> WebexPlan {
    let call = CallSpec { summarised: true, ..CallSpec::ago(Duration::from_hours(1)).transcribed() };
    WebexPlan::new(8, vec![call.speaking(Duration::from_secs(20))])
}

async fn with(faults: &[Fault]) -> Caller {
    Caller::of(faults.iter().fold(plan(), |plan, fault| plan.with(fault.clone(), When::Always))).await
}

impl Caller {
    async fn capture(&self, more: Value) -> Value {
        let mut query = json!({"orgId": self.webex.org_id(), "urlExpiration": 60, "taskIds": [self.webex.session_id(0)]});
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.captures(query).await.1["data"][0].clone()
    }

    async fn transcript(&self) -> String {
        let listed = self.capture(json!({})).await["transcription"].clone();
        let link = listed[0]["filePath"].as_str().unwrap().to_owned();
        self.http.get(link).send().await.unwrap().text().await.unwrap()
    }

    fn said(&self) -> Vec<String> {
        self.webex.truth_at(0).unwrap().words().into_iter().map(|said| said.word).collect()
    }
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

#[tokio::test]
async fn the_older_form_tells_the_words_of_the_script_by_role() {
    let caller = with(&[]).await;
    let file: Value = serde_json::from_str(&caller.transcript().await).unwrap();
    let results = file["responseContents"].as_array().unwrap();
    let roles: Vec<_> = results.iter().map(|result| result["recognitionResult"]["role"].as_str().unwrap()).collect();
    assert!(roles.is_sorted() && roles.contains(&"AGENT") && roles.contains(&"CALLER"), "{roles:?}");
    let words = results.iter().flat_map(|result| result["recognitionResult"]["alternatives"][0]["words"].as_array().unwrap());
    let told = words.map(|word| word["word"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sorted(told), sorted(caller.said()));
    assert_ne!(sorted(caller.said()), caller.said());
}

#[tokio::test]
async fn the_newer_form_tells_the_same_under_the_same_name() {
    for faults in [vec![Fault::VconTranscript], vec![Fault::VconTranscript, Fault::TranscriptUnordered, Fault::TranscriptEmptyDialog]] {
        let caller = with(&faults).await;
        assert_eq!(caller.capture(json!({})).await["transcription"][0]["fileName"], "voiceTranscript.json");
        let file: Value = serde_json::from_str(&caller.transcript().await).unwrap();
        let dialogs = file["dialog"].as_array().unwrap();
        let bodies = dialogs.iter().filter_map(|dialog| dialog["body"].as_str());
        let told = bodies.flat_map(str::split_whitespace).map(str::to_owned).collect();
        assert_eq!(sorted(told), sorted(caller.said()));
        let starts: Vec<_> =
            dialogs.iter().filter(|dialog| dialog["type"] == "text").map(|dialog| dialog["start"].as_str().unwrap()).collect();
        assert_eq!(starts.is_sorted(), faults.len() == 1, "{starts:?}");
        assert_eq!(dialogs.contains(&json!({})), faults.len() > 1);
    }
}

#[tokio::test]
async fn a_file_may_lack_words_or_be_no_transcript_at_all() {
    let first = async |fault: Fault| {
        let file: Value = serde_json::from_str(&with(&[fault]).await.transcript().await).unwrap();
        file["responseContents"][0]["recognitionResult"].clone()
    };
    let bare = first(Fault::TranscriptWithoutWords).await;
    assert_eq!(bare["alternatives"][0]["words"], json!([]));
    assert!(!bare["alternatives"][0]["transcript"].as_str().unwrap().is_empty());
    let text = first(Fault::TranscriptSecondsAsText).await["alternatives"][0]["words"].to_string();
    assert!(text.contains("\"seconds\":\""), "{text}");
    assert_eq!(first(Fault::TranscriptRelativeTimes).await["has_applied_recording_offsets"], false);
    assert!(serde_json::from_str::<Value>(&with(&[Fault::TranscriptInvalidJson]).await.transcript().await).is_err());
    let unknown: Value = serde_json::from_str(&with(&[Fault::TranscriptUnknownShape]).await.transcript().await).unwrap();
    assert!(unknown.get("responseContents").is_none() && unknown.get("dialog").is_none());
}

#[tokio::test]
async fn a_transcript_comes_later_than_the_recording_or_never() {
    let caller = with(&[Fault::TranscriptLate { after: Duration::from_hours(5) }]).await;
    let both = caller.capture(json!({})).await;
    assert_eq!((both["recording"].as_array().unwrap().len(), &both["transcription"]), (1, &json!([])));
    caller.webex.clock().advance(Duration::from_hours(5));
    assert_eq!(caller.capture(json!({})).await["transcription"].as_array().unwrap().len(), 1);
    let never = with(&[Fault::NoTranscript]).await;
    never.webex.clock().advance(Duration::from_hours(200));
    assert_eq!(never.capture(json!({})).await["transcription"], json!([]));
    let twice = with(&[Fault::RealtimeTranscriptToo, Fault::CapitalKeys]).await.capture(json!({})).await;
    let sources: Vec<_> = twice["transcription"].as_array().unwrap().iter().map(|each| each["Source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["realtime-voice", "recording"]);
}

#[tokio::test]
async fn a_call_may_have_any_legs_and_lists_them_as_they_are_asked_for() {
    let types = async |fault: Fault, more: Value| {
        let listed = with(&[fault]).await.capture(more).await["recording"].clone();
        let word = |entry: &Value| {
            format!("{}{}", entry["attributes"]["callType"].as_str().unwrap(), if entry["segment"] == true { "*" } else { "" })
        };
        listed.as_array().unwrap().iter().map(word).collect::<Vec<_>>()
    };
    let all = json!({"includeSegments": true, "includeVARecordings": true});
    assert_eq!(types(Fault::SeveralLegs, json!({})).await, ["consult", "main"]);
    assert_eq!(types(Fault::SeveralLegs, all.clone()).await, ["consult", "main", "main*", "main*"]);
    assert_eq!(types(Fault::OnlyConsult, all.clone()).await, ["consult"]);
    assert_eq!(types(Fault::OnlySegments, all.clone()).await, ["main*", "main*"]);
    assert_eq!(types(Fault::VaLegs, json!({})).await, ["main"]);
    assert_eq!(types(Fault::VaLegs, all.clone()).await, ["main", "va-main", "va-consult"]);
    let old = with(&[Fault::VaRecordingsUnknown]).await;
    let query = json!({"orgId": old.webex.org_id(), "taskIds": [old.webex.session_id(0)], "includeVARecordings": true});
    assert_eq!(old.captures(query).await.0, 400);
    let ids: std::collections::HashSet<_> = Leg::ALL.iter().map(|leg| old.webex.leg_of(0, *leg).unwrap().0).collect();
    assert_eq!(ids.len(), Leg::ALL.len());
}

#[tokio::test]
async fn summaries_are_told_with_newlines_escaped_twice_or_refused() {
    let ask = async |caller: &Caller| {
        let body = json!({"searchType": "INTERACTION", "orgId": caller.webex.org_id(), "interactionId": caller.webex.session_id(0)});
        let request = caller.http.post(format!("{}/generated-summaries/search", caller.webex.base_url())).bearer_auth(&caller.token);
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let caller = with(&[Fault::TransferSummary]).await;
    let (status, body) = ask(&caller).await;
    let summary = body["summaries"]["POST_CALL"].as_object().unwrap().values().next().unwrap().clone();
    let truth = caller.webex.truth_at(0).unwrap().summary.unwrap();
    assert_eq!((status, summary["chosenWrapUpCode"].as_str()), (200, Some(truth.wrap_up_code.as_str())));
    let actions = summary["keyActionsTaken"].as_str().unwrap();
    assert!(actions.contains("\\n") && !actions.contains('\n'), "{actions}");
    assert!(body["summaries"]["MID_CALL"].is_object());
    assert_eq!(ask(&with(&[Fault::SummariesRefused { status: 404 }]).await).await.0, 404);
    caller.webex.faults().clear();
    assert!(ask(&caller).await.1["summaries"].get("MID_CALL").is_none());
}
