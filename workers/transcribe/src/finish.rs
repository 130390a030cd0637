//! The end of a transcription: the transcript, the muted copy of its recording and the end of its job in one transaction.

use std::sync::Arc;

use callscribe::{
    domain::Reason,
    ledger::{Effect, Failure, Hint, Outcome},
    store::{
        Connection, StoreError,
        search::index,
        transcriptions::{MadeTranscript, complete_transcript},
    },
    transcript::{Document, Lexicon, Policy, feel, measure, redact, text},
};
use futures_util::FutureExt;

use crate::mute::{MutedCopy, Muting};

/// How transcriptions end.
pub(crate) struct Ending<'h> {
    /// What is taken out.
    pub(crate) redaction: Option<&'h Policy>,
    /// What becomes of the audio.
    pub(crate) muting: Muting<'h>,
}

/// What is written with the job's end.
struct Made {
    row: MadeTranscript,
    document: Document,
    muted: Option<MutedCopy>,
}

impl Ending<'_> {
    /// Done, with the transcript kept and made findable in the very transaction that ends the job. What the policy names is taken out of
    /// it before anything of it is written; its words are counted before that.
    pub(crate) async fn completed(&self, provider: &'static str, mut document: Document) -> Outcome {
        feel(&mut document, &Lexicon);
        document.measures = Some(measure(&document.turns, document.audio_seconds));
        if let Some(policy) = self.redaction {
            redact(&mut document, policy);
        }
        let muted = match Box::pin(self.muting.made(&document.redactions)).await {
            Ok(muted) => muted,
            Err(outcome) => return outcome,
        };
        let json = match serde_json::to_value(&document) {
            Ok(json) => json,
            Err(error) => return Outcome::Retry(Failure::new(Reason::Unexpected, error)),
        };
        let row = MadeTranscript {
            id: self.muting.task.id,
            provider,
            model: document.model.clone(),
            text: text(&document),
            document: json,
            language: document.language.clone(),
            flags: document.checks.flags.clone(),
            audio_seconds: document.sent_seconds.unwrap_or(0.0),
            provider_request_id: document.request_ids.first().cloned(),
        };
        let made = Arc::new(Made { row, document, muted });
        Outcome::Done(Effect::new(move |connection| {
            let made = Arc::clone(&made);
            async move { made.written(connection).await }.boxed()
        }))
    }
}

impl Made {
    async fn written(&self, connection: &mut Connection) -> Result<Vec<Hint>, StoreError> {
        let Self { row, document, muted } = self;
        let hints = match muted {
            Some(muted) => muted.noted(connection).await?,
            None => Vec::new(),
        };
        if complete_transcript(connection, row).await? {
            index(connection, row.id, document).await?;
        } else {
            tracing::warn!(transcript.id = %row.id, "transcript was complete or given up already: this one is dropped");
        }
        Ok(hints)
    }
}
