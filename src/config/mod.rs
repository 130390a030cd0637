//! Settings: read once from the environment, checked as a whole, complained about by name.
//!
//! Each concern has a file that declares its settings and reads them; `docs/CONFIGURATION.md` is generated from the
//! declarations. A group that is absent switches its feature off. What lives here: names, defaults, parsing.
//! What does not: anything that connects to anything.

mod database;
mod reader;
mod redis;

pub use database::DatabaseSettings;
pub use reader::{Environment, Problem, Problems, Reader, Setting};
pub use redis::RedisSettings;
