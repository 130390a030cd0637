//! People's orders to a running process: read from the ledger every second, applied to its lanes.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{WorkersOptions, permit::Permits, presence::Presence};
use crate::{
    domain::{JobKind, LeaseId},
    ledger::{self, Orders},
    store::{Store, StoreError},
    telemetry::{chain, metrics},
};

/// Between two tries to reach PostgreSQL at the start.
const RETRY: Duration = Duration::from_millis(500);

/// Listens for one process.
#[derive(Debug)]
pub(super) struct Listener {
    store: Store,
    worker: String,
    first: LeaseId,
    every: Duration,
    /// By kind what the settings say, and the permits.
    lanes: Vec<(JobKind, u16, Permits)>,
    orders: watch::Sender<Orders>,
}

impl Listener {
    pub(super) fn new(options: &WorkersOptions, presence: &Presence, lanes: Vec<(JobKind, u16, Permits)>) -> Self {
        Self {
            store: options.store.clone(),
            worker: presence.worker(),
            first: presence.watch().borrow().id,
            every: options.settings.orders_poll,
            lanes,
            orders: watch::Sender::default(),
        }
    }

    /// The permits, lane by lane.
    pub(super) fn permits(&self) -> impl Iterator<Item = Permits> {
        self.lanes.iter().map(|(_, _, permits)| permits.clone())
    }

    /// The orders as they are and will be.
    pub(super) fn watch(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    /// Reads the orders before the first claim, however long PostgreSQL takes: a process that starts obeys from its first job.
    pub(super) async fn listen_once(&self, shutdown: &CancellationToken) {
        let heard = async {
            while let Err(error) = self.hear(shutdown).await {
                tracing::warn!(error = %chain(&error), "cannot read what is paused and scaled");
                tokio::time::sleep(RETRY).await;
            }
        };
        tokio::select! {
            () = heard => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Listens for ever; the caller drops the future to end it. While PostgreSQL is away the last orders stay in force, and nothing can
    /// be claimed anyway.
    pub(super) async fn listen(&self, shutdown: &CancellationToken) {
        loop {
            tokio::time::sleep(self.every).await;
            if let Err(error) = self.hear(shutdown).await {
                tracing::debug!(error = %chain(&error), "cannot read what is paused and scaled: it stays as it is");
            }
        }
    }

    async fn hear(&self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let orders = {
            let mut connection = self.store.connection().await?;
            ledger::orders(&mut connection, &self.worker, self.first).await?
        };
        for (kind, configured, permits) in &self.lanes {
            let jobs = orders.jobs_at_once.get(kind.as_str()).copied().unwrap_or(*configured);
            if permits.resize(jobs) {
                tracing::info!(job.kind = %kind, jobs.at_once = jobs, "concurrency changed");
            }
            metrics::concurrency(*kind, jobs);
            metrics::paused(*kind, orders.hold(*kind));
        }
        if orders.drain && !shutdown.is_cancelled() {
            tracing::info!(worker.name = self.worker, "told to drain and exit");
            shutdown.cancel();
        }
        self.orders.send_if_modified(|last| {
            let changed = *last != orders;
            if changed {
                tracing::info!(
                    orders.all_paused = orders.all_paused, orders.paused_kinds = ?orders.paused_kinds,
                    orders.paused_sources = ?orders.paused_sources, orders.jobs_at_once = ?orders.jobs_at_once, "orders changed"
                );
                *last = orders;
            }
            changed
        });
        Ok(())
    }
}
