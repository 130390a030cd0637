//! Telling people: alerts to Slack and to webhooks, without Prometheus.
//!
//! `conditions` looks, `store::alerts` remembers, `delivery` sends. What does not live here: deciding what to do about an alert.

mod conditions;
mod delivery;
mod watch;

pub use conditions::{Bounds, circuits, conditions, gates};
pub use delivery::{Channels, ChannelsError};
pub use watch::{Watched, watch_alerts};
