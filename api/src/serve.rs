//! Serving until told to stop, and not much longer.

use std::{io, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

/// Requests under way at shutdown get this long; none of ours takes longer.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Serves `app` on `listener` until `shutdown`; requests under way are answered first.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, app: Router, shutdown: CancellationToken) -> io::Result<()> {
    let stop = shutdown.clone();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).into_future();
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => ended,
        () = shutdown.cancelled() => timeout(LAST_ANSWERS, serving).await.unwrap_or(Ok(())),
    }
}
