//! What is kept of each piece while its transcript is made: the answer and what it cost in one transaction, or the provider's job.

use std::collections::HashMap;

use callscribe::{
    asr::Transcription,
    clock::Clock,
    config::PriceSettings,
    domain::{SessionId, SourceName, TranscriptId},
    ledger::{Claimed, LeaseLost, hold},
    store::{
        Store, StoreError,
        costs::{Charge, month_of, spent_since},
        pieces::{Fence, Piece, forget_pieces, keep_answer, keep_under_way, pieces_of},
    },
};
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use crate::handler::Failed;

/// The transcript that is being made, and whose job it is.
pub(crate) struct Keeper<'h> {
    pub(crate) store: &'h Store,
    pub(crate) clock: &'h dyn Clock,
    pub(crate) job: &'h Claimed,
    pub(crate) transcript: TranscriptId,
    pub(crate) call: &'h CallOf,
    pub(crate) prices: &'h PriceSettings,
}

/// The call that is charged for.
#[derive(Debug, Clone)]
pub(crate) struct CallOf {
    pub(crate) session_id: SessionId,
    pub(crate) source: SourceName,
    pub(crate) queue_name: Option<String>,
}

/// An answer that came of a piece.
pub(crate) struct Answered<'a> {
    pub(crate) piece: &'a str,
    pub(crate) provider: &'static str,
    pub(crate) transcription: &'a Transcription,
    pub(crate) sent_seconds: f64,
    pub(crate) trimmed_seconds: f64,
}

/// A piece that a provider took in an earlier run.
pub(crate) struct Known {
    pub(crate) provider: String,
    /// The provider's id of its work.
    pub(crate) job: Option<String>,
    pub(crate) asked_at: DateTime<Utc>,
    /// What was heard; `None` while the provider works.
    pub(crate) answer: Option<Transcription>,
}

impl Keeper<'_> {
    /// Whether nothing follows a failure of this run.
    pub(crate) fn is_last_attempt(&self) -> bool {
        self.job.attempt >= self.job.max_attempts
    }

    /// What earlier runs know, by what was asked. Answers in a form that cannot be read are forgotten: their pieces are asked for anew.
    pub(crate) async fn known(&self) -> Result<HashMap<String, Known>, Failed> {
        if self.job.run <= 1 {
            // nobody ran before
            return Ok(HashMap::new());
        }
        let pieces = pieces_of(&mut *self.store.connection().await?, self.transcript).await?;
        let mut known = HashMap::with_capacity(pieces.len());
        let mut unreadable = Vec::new();
        for Piece { piece, provider, provider_job: job, answer, asked_at } in pieces {
            match answer.map(serde_json::from_value).transpose() {
                Ok(answer) => drop(known.insert(piece, Known { provider, job, asked_at, answer })),
                Err(error) => {
                    tracing::warn!(transcript.id = %self.transcript, asr.piece = piece, %error, "a kept answer cannot be read: asking anew");
                    unreadable.push(piece);
                }
            }
        }
        if !unreadable.is_empty() {
            self.forget(&unreadable).await?;
        }
        Ok(known)
    }

    /// Keeps an answer and writes down what it cost. Killed before this, the piece is asked for, and paid for, once more.
    pub(crate) async fn answered(&self, answered: Answered<'_>) -> Result<(), Failed> {
        let Answered { piece, provider, transcription, .. } = answered;
        let seconds = transcription.billed_seconds.unwrap_or(answered.sent_seconds).max(0.0);
        let charge = Charge {
            session_id: self.call.session_id.clone(),
            transcript_id: self.transcript,
            source: self.call.source,
            queue_name: self.call.queue_name.clone(),
            provider,
            model: transcription.model.clone(),
            piece: piece.to_owned(),
            request_id: transcription.request_id.clone(),
            seconds,
            trimmed_seconds: answered.trimmed_seconds,
            amount_micros: self.prices.of(provider, &transcription.model, seconds),
            currency: self.prices.currency.clone(),
        };
        let answer = serde_json::to_value(transcription).map_err(Failed::unwritable)?;
        let fence = Fence { job: self.job.id, lease: self.job.lease, run: self.job.run };
        let mut connection = self.store.connection().await?;
        if keep_answer(&mut connection, fence, (&answer, self.clock.now()), &charge).await? {
            Ok(())
        } else {
            Err(LeaseLost::Gone(self.job.id).into())
        }
    }

    /// Keeps the provider's id of work that has begun.
    pub(crate) async fn under_way(&self, piece: &str, provider: &'static str, provider_job: &str) -> Result<(), Failed> {
        let (job, transcript, now) = (self.job, self.transcript, self.clock.now());
        let mut connection = self.store.connection().await?;
        let written = connection.transaction(async move |transaction| {
            hold(transaction, job).await?;
            Ok::<_, Failed>(keep_under_way(transaction, transcript, (piece, provider, provider_job), now).await?)
        });
        written.boxed().await
    }

    /// Forgets answers that were of no use, so that the next try does not meet them again.
    pub(crate) async fn forget(&self, pieces: &[String]) -> Result<(), Failed> {
        let (job, transcript) = (self.job, self.transcript);
        let mut connection = self.store.connection().await?;
        let forgotten = connection.transaction(async move |transaction| {
            hold(transaction, job).await?;
            Ok::<_, Failed>(forget_pieces(transaction, transcript, pieces).await?)
        });
        forgotten.boxed().await
    }

    /// Millionths spent in this calendar month, if there is a cap that they have reached.
    pub(crate) async fn over_the_cap(&self) -> Result<Option<i64>, StoreError> {
        let Some(cap) = self.prices.cap_micros else { return Ok(None) };
        let mut connection = self.store.connection().await?;
        let spent = spent_since(&mut connection, month_of(self.clock.now())).await?;
        Ok(Some(spent).filter(|spent| *spent >= cap))
    }
}
