//! The sync worker: pulls a source's calls into PostgreSQL, page by page, each page one transaction.
//!
//! What lives here: which windows to ask for, what to do with a page, and what every error means for the job. How a vendor
//! is asked lives in `callscribe::sources`; how rows are merged, in `callscribe::store::calls`.

mod answer;
mod handler;
mod page;
mod window;

pub use handler::{Recipe, SyncHandler};
