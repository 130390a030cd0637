//! S3: recordings in as a stream, recordings out as a stream, in memory that does not grow with them.
//!
//! What lives here: the client, uploads in parts, reads by range, the clearing away of uploads that died. What does not:
//! what an object means, and what it is called but for where recordings lie apart.

pub mod apart;
mod body;
mod checksum;
mod client;
mod error;
mod inflow;
mod list;
mod read;
mod stale;
mod trial;
mod upload;

pub use client::{Blob, IfMissing};
pub use error::BlobError;
pub use inflow::Inflow;
pub use list::ListedObject;
pub use read::{ObjectHead, Reading};
pub use trial::Told;
pub use upload::{ObjectDescription, StoredObject, Upload};
