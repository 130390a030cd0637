//! How long a failed job waits: exponential, with full jitter, up to a ceiling.

use std::time::Duration;

use rand::Rng;

/// Base and ceiling of the back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure; doubles with each further one.
    pub base: Duration,
    /// The longest wait of all.
    pub ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(15), ceiling: Duration::from_hours(1) }
    }
}

impl Backoff {
    /// A wait drawn evenly from nothing to `base · 2^(attempt − 1)`, at most the ceiling: jobs that failed together
    /// come back apart.
    pub fn wait(&self, attempt: u16, rng: &mut impl Rng) -> Duration {
        /// 2^20 times any base is far above any ceiling.
        const MOST_DOUBLINGS: u32 = 20;
        let doublings = u32::from(attempt.saturating_sub(1)).min(MOST_DOUBLINGS);
        let most = self.base.saturating_mul(1 << doublings).min(self.ceiling);
        let most_milliseconds = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(rng.random_range(0..=most_milliseconds))
    }
}

/// The process's generator of chance, for jitter only.
#[expect(clippy::disallowed_methods, reason = "the one home of the generator")]
pub fn process_rng() -> impl Rng {
    rand::rng()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn a_wait_never_passes_the_ceiling_nor_its_own_doubling(attempt in 0u16.., seed in any::<u64>()) {
            let backoff = Backoff::default();
            let wait = backoff.wait(attempt, &mut StdRng::seed_from_u64(seed));
            prop_assert!(wait <= backoff.ceiling);
            prop_assert!(attempt > 1 || wait <= backoff.base);
        }
    }
}
