//! Chats: found by the search, listed with the captures, told by a file of several forms.

use std::time::Duration;

use callscribe_simulators::When;
use callscribe_simulators::webex::{CallSpec, Fault, WebexPlan};
use serde_json::{Value, json};

use crate::client::Caller;

async fn with(faults: &[Fault]) -> Caller {
    let plan = WebexPlan::new(9, vec![CallSpec::chat(Duration::from_hours(1), 8)]);
    Caller::of(faults.iter().fold(plan, |plan, fault| plan.with(fault.clone(), When::Always))).await
}

impl Caller {
    async fn chat_files(&self) -> Vec<Value> {
        let query = json!({"orgId": self.webex.org_id(), "urlExpiration": 60, "taskIds": [self.webex.session_id(0)]});
        let answer = self.captures(query).await.1["data"][0].clone();
        assert_eq!(answer["recording"], json!([]), "nobody spoke");
        answer["transcription"].as_array().unwrap().clone()
    }

    async fn chat_file(&self, place: usize) -> String {
        let link = self.chat_files().await[place]["filePath"].as_str().unwrap().to_owned();
        self.http.get(link).send().await.unwrap().text().await.unwrap()
    }

    async fn chat(&self) -> Value {
        serde_json::from_str(&self.chat_file(0).await).unwrap()
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|message| message["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_chat_is_a_list_of_its_messages() {
    let caller = with(&[]).await;
    let (file, truth) = (caller.chat().await, caller.webex.messages_of(0));
    assert_eq!(file.as_array().unwrap().len(), 8);
    for (told, truth) in file.as_array().unwrap().iter().zip(&truth) {
        assert_eq!((&told["message"], &told["timestamp"]), (&json!(truth.text), &json!(truth.at.timestamp_millis())));
        assert_eq!((&told["participant"]["role"], &told["direction"]), (&json!(truth.role), &json!(truth.direction)));
        assert_eq!(told["participant"].get("userId").is_some(), truth.role == "AGENT");
    }
    assert!(!caller.webex.messages_of(0).is_empty() && caller.webex.messages_of(1).is_empty());
}

#[tokio::test]
async fn the_form_that_names_its_version_tells_the_same() {
    let list = texts(&with(&[]).await.chat().await);
    assert_eq!(texts(&with(&[Fault::ChatVersioned]).await.chat().await["messages"]), list);
    let both = with(&[Fault::ChatBothVersions]).await;
    assert_eq!(both.chat_files().await.len(), 2);
    let versioned: Value = serde_json::from_str(&both.chat_file(1).await).unwrap();
    assert_eq!((&versioned["schemaVersion"], texts(&versioned["messages"])), (&json!("1.0.0"), list));
}

#[tokio::test]
async fn times_come_in_three_kinds_or_not_at_all() {
    let time = async |fault| with(&[fault]).await.chat().await[0].get("timestamp").cloned();
    let truth = with(&[]).await.webex.messages_of(0)[0].at;
    assert!(time(Fault::ChatTimesAsText).await.unwrap().as_str().unwrap().parse::<i64>().is_ok());
    assert!(time(Fault::ChatTimesAsIso).await.unwrap().as_str().unwrap().ends_with('Z'));
    assert_eq!(time(Fault::ChatWithoutTimes).await, None);
    assert!(truth.timestamp_millis() > 0);
}

#[tokio::test]
async fn each_spoilt_file_is_spoilt_in_its_own_way() {
    let list = async |fault| with(&[fault]).await.chat().await.as_array().unwrap().clone();
    let nameless = list(Fault::ChatWithoutParticipant).await;
    assert_eq!(nameless.iter().filter(|message| message.get("participant").is_none()).count(), 3);
    assert_eq!(list(Fault::ChatMessageTwice).await.len(), 10);
    assert_eq!(list(Fault::ChatOddElement).await.iter().filter(|element| element.is_string()).count(), 1);
    assert_eq!(list(Fault::ChatLongMessage).await[0]["message"].as_str().unwrap().len(), 40_000);
    let mut unordered = list(Fault::TranscriptUnordered).await;
    unordered.reverse();
    assert_eq!(texts(&Value::Array(unordered)), texts(&with(&[]).await.chat().await));
    assert!(with(&[Fault::TranscriptUnknownShape]).await.chat().await.get("messages").is_none());
    assert!(serde_json::from_str::<Value>(&with(&[Fault::TranscriptInvalidJson]).await.chat_file(0).await).is_err());
    assert!(with(&[Fault::NoTranscript]).await.chat_files().await.is_empty());
}
