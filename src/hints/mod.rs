//! Redis: hints, budgets, presence. Everything here may be lost at any moment and costs only time.
//!
//! Keys, all under one prefix (`REDIS_PREFIX`, default `callscribe`), hash-tagged so that a cluster keeps a script's keys in one slot:
//!
//! | key | type | what |
//! |---|---|---|
//! | `{prefix:lane:<kind>}` | sorted set | job ids that may be due; score = priority, then time |
//! | `{prefix:budget:<name>}` | hash | token bucket and blocked-until of one vendor credential |
//! | `{prefix:gate:<service>}` | string | circuit and limit of one outside service; absent while nothing is the matter |
//! | `{prefix:gate:<service>}:places` | sorted set | who is at it; score = until when that is believed |

mod connection;
mod lanes;
mod server;

pub use connection::{Hints, HintsError};
pub use lanes::{Lane, Waiter};
pub use server::RedisFacts;
