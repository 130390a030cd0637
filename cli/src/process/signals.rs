//! SIGTERM, SIGINT and SIGHUP: the first begins an orderly stop, the second ends the process where it stands.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status of a process that was told twice: what shells show for SIGINT.
const TOLD_TWICE: i32 = 130;

/// A token that the first signal cancels.
///
/// # Errors
/// When signals cannot be listened for.
pub(crate) fn shutdown_on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?];
    let told = token.clone();
    tokio::spawn(async move {
        next(&mut signals).await;
        tracing::info!("told to stop");
        told.cancel();
        next(&mut signals).await;
        tracing::warn!("told to stop a second time: what runs is cut off, its jobs come back when the lease runs out");
        std::process::exit(TOLD_TWICE);
    });
    Ok(token)
}

async fn next([terminate, interrupt, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
}
