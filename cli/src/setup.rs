//! What commands need before they can work: the environment, settings of the concerns they use, the database.

use std::{path::Path, time::Duration};

use callscribe::{
    config::{self, DatabaseSettings, Environment, Problems, Reader, RedisSettings},
    hints::Hints,
    ledger::Hint,
    queue,
    store::Store,
};

use crate::{failure::Failure, output};

/// The process's environment with `.env` of the working directory under it.
pub(crate) fn environment() -> Result<Environment, Problems> {
    Environment::with_dotenv(Path::new("."))
}

/// The settings that `read` asks for, checked as a whole.
pub(crate) fn settings<T>(read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Problems> {
    config::read(&environment()?, read)
}

/// The settings that `read` asks for, if they are there and work.
pub(crate) fn optional_settings<T>(read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
    settings(read).ok()
}

/// The database that `DATABASE_URL` names.
pub(crate) fn store() -> Result<Store, Failure> {
    Ok(Store::new(settings(DatabaseSettings::read)?)?)
}

/// Tells workers of new jobs. Redis is only faster: without it the dispatcher finds the rows.
pub(crate) async fn push_hints(hints: &[Hint]) {
    const PATIENCE: Duration = Duration::from_secs(2);
    let Some(redis) = optional_settings(RedisSettings::read) else { return };
    if let Ok(redis) = Hints::new(&redis) {
        let _ = tokio::time::timeout(PATIENCE, queue::push_hints(&redis, hints)).await;
    }
}

/// Says what may be a slip of the finger.
pub(crate) fn warn_of(doubts: &[String]) {
    for doubt in doubts {
        output::tell_error(&format!("warning: {doubt}"));
    }
}

/// Who works here, for the audit log: `user@host`.
pub(crate) fn actor() -> String {
    let environment = environment().unwrap_or_default();
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| environment.get(name)).unwrap_or("unknown");
    format!("{user}@{}", host())
}

/// This machine or container, by name.
pub(crate) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.map(|name| name.trim().to_owned()).unwrap_or_default();
    let name = if name.is_empty() { environment().unwrap_or_default().get("HOSTNAME").unwrap_or_default().to_owned() } else { name };
    if name.is_empty() { "localhost".to_owned() } else { name }
}
