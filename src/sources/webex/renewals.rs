//! When renewing a refused token is worth it. An expired token may answer 403 as a missing scope does, so a refusal is answered by a
//! renewal; where the new token is refused as well, the next renewal waits longer each time, because the token was not the trouble.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use url::Url;

/// The first wait after a renewal that did not help; doubled with every one in a row.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest: a scope that somebody adds is found within this, and a tenant without it renews no more often.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Segments of a path that name an endpoint; what follows are ids.
const NAMING_SEGMENTS: usize = 2;

/// What renewals did lately, per endpoint: a scope may be missing for one and not for the others.
#[derive(Debug, Default)]
pub(super) struct Renewals(Mutex<HashMap<String, InVain>>);

#[derive(Debug)]
struct InVain {
    in_a_row: u32,
    /// The token that was refused last; many requests at once are refused one token, which counts once.
    version: i64,
    not_before: Instant,
}

impl Renewals {
    /// Whether a token that `url` refused should be renewed now.
    pub(super) fn are_worth_it(&self, url: &Url, now: Instant) -> bool {
        self.with(|endpoints| endpoints.get(&endpoint(url)).is_none_or(|in_vain| now >= in_vain.not_before))
    }

    /// The renewed token was taken.
    pub(super) fn helped(&self, url: &Url) {
        self.with(|endpoints| endpoints.remove(&endpoint(url)));
    }

    /// The renewed token of this `version` was refused as well.
    pub(super) fn was_in_vain(&self, url: &Url, version: i64, now: Instant) {
        self.with(|endpoints| {
            let last = endpoints.get(&endpoint(url));
            if last.is_some_and(|last| last.version >= version) {
                return;
            }
            let in_a_row = last.map_or(0, |last| last.in_a_row);
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(in_a_row)).min(LONGEST_WAIT);
            endpoints.insert(endpoint(url), InVain { in_a_row: in_a_row.saturating_add(1), version, not_before: now + wait });
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut HashMap<String, InVain>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn endpoint(url: &Url) -> String {
    url.path_segments().into_iter().flatten().take(NAMING_SEGMENTS).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        format!("http://127.0.0.1/{path}").parse().unwrap()
    }

    #[test]
    fn renewals_in_vain_come_ever_more_rarely_and_one_that_helps_ends_it() {
        let (renewals, captures, mut now) = (Renewals::default(), url("v1/captures/query"), Instant::now());
        let mut waits = Vec::new();
        for version in 1..=12 {
            assert!(renewals.are_worth_it(&captures, now));
            renewals.was_in_vain(&captures, version, now);
            let wait = (0..=300).find(|wait| renewals.are_worth_it(&captures, now + Duration::from_secs(*wait))).unwrap();
            waits.push(wait);
            now += Duration::from_secs(wait);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        renewals.was_in_vain(&captures, 13, now);
        renewals.helped(&captures);
        assert!(renewals.are_worth_it(&captures, now));
    }

    #[test]
    fn many_requests_refused_with_one_token_count_once() {
        let (renewals, captures, now) = (Renewals::default(), url("v1/captures/query"), Instant::now());
        for _ in 0..50 {
            renewals.was_in_vain(&captures, 7, now);
        }
        assert!(renewals.are_worth_it(&captures, now + FIRST_WAIT));
    }

    #[test]
    fn what_one_endpoint_refuses_says_nothing_of_the_others() {
        let (renewals, now) = (Renewals::default(), Instant::now());
        renewals.was_in_vain(&url("v1/captures/query"), 1, now);
        assert!(!renewals.are_worth_it(&url("v1/captures/query"), now));
        assert!(renewals.are_worth_it(&url("v1/tasks"), now));
        assert!(!renewals.are_worth_it(&url("v1/captures/another"), now));
    }
}
