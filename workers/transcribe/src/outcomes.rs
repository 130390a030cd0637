//! What follows from each way a transcription can end: every error is named and has its own answer.

use std::time::Duration;

use callscribe::{
    asr::TranscribeError,
    blob::BlobError,
    domain::Reason,
    ledger::{Failure, LeaseLost, Outcome},
    store::StoreError,
};

use crate::{chosen::NotGranted, scratch::ScratchError, sound::SoundFailed};

/// A key, a model, a quota or a bucket is a person's to change: asked again this often meanwhile, at no attempt's cost.
const UNTIL_SOMEONE_ACTS: Duration = Duration::from_mins(5);
/// S3 or PostgreSQL away for a moment; the handlers of the other jobs wait as long.
const UNTIL_STORAGE_IS_BACK: Duration = Duration::from_secs(30);

/// What follows from a provider's error. `TooShort` is no error but an answer: the caller has dealt with it.
pub(crate) fn of_provider(error: TranscribeError) -> Outcome {
    let trace = error.trace();
    let failure = |reason, error: TranscribeError| Failure::new(reason, error).with_vendor(trace);
    match error {
        TranscribeError::RateLimited { wait, .. } => Outcome::Later { wait, why: failure(Reason::RateLimited, error) },
        TranscribeError::Down { wait, .. } => Outcome::Later { wait, why: failure(Reason::ProviderUnavailable, error) },
        TranscribeError::NoTurn { wait, .. } => Outcome::Later { wait, why: failure(Reason::BudgetSpent, error) },
        TranscribeError::Misconfigured { .. } => {
            Outcome::Later { wait: UNTIL_SOMEONE_ACTS, why: failure(Reason::ProviderMisconfigured, error) }
        }
        TranscribeError::Unavailable { .. } => Outcome::Retry(failure(Reason::ProviderUnavailable, error)),
        TranscribeError::Unreadable { .. } => Outcome::Retry(failure(Reason::UnreadableAnswer, error)),
        TranscribeError::Rejected { reason, .. } => Outcome::Stop(failure(reason, error)),
        TranscribeError::TooShort { .. } => Outcome::Stop(failure(Reason::ProviderRejected, error)),
        TranscribeError::Audio(why) => of_piece_in_transit(why),
    }
}

/// What follows from a wish that this worker cannot grant: another one may, or a person gives it the settings.
pub(crate) fn of_wishes(error: NotGranted) -> Outcome {
    Outcome::Later { wait: UNTIL_SOMEONE_ACTS, why: Failure::new(Reason::ProviderMisconfigured, error) }
}

/// What follows from a piece that could not be read while it was sent: it lies on this machine's own disk.
fn of_piece_in_transit(why: std::io::Error) -> Outcome {
    Outcome::Retry(Failure::new(Reason::Unexpected, TranscribeError::Audio(why)))
}

/// What follows from a recording that cannot be brought here or listened to.
pub(crate) fn of_sound(error: SoundFailed) -> Outcome {
    let why = |reason, error: SoundFailed| Failure::new(reason, error);
    match error {
        SoundFailed::Scratch(ScratchError::Blob(error)) => of_blob(error),
        SoundFailed::Scratch(ScratchError::Changed { .. }) => Outcome::Stop(why(Reason::StorageCorrupt, error)),
        SoundFailed::Scratch(ScratchError::Disk { .. }) => {
            Outcome::Later { wait: UNTIL_SOMEONE_ACTS, why: why(Reason::StorageUnavailable, error) }
        }
        SoundFailed::Unheard(_) => Outcome::Stop(why(Reason::AudioUndecodable, error)),
        SoundFailed::Ended(_) => Outcome::Retry(why(Reason::Unexpected, error)),
    }
}

/// What follows from audio that S3 did not give or take, or gave otherwise than it was stored.
pub(crate) fn of_blob(error: BlobError) -> Outcome {
    let later = |wait, error| Outcome::Later { wait, why: Failure::new(Reason::StorageUnavailable, ScratchError::Blob(error)) };
    match &error {
        BlobError::Unavailable { .. } => later(UNTIL_STORAGE_IS_BACK, error),
        BlobError::Refused { .. } => later(UNTIL_SOMEONE_ACTS, error),
        BlobError::NotFound { .. } => Outcome::Stop(Failure::new(Reason::StorageCorrupt, ScratchError::Blob(error))),
        // damaged on the way, perhaps: the next read tells
        BlobError::Corrupt { .. } => Outcome::Retry(Failure::new(Reason::StorageCorrupt, ScratchError::Blob(error))),
    }
}

