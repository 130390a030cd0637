//! An S3 server inside the process, for one machine without S3: real signatures over a real socket, and S3's promises
//! kept. Nothing is visible before its checksums were verified; an object is the old one or the new one, never a mixture;
//! a refused completion leaves its upload; uploads outlive a restart.
//!
//! What does not live here: encryption (recorded and echoed only), versioning, access policies, running lifecycles.

mod answer;
mod buckets;
mod checksum;
mod disk;
mod index;
mod listing;
mod multipart;
mod objects;
mod receive;
mod record;
mod server;
mod service;
mod storage;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;
use tokio_util::{sync::DropGuard, task::TaskTracker};

use self::{server::Ending, service::Service, storage::Storage};
use super::Durability;

/// Running requests get this long when the server stops; what is cut off then was never acknowledged.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How to run the server.
#[derive(Debug, Clone)]
pub struct EmbeddedS3Options {
    /// Directory that holds everything; made if missing, owned by one server at a time.
    pub dir: PathBuf,
    /// The one access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// Whether what was acknowledged survives a power cut: then every write waits for the disk.
    pub durability: Durability,
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedS3Error {
    /// The directory cannot be used.
    #[error("the embedded S3 server cannot use `{}`", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server owns the directory.
    #[error("`{}` is in use by another embedded S3 server: stop it first, or choose another directory", .0.display())]
    InUse(PathBuf),
    /// No port on the loopback address.
    #[error("the embedded S3 server cannot listen on the loopback address")]
    Listen(#[source] io::Error),
    /// Reading the directory was cut off.
    #[error("the embedded S3 server did not finish reading its directory")]
    Start(#[source] tokio::task::JoinError),
}

/// A running server. Dropping it cuts off running requests; `stop` lets them finish.
#[derive(Debug)]
pub struct EmbeddedS3 {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    connections: TaskTracker,
    stop: DropGuard,
    cut: DropGuard,
}

impl EmbeddedS3 {
    /// Opens the directory, clears away what a crash left, and serves on a free port of the loopback address.
    pub async fn start(options: EmbeddedS3Options) -> Result<Self, EmbeddedS3Error> {
        let EmbeddedS3Options { dir, access_key, secret_key, durability } = options;
        let storage = tokio::task::spawn_blocking(move || Storage::open(&dir, durability)).await.map_err(EmbeddedS3Error::Start)??;
        let mut builder = S3ServiceBuilder::new(Service { storage: Arc::new(storage) });
        builder.set_auth(SimpleAuth::from_single(access_key, secret_key.expose_secret()));
        let (listener, address) = server::bind().await.map_err(EmbeddedS3Error::Listen)?;
        let ending = Ending::default();
        let connections = TaskTracker::new();
        let accepting = tokio::spawn(server::serve(listener, builder.build(), ending.clone(), connections.clone()));
        tracing::info!(s3.address = %address, "the embedded S3 server is ready");
        Ok(Self { address, accepting, connections, stop: ending.stop.drop_guard(), cut: ending.cut.drop_guard() })
    }

    /// Where it listens, as `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops taking connections, lets running requests finish for up to ten seconds, and returns when the directory is free.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.accepting.await {
            tracing::warn!(error = %error, "the embedded S3 server had already failed");
        }
        self.connections.close();
        if tokio::time::timeout(STOP_PATIENCE, self.connections.wait()).await.is_err() {
            tracing::warn!(
                connections.open = self.connections.len(),
                "requests to the embedded S3 server were still running when it stopped"
            );
        }
        drop(self.cut);
        self.connections.wait().await;
    }
}
