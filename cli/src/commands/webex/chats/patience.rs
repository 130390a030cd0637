//! Asking again: nobody does it for a command, as the ledger does for a job.

use std::time::Duration;

use callscribe::sources::SourceError;

/// Tries of what may pass, and the wait before the second; doubled every time, in all 15 s.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often we wait because we are told to; a busy pipeline shares its budget with us.
const MOST_TURNS: u32 = 60;

/// Asks until there is an answer, or an error that asking again does not mend.
pub(super) async fn patiently<T>(ask: impl AsyncFn() -> Result<T, SourceError>) -> Result<T, SourceError> {
    let (mut tries, mut turns) = (1, 0);
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wait = match &error {
            SourceError::RateLimited { wait, .. } | SourceError::Down { wait, .. } | SourceError::RenewalPending { wait, .. }
                if turns < MOST_TURNS =>
            {
                turns += 1;
                // never none at all, or a budget without a wait would be asked in a circle
                (*wait).max(FIRST_WAIT)
            }
            SourceError::Unavailable { .. }
            | SourceError::TokensUnavailable { .. }
            | SourceError::WrongShape { .. }
            | SourceError::LinkExpired { .. }
                if tries < TRIES =>
            {
                tries += 1;
                FIRST_WAIT * 2_u32.saturating_pow(tries - 2)
            }
            _ => return Err(error),
        };
        tokio::time::sleep(wait).await;
    }
}

/// Whether every other question would fail alike, so that none is worth asking.
pub(super) const fn ends_all(error: &SourceError) -> bool {
    match error {
        SourceError::LoginNeeded { .. } | SourceError::Forbidden { .. } | SourceError::WrongOrg { .. } => true,
        SourceError::RateLimited { .. }
        | SourceError::RenewalPending { .. }
        | SourceError::TooWide { .. }
        | SourceError::Unavailable { .. }
        | SourceError::Down { .. }
        | SourceError::Rejected { .. }
        | SourceError::WrongShape { .. }
        | SourceError::TokensUnavailable { .. }
        | SourceError::LinkExpired { .. }
        | SourceError::Gone { .. }
        | SourceError::HostNotAllowed { .. } => false,
    }
}