/// What follows from a transaction that failed.
pub(crate) fn of_transaction(error: LeaseLost) -> Outcome {
    match error {
        // whatever is said now is refused: the sweep has the job
        LeaseLost::Gone(_) => Outcome::Retry(Failure::new(Reason::LeaseLost, error)),
        LeaseLost::Store(error) => of_store(error),
    }
}

/// What follows from PostgreSQL's refusals.
pub(crate) fn of_store(error: StoreError) -> Outcome {
    match error {
        StoreError::Row { .. } => Outcome::Stop(Failure::new(Reason::PoisonPayload, error)),
        StoreError::Pool(_) | StoreError::Query(_) | StoreError::Build(_) | StoreError::Connect(_) | StoreError::Migration(_) => {
            Outcome::Later { wait: UNTIL_STORAGE_IS_BACK, why: Failure::new(Reason::DatabaseUnavailable, error) }
        }
    }
}

#[cfg(test)]
mod tests {
    use callscribe::ledger::VendorTrace;

    use super::*;

    fn word(outcome: &Outcome) -> (&'static str, Reason) {
        match outcome {
            Outcome::Done(_) => panic!("an error is not done"),
            Outcome::Later { why, .. } => ("later", why.reason),
            Outcome::Retry(why) => ("retry", why.reason),
            Outcome::Stop(why) => ("stop", why.reason),
        }
    }

    #[test]
    fn every_error_of_a_provider_has_its_own_answer() {
        let (what, trace) = (String::new(), VendorTrace { status: Some(429), request_id: Some("req_1".to_owned()) });
        let wait = Duration::from_secs(600);
        let limited = of_provider(TranscribeError::RateLimited { wait, trace: trace.clone() });
        let Outcome::Later { wait: told, why } = &limited else { panic!("{limited:?}") };
        assert_eq!((*told, &why.vendor), (wait, &trace));
        let rows = [
            (TranscribeError::Misconfigured { what: what.clone(), trace: trace.clone() }, ("later", Reason::ProviderMisconfigured)),
            (TranscribeError::Unavailable { what: what.clone(), trace: trace.clone() }, ("retry", Reason::ProviderUnavailable)),
            (TranscribeError::Down { wait, what: what.clone(), trace: trace.clone() }, ("later", Reason::ProviderUnavailable)),
            (TranscribeError::NoTurn { wait, what: what.clone() }, ("later", Reason::BudgetSpent)),
            (TranscribeError::Unreadable { what: what.clone(), trace: trace.clone() }, ("retry", Reason::UnreadableAnswer)),
            (TranscribeError::Rejected { reason: Reason::AudioTooLong, what, trace }, ("stop", Reason::AudioTooLong)),
        ];
        for (error, expected) in rows {
            assert_eq!(word(&of_provider(error)), expected);
        }
    }

    #[test]
    fn a_recording_that_is_not_to_be_had_is_told_by_its_cause() {
        let gone = || BlobError::NotFound { key: String::new() };
        let away = || BlobError::Unavailable { what: "read on", source: "reset".into() };
        assert_eq!(word(&of_blob(gone())), ("stop", Reason::StorageCorrupt));
        assert_eq!(word(&of_sound(SoundFailed::Scratch(ScratchError::Blob(away())))), ("later", Reason::StorageUnavailable));
        let changed = ScratchError::Changed { what: String::new() };
        assert_eq!(word(&of_sound(SoundFailed::Scratch(changed))), ("stop", Reason::StorageCorrupt));
        let full = ScratchError::Disk { folder: "/tmp".into(), source: std::io::ErrorKind::StorageFull.into() };
        assert_eq!(word(&of_sound(SoundFailed::Scratch(full))), ("later", Reason::StorageUnavailable));
        let noise = SoundFailed::Unheard(callscribe::audio::SoundError::Empty);
        assert_eq!(word(&of_sound(noise)), ("stop", Reason::AudioUndecodable));
    }
}
