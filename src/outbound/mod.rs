//! The one way out over HTTP: time-outs, size caps, no redirects, no hidden retries, traced and counted; what vendors say
//! about waiting (`Retry-After`, what is left of a rate limit) and about errors, read in one place; the budget of requests that all
//! processes share; and the gate before a service, which shuts while it is down.
//!
//! What lives here knows HTTP and nobody's API. Signing in, paging and translating live with the source or provider.

mod allowance;
mod asker;
mod budget;
mod client;
mod error_body;
mod gate;
mod local_budget;
mod response;
mod retry_after;
mod scrub;
mod urgency;

pub use allowance::exhausted_for;
pub use asker::Asker;
pub use budget::{Budget, Exhausted};
pub use client::{Client, ClientError, Limits, OutboundError};
pub use error_body::ErrorBody;
pub use gate::{Ending, Gate, GateSeen, Shut, Why};
pub use response::Response;
pub use retry_after::{LONGEST_RETRY_AFTER, retry_after};
pub use scrub::scrub;
pub use urgency::Urgency;
