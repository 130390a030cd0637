//! What became of every call, held against what the simulators know to be true.

use std::collections::HashMap;

use callscribe::{
    domain::SessionId,
    store::call_story::{CallFilter, CallStory, call_story, list_calls},
};
use callscribe_simulators::{
    speech::Speaker,
    webex::{CallTruth, Expected},
};

use super::stage::Stage;
use crate::failure::Failure;

/// What became of one call.
pub(super) struct Verdict {
    pub(super) truth: CallTruth,
    pub(super) story: Option<CallStory>,
    /// What is not as it should be; empty when all is well.
    pub(super) wrong: Vec<String>,
    pub(super) is_final: bool,
}

/// What became of all calls.
pub(super) struct Verdicts(pub(super) Vec<Verdict>);

impl Verdicts {
    /// Asks the database about every call that the simulators know.
    pub(super) async fn reach(stage: &Stage) -> Result<Self, Failure> {
        let truths = stage.webex.truth();
        let connection = &mut *stage.store.connection().await?;
        let most = i64::try_from(truths.len()).unwrap_or(i64::MAX).saturating_add(1);
        let seen = list_calls(connection, &CallFilter::default(), most).await?;
        let mut stories = HashMap::new();
        for call in seen {
            let session = SessionId::parse(call.session_id.clone())?;
            stories.extend(call_story(connection, &session).await?.map(|story| (call.session_id, story)));
        }
        Ok(Self(truths.into_iter().map(|truth| judge(stories.remove(&truth.session_id.to_string()), truth)).collect()))
    }

    /// Whether nothing more will happen.
    pub(super) fn all_final(&self) -> bool {
        self.0.iter().all(|verdict| verdict.is_final)
    }

    /// Whether every call ended as it should have.
    pub(super) fn all_right(&self) -> bool {
        self.0.iter().all(|verdict| verdict.is_final && verdict.wrong.is_empty())
    }
}

fn judge(story: Option<CallStory>, truth: CallTruth) -> Verdict {
    let Some(story) = story else {
        return Verdict { truth, story: None, wrong: vec!["the call is missing".to_owned()], is_final: false };
    };
    let status = story.call.transcript_status.as_str();
    let is_final = match truth.expected {
        Expected::NotRequested => true,
        Expected::Stored | Expected::Failed(_) => matches!(status, "complete" | "error"),
    };
    let mut wrong = about_the_call(&story, &truth);
    wrong.extend(match truth.expected {
        Expected::NotRequested => differs("transcript", "none", status),
        Expected::Failed(reason) => differs("reason", reason, story.call.error_code.as_deref().unwrap_or(status)),
        Expected::Stored => differs("transcript", "complete", status),
    });
    if truth.expected == Expected::Stored && status == "complete" {
        wrong.extend(about_the_recording(&story, &truth));
    }
    Verdict { truth, story: Some(story), wrong, is_final }
}

fn about_the_call(story: &CallStory, truth: &CallTruth) -> Vec<String> {
    let call = &story.call;
    let duration = call.duration_seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
    let expected = truth.duration_seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
    [
        differs("direction", truth.direction, call.direction.as_deref().unwrap_or_default()),
        differs("caller", &truth.ani, call.ani.as_deref().unwrap_or_default()),
        differs("agent", truth.agent_name.as_deref().unwrap_or_default(), call.agent_name.as_deref().unwrap_or_default()),
        differs("seconds", &expected, &duration),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn about_the_recording(story: &CallStory, truth: &CallTruth) -> Vec<String> {
    let stored = story.recordings.iter().find(|recording| recording.status == "stored" && recording.leg == "main");
    let (sha256, size) = stored.map_or((None, None), |stored| (stored.sha256.clone(), stored.size_bytes));
    let text = story.transcripts.last().and_then(|transcript| transcript.transcript_text.as_deref()).unwrap_or_default();
    let expected_size = truth.size_bytes().map(|size| size.to_string()).unwrap_or_default();
    [
        differs("bytes", &expected_size, &size.map(|size| size.to_string()).unwrap_or_default()),
        differs("checksum", &truth.sha256().unwrap_or_default(), &sha256.unwrap_or_default()),
        wrong_words(truth, text),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What each of the two says, where the transcript knows who speaks; all that is said, where it does not.
fn wrong_words(truth: &CallTruth, text: &str) -> Option<String> {
    let lines = || text.lines().map(|line| line.split_once(": "));
    if text.is_empty() || lines().any(|line| line.is_none()) {
        return differs("words", &words(&truth.text()), &words(text));
    }
    let wrong_of = |speaker: Speaker, label: &str| {
        let said: Vec<_> = truth.words().into_iter().filter(|said| said.speaker == speaker).map(|said| said.word).collect();
        let told: Vec<_> = lines().flatten().filter(|(who, _)| *who == label).map(|(_, said)| said).collect();
        differs(&format!("words of {label}"), &words(&said.join(" ")), &words(&told.join(" ")))
    };
    wrong_of(Speaker::Agent, "Agent").or_else(|| wrong_of(Speaker::Customer, "Customer"))
}

/// Words as they sound: case and punctuation are the transcriber's taste.
fn words(text: &str) -> String {
    let plain =
        text.split_whitespace().map(|word| word.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase());
    plain.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn differs(what: &str, expected: &str, found: &str) -> Option<String> {
    (expected != found).then(|| format!("{what}: expected `{expected}`, found `{found}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_as_they_sound() {
        assert_eq!(words("Hello, how  are you?"), words("hello how are you"));
        assert_ne!(words("two three"), words("three two"));
    }
}
