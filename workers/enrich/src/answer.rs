//! What every error means for the job: nothing that other workers who ask a source do not know.

use std::convert::Infallible;

use callscribe::sources::RunError;

/// Why a run ended before everything was told.
pub(crate) type EnrichError = RunError<Infallible>;
