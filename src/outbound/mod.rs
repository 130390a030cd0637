//! The one way out over HTTP: time-outs, size caps, no redirects, no hidden retries, traced and counted; what vendors say
//! about waiting (`Retry-After`) and about errors, read in one place; and the budget of requests that all processes share.
//!
//! What lives here knows HTTP and nobody's API. Signing in, paging and translating live with the source or provider.

mod budget;
mod client;
mod error_body;
mod local_budget;
mod response;
mod retry_after;
mod scrub;
mod urgency;

pub use budget::{Budget, Exhausted};
pub use client::{Client, ClientError, Limits, OutboundError};
pub use error_body::ErrorBody;
pub use response::Response;
pub use retry_after::{LONGEST_RETRY_AFTER, retry_after};
pub use scrub::scrub;
pub use urgency::Urgency;
