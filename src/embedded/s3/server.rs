//! The HTTP server around the store: loopback only, a bounded number of connections, an end to every wait, a stop that
//! lets running requests finish.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use s3s::service::S3Service;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections served at once; one more waits to be accepted. The workers of one machine hold a few dozen.
const CONNECTIONS: usize = 256;
/// A connection over which no request head comes is closed after this: longer than any client keeps one idle.
const HEAD_PATIENCE: Duration = Duration::from_mins(5);
/// After a failed accept, for instance when file descriptors ran out, one breath before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the server ends: first politely, then not.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    /// Take no more connections, and no more requests over those that are there.
    pub(super) stop: CancellationToken,
    /// Cut what still runs.
    pub(super) cut: CancellationToken,
}

/// Serves connections until told to stop, then waits for none: the caller waits on `connections`.
pub(super) async fn serve(listener: TcpListener, service: S3Service, ending: Ending, connections: TaskTracker) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            // never closed, so the permit is always there
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, connection) = tokio::select! {
            () = ending.stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        match connection {
            Ok((stream, _)) => {
                let (service, ending) = (service.clone(), ending.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    serve_connection(stream, service, ending).await;
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "the embedded S3 server could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, service: S3Service, ending: Ending) {
    // answers are small and waited for
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "cannot set TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = ending.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection to the embedded S3 server ended early");
    }
}

/// A listener on a free port of the loopback address.
pub(super) async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
