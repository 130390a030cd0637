//! The end of a transcription: the transcript and the end of its job in one transaction.

use std::sync::Arc;

use callscribe::{
    asr::check::Flag,
    domain::{Reason, TranscriptId},
    ledger::{Effect, Failure, Outcome},
    store::transcriptions::{MadeTranscript, complete_transcript},
};
use futures_util::FutureExt;

use crate::document::TranscriptDocument;

/// What a row takes that its document does not say.
pub(crate) struct MadeTranscriptOf<'a> {
    pub(crate) id: TranscriptId,
    pub(crate) provider: &'static str,
    pub(crate) text: &'a str,
    /// Seconds of audio that a provider was sent.
    pub(crate) sent_seconds: f64,
}

/// Done, with the transcript kept in the very transaction that ends the job.
pub(crate) fn completed(made: MadeTranscriptOf<'_>, document: &TranscriptDocument) -> Outcome {
    let json = match serde_json::to_value(document) {
        Ok(json) => json,
        Err(error) => return Outcome::Retry(Failure::new(Reason::Unexpected, error)),
    };
    let row = Arc::new(MadeTranscript {
        id: made.id,
        provider: made.provider,
        model: document.model.clone(),
        text: made.text.to_owned(),
        document: json,
        language: document.language.clone(),
        flags: document.checks.flags.iter().copied().map(Flag::as_str).collect(),
        audio_seconds: made.sent_seconds,
        provider_request_id: document.request_id.clone(),
    });
    Outcome::Done(Effect::new(move |connection| {
        let row = Arc::clone(&row);
        async move {
            if !complete_transcript(connection, &row).await? {
                tracing::warn!(transcript.id = %row.id, "transcript was complete or given up already: this one is dropped");
            }
            Ok(Vec::new())
        }
        .boxed()
    }))
}
