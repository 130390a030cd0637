//! An error with all its causes on one line, for logs and for `job_attempts.error`.

use std::{error::Error, fmt};

/// Shows `what failed: why: why that`.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'e>(&'e dyn Error);

/// The error with all its causes.
#[must_use]
pub fn chain(error: &dyn Error) -> Chain<'_> {
    Chain(error)
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
