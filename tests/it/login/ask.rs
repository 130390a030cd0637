//! What a login is worth: the source reads with it, in a process that was given no token.

use std::{sync::Arc, time::Duration};

use callscribe::{
    clock::SystemClock,
    config::{Environment, WebexSettings, read},
    domain::Window,
    sources::{Source, SourceError, webex::Webex},
};
use chrono::TimeDelta;

use super::desk::Desk;
use crate::harness;

/// A process of ours, which remembers nothing.
pub(super) async fn process(desk: &Desk, more: &[(&str, String)]) -> Arc<Webex> {
    let pairs = desk.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let environment: Environment = pairs.chain(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).collect();
    let settings = WebexSettings { settle: Duration::from_secs(5), ..read(&environment, WebexSettings::read).unwrap().unwrap() };
    Arc::new(Webex::new(&settings, &desk.database.store(), &harness::hints().await, Arc::new(SystemClock)).unwrap())
}

/// How many calls of the last day the process is told.
pub(super) async fn calls(desk: &Desk, process: &Webex) -> Result<usize, SourceError> {
    let now = desk.vendor.clock().now();
    let page = process.calls(Window::new(now - TimeDelta::days(1), now).unwrap(), None).await?;
    Ok(page.calls.len())
}
