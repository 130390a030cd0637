//! Recordings that the vendor will soon delete, moved to the front.

use std::{convert::Infallible, time::Duration};

use callscribe::{hints::Hints, ledger, queue::push_hints, store::Store, telemetry::chain};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Vendors delete by the day.
const EVERY: Duration = Duration::from_mins(10);

/// Has recordings of calls older than `age` copied before all others, until the shutdown. What is not looked at in one round is in the
/// next; any number of processes may do it at once.
pub(crate) async fn hasten_expiring(
    store: Store,
    hints: Hints,
    age: Option<Duration>,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let Some(age) = age else {
        shutdown.cancelled().await;
        return Ok(());
    };
    loop {
        let hastened = match store.connection().await {
            Ok(mut connection) => ledger::hasten_expiring(&mut connection, age).await,
            Err(error) => Err(error),
        };
        match hastened {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                tracing::warn!(jobs.count = due.len(), "recordings that the vendor will soon delete are copied first");
                if let Err(error) = push_hints(&hints, &due).await {
                    tracing::debug!(error = %chain(&error), "hints lost; the dispatcher sends them again");
                }
            }
            Err(error) => tracing::warn!(error = %chain(&error), "cannot look for recordings that the vendor will soon delete"),
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}
