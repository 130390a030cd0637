//! A process that runs until it is told to stop: its settings and logs, what it works with, what it runs, how it ends.

mod engines;
mod expiring;
mod home;
mod lanes;
mod signals;
mod start;
mod together;
mod uploads;
mod whole;

pub(crate) use engines::Engines;
pub(crate) use expiring::hasten_expiring;
pub(crate) use home::Home;
pub(crate) use lanes::{lanes, workers_options};
pub(crate) use signals::shutdown_on_signal;
pub(crate) use start::{Process, deliver_traces, start};
pub(crate) use together::Together;
pub(crate) use uploads::clear_stale_uploads;
pub(crate) use whole::{Whole, WholeOptions};
