//! What commands need before they can work: the environment, and the settings of the concerns they use.

use std::path::Path;

use callscribe::config::{self, Environment, Problems, Reader};

/// The process's environment with `.env` of the working directory under it.
pub(crate) fn environment() -> Result<Environment, Problems> {
    Environment::with_dotenv(Path::new("."))
}

/// The settings that `read` asks for, checked as a whole.
pub(crate) fn settings<T>(read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Problems> {
    config::read(&environment()?, read)
}
