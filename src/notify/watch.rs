//! The loop that looks and sends. Every scheduler runs it, whether it leads or not: PostgreSQL sees to it that each change is told once.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{Bounds, Channels, circuits, conditions};
use crate::{
    clock::Clock,
    config::{AlertSettings, PriceSettings, SloSettings},
    domain::SourceName,
    outbound::Gate,
    store::{
        Store, StoreError,
        alerts::{Rhythm, look, prune_notices},
    },
    telemetry::chain,
};

/// How often it is looked whether something needs a person.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked whether something is to be sent.
const SEND_EVERY: Duration = Duration::from_secs(5);
/// An alert is over once three looks have not found it: figures waver.
const RESOLVE_AFTER: Duration = Duration::from_mins(3);
/// How long messages that arrived are kept.
const KEEP: Duration = Duration::from_hours(7 * 24);

/// What is looked at, and by which measure.
#[derive(Debug)]
pub struct Watched {
    /// PostgreSQL.
    pub store: Store,
    /// What is too much, and who is told.
    pub settings: AlertSettings,
    /// How old work may become.
    pub goals: SloSettings,
    /// What transcription may cost.
    pub prices: PriceSettings,
    /// Sources whose calls are asked for.
    pub sources: Vec<SourceName>,
    /// The gates before outside services.
    pub gates: Vec<Gate>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Looks and sends until the shutdown. PostgreSQL and the receivers may come and go.
pub async fn watch_alerts(watched: Watched, channels: Channels, shutdown: CancellationToken) {
    let mut rounds = tokio::time::interval(SEND_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look_at = Instant::now();
    while shutdown.run_until_cancelled(rounds.tick()).await.is_some() {
        let due = look_at <= Instant::now();
        // a look that fails keeps nobody from hearing what earlier ones found
        let round = async {
            let looked = if due { look_once(&watched, &channels).await } else { Ok(()) };
            (looked, channels.deliver(&watched.store, &*watched.clock).await)
        };
        let Some((looked, sent)) = shutdown.run_until_cancelled(round).await else { return };
        if due && looked.is_ok() {
            look_at = Instant::now() + LOOK_EVERY;
        }
        for error in [looked.err(), sent.err()].into_iter().flatten() {
            tracing::warn!(error = %chain(&error), "PostgreSQL did not take part in looking after alerts; tried again in seconds");
        }
    }
}

async fn look_once(watched: &Watched, channels: &Channels) -> Result<(), StoreError> {
    let Watched { settings, goals, prices, sources, gates, clock, .. } = watched;
    let gates = futures_util::future::join_all(gates.iter().map(Gate::seen)).await;
    let now = clock.now();
    let mut connection = watched.store.connection().await?;
    let mut found = conditions(&mut connection, &Bounds { settings, goals, prices, sources }, now).await?;
    found.extend(circuits(&gates));
    look(&mut connection, &found, &channels.names(), Rhythm { resolve_after: RESOLVE_AFTER, repeat: settings.repeat }, now).await?;
    prune_notices(&mut connection, KEEP, now).await?;
    Ok(())
}
