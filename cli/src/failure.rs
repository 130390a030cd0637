//! How a command says that it failed: `error: …`, the causes, and `hint: …` with what to do next.

use std::{fmt, io, process::ExitCode};

use callscribe::{config::Problems, hints::HintsError, store::StoreError, telemetry::TelemetryError};

/// Exit status of a command that failed.
const FAILED: u8 = 1;
/// Exit status of a command that was used wrongly, as clap has it.
const WRONG_USE: u8 = 2;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    status: u8,
}

impl Failure {
    /// The command line asks for something that makes no sense.
    pub(crate) fn wrong_use(what: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { error: anyhow::anyhow!("{what}"), hint: Some(hint.into()), status: WRONG_USE }
    }

    /// It did not work, and this would help.
    pub(crate) fn with_hint(what: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { error: anyhow::anyhow!("{what}"), hint: Some(hint.into()), status: FAILED }
    }

    /// Tells it on standard error; a reader who went away is no failure.
    pub(crate) fn tell(&self) -> ExitCode {
        let broken_pipe = self
            .error
            .chain()
            .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe));
        if broken_pipe {
            return ExitCode::SUCCESS;
        }
        let mut text = format!("error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            text.push_str(&format!("\n  because: {cause}"));
        }
        if let Some(hint) = self.hint.as_deref().or_else(|| hint_for(&self.error)) {
            text.push_str(&format!("\nhint: {hint}"));
        }
        crate::output::tell_error(&text);
        ExitCode::from(self.status)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None, status: FAILED }
    }
}

/// What usually helps against an error of this kind.
fn hint_for(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if cause.is::<Problems>() {
            return Some("docs/CONFIGURATION.md lists every setting; `callscribe demo` needs none");
        }
        if cause.is::<TelemetryError>() {
            return Some("docs/LOGGING.md shows what `LOG_LEVEL`, `LOG_FORMAT` and `RUST_LOG` take");
        }
        if cause.is::<HintsError>() {
            return Some("is Redis running where `REDIS_URL` points to?");
        }
        match cause.downcast_ref::<StoreError>()? {
            StoreError::Pool(_) | StoreError::Connect(_) => {
                Some("is PostgreSQL running where `DATABASE_URL` points to, and may this user log in?")
            }
            StoreError::Query(diesel::result::Error::DatabaseError(_, details)) if details.message().contains("does not exist") => {
                Some("the schema may be older than this version: run `callscribe migrate`")
            }
            _ => None,
        }
    })
}
