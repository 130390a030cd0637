//! The enrich worker: asks what calls turned out to be, and asks again later, since a wrap-up may be written half an hour after the end.
//!
//! What lives here: which spans of time to ask for, what to do with a page, and what every error means for the job. How a vendor is
//! asked lives in `callscribe::sources`; how details and list meet in one row, in `callscribe::store::calls`.

mod answer;
mod handler;
mod page;
mod plan;

pub use handler::{EnrichHandler, Recipe};
