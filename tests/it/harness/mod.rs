//! What every test stands on: databases, Redis prefixes, servers to kill, a proxy that breaks connections, and patience.
//!
//! ```ignore
//! let database = harness::database().await;          // migrated, empty, yours alone
//! let (store, hints) = (database.store(), harness::hints().await);
//! …
//! harness::eventually("the job is done", async || job_state(&store).await == "done").await;
//! harness::travel(&store, Duration::from_mins(5)).await;   // instead of sleeping
//! database.assert_consistent().await;
//! ```

mod database;
mod patience;
mod proxy;
mod s3;
mod services;

pub(crate) use database::{TestDatabase, database};
pub(crate) use patience::{eventually, eventually_within, travel};
pub(crate) use proxy::{Fault, Proxy, proxy};
pub(crate) use s3::{ACCESS_KEY, BUCKET, SECRET_KEY, TestS3, client, s3, s3_in, settings};
pub(crate) use services::{PrivateServices, hints, private_services, redis, temp_dir};
