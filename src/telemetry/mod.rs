//! What a process tells about itself: log lines, figures, and what must never appear in either.
//!
//! Log fields are listed in docs/LOGGING.md, metrics in `metrics::CATALOGUE`. What does not live here: the decision to log.

mod catalogue;
mod chain;
pub mod metrics;
mod process;
mod redact;
mod subscriber;
pub mod traces;

pub use chain::chain;
pub use process::ProcessUsage;
pub use redact::{Number, host_of};
pub use subscriber::{TelemetryError, start_logging, start_logging_to, start_tracing};
