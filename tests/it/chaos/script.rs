//! What goes wrong, when: all of it follows from the seed.

use std::time::Duration;

use callscribe::embedded::Server;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::harness::Fault;

/// A process of the system under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Scheduler,
    Sync,
    Recordings,
    Transcribe,
    Rest,
    Api,
}

impl Role {
    pub(super) const ALL: [Self; 6] = [Self::Scheduler, Self::Sync, Self::Recordings, Self::Transcribe, Self::Rest, Self::Api];

    /// What it is started with.
    pub(super) const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Scheduler => &["scheduler"],
            Self::Sync => &["worker", "sync"],
            Self::Recordings => &["worker", "recordings"],
            Self::Transcribe => &["worker", "transcribe"],
            Self::Rest => &["worker", "enrich", "upkeep", "chat"],
            Self::Api => &["api", "--listen", "127.0.0.1:0"],
        }
    }
}

/// A way from the processes to something that they talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    Postgres,
    Redis,
    S3,
    Webex,
    Transcriber,
}

impl Link {
    pub(super) const ALL: [Self; 5] = [Self::Postgres, Self::Redis, Self::S3, Self::Webex, Self::Transcriber];
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Blow {
    /// `kill -9`, and started again.
    Kill(Role),
    /// `SIGTERM`, and started again once it has ended.
    Terminate(Role),
    /// `SIGSTOP`, and `SIGCONT` after this long.
    Freeze(Role, Duration),
    /// Every connection is reset.
    Cut(Link),
    /// The way is ill for this long.
    Ail(Link, Fault, Duration),
    /// `kill -9` of a server, which its supervisor starts again.
    Down(Server),
    /// Redis forgets everything.
    Flush,
}

/// Blows and the pauses before them, without end.
pub(super) struct Script(StdRng);

impl Script {
    pub(super) fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.random_range(0..of.len())]
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.0.random_range(from..to))
    }

    fn ailment(&mut self) -> Fault {
        match self.0.random_range(0..4) {
            0 => Fault { latency: self.milliseconds(20, 200), ..Fault::default() },
            1 => Fault { bytes_per_second: Some(self.0.random_range(20_000..200_000)), ..Fault::default() },
            2 => Fault { blackhole: true, ..Fault::default() },
            _ => Fault { refuse: true, ..Fault::default() },
        }
    }
}

impl Iterator for Script {
    type Item = (Duration, Blow);

    fn next(&mut self) -> Option<Self::Item> {
        let pause = self.milliseconds(100, 1_500);
        let role = self.one(&Role::ALL);
        let link = self.one(&Link::ALL);
        let blow = match self.0.random_range(0..20) {
            0..6 => Blow::Kill(role),
            6..8 => Blow::Terminate(role),
            // the lease is three seconds: some of them lose it and some do not
            8..11 => Blow::Freeze(role, self.milliseconds(500, 6_000)),
            11..14 => Blow::Cut(link),
            14..17 => Blow::Ail(link, self.ailment(), self.milliseconds(500, 4_000)),
            17 => Blow::Down(Server::Postgres),
            18 => Blow::Down(Server::Redis),
            _ => Blow::Flush,
        };
        Some((pause, blow))
    }
}
