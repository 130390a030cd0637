//! The end of a transcription: the transcript and the end of its job in one transaction.

use std::sync::Arc;

use callscribe::{
    domain::{Reason, TranscriptId},
    ledger::{Effect, Failure, Outcome},
    store::{
        search::index,
        transcriptions::{MadeTranscript, complete_transcript},
    },
    transcript::{Document, Lexicon, Policy, feel, measure, redact, text},
};
use futures_util::FutureExt;

/// Which transcript was made, and by whom.
pub(crate) struct Made {
    pub(crate) id: TranscriptId,
    pub(crate) provider: &'static str,
}

/// Done, with the transcript kept and made findable in the very transaction that ends the job. What `policy` names is taken out
/// of it before anything of it is written; its words are counted before that.
pub(crate) fn completed(made: Made, mut document: Document, policy: Option<&Policy>) -> Outcome {
    feel(&mut document, &Lexicon);
    document.measures = Some(measure(&document.turns, document.audio_seconds));
    if let Some(policy) = policy {
        redact(&mut document, policy);
    }
    let json = match serde_json::to_value(&document) {
        Ok(json) => json,
        Err(error) => return Outcome::Retry(Failure::new(Reason::Unexpected, error)),
    };
    let row = MadeTranscript {
        id: made.id,
        provider: made.provider,
        model: document.model.clone(),
        text: text(&document),
        document: json,
        language: document.language.clone(),
        flags: document.checks.flags.clone(),
        audio_seconds: document.sent_seconds.unwrap_or(0.0),
        provider_request_id: document.request_ids.first().cloned(),
    };
    let made = Arc::new((row, document));
    Outcome::Done(Effect::new(move |connection| {
        let made = Arc::clone(&made);
        async move {
            let (row, document) = made.as_ref();
            if complete_transcript(connection, row).await? {
                index(connection, row.id, document).await?;
            } else {
                tracing::warn!(transcript.id = %row.id, "transcript was complete or given up already: this one is dropped");
            }
            Ok(Vec::new())
        }
        .boxed()
    }))
}
