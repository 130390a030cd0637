//! Logins watched by the scheduler that leads: jobs that waited for one go on at once, and a person hears in time when one ends.
//!
//! What is looked at is the row, not the event: a login made while nobody led, and one whose command was killed before it released
//! the jobs, are found by the next look.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::{
    ledger,
    store::{
        Connection, StoreError,
        logins::{CredentialSeen, credentials},
    },
};

/// After a change, jobs are released again and again for so long: one that was told to wait just before finishes just after.
const AFTERMATH: Duration = Duration::from_mins(5);
/// Between two releases within that time.
const RELEASE_EVERY: Duration = Duration::from_secs(5);
/// A login that ends soon is told of this often.
const REMIND_EVERY: Duration = Duration::from_hours(24);

/// What was seen of the credentials.
#[derive(Debug, Default)]
pub(super) struct Logins(HashMap<String, Seen>);

#[derive(Debug)]
struct Seen {
    version: i64,
    changed_at: Instant,
    release_at: Instant,
    remind_at: Instant,
}

impl Logins {
    /// Looks once; says how many jobs were released.
    pub(super) async fn look(&mut self, connection: &mut Connection, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut released = 0;
        for credential in credentials(connection).await? {
            let instant = Instant::now();
            let seen = self.0.entry(credential.name.clone()).or_insert_with(|| Seen::new(&credential, instant));
            if seen.version != credential.version {
                *seen = Seen { remind_at: seen.remind_at, ..Seen::new(&credential, instant) };
            }
            if credential.refused_since.is_none() && seen.is_to_release(instant) {
                seen.release_at = instant + RELEASE_EVERY;
                let hints = ledger::release_held(connection, &credential.name).await?;
                if !hints.is_empty() {
                    tracing::info!(credential = credential.name, jobs.count = hints.len(), "jobs that waited for a login go on");
                }
                released += hints.len();
            }
            if instant >= seen.remind_at {
                seen.remind_at = instant + REMIND_EVERY;
                remind(&credential, now);
            }
        }
        Ok(released)
    }
}

impl Seen {
    fn new(credential: &CredentialSeen, now: Instant) -> Self {
        Self { version: credential.version, changed_at: now, release_at: now, remind_at: now }
    }

    fn is_to_release(&self, now: Instant) -> bool {
        now >= self.release_at && now < self.changed_at + AFTERMATH
    }
}

fn remind(credential: &CredentialSeen, now: DateTime<Utc>) {
    let Some(ends_at) = credential.refresh_expires_at.filter(|_| credential.ends_soon(now)) else { return };
    if credential.refused_since.is_none() {
        tracing::warn!(credential = credential.name, %ends_at, "the refresh token ends soon: run `callscribe webex login`");
    }
}
