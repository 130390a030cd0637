//! The process's lease: begun, renewed, and begun again when it was lost.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::LeaseId,
    ledger::{self, WorkerIdentity},
    store::{Store, StoreError},
    telemetry::{chain, metrics},
};

/// One lease, and the token that ends everything held under it.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) id: LeaseId,
    pub(super) lost: CancellationToken,
}

/// Keeps the lease alive until it is told to end.
#[derive(Debug)]
pub(super) struct Presence {
    store: Store,
    identity: Arc<WorkerIdentity>,
    lease: Duration,
    current: watch::Sender<Lease>,
    /// Ends every run when the drain is over.
    stop: CancellationToken,
}

/// Three tries before the lease runs out.
const RENEWALS_PER_LEASE: u32 = 3;
/// Between two tries to reach PostgreSQL.
const RETRY: Duration = Duration::from_millis(500);

impl Presence {
    /// Begins the first lease, waiting for PostgreSQL as long as it takes; `None` when the shutdown came first.
    pub(super) async fn begin(
        store: Store,
        identity: WorkerIdentity,
        lease: Duration,
        stop: CancellationToken,
        shutdown: &CancellationToken,
    ) -> Option<Self> {
        let id = tokio::select! {
            id = begin_insisting(&store, &identity, lease) => id,
            () = shutdown.cancelled() => return None,
        };
        let current = watch::Sender::new(Lease { id, lost: stop.child_token() });
        Some(Self { store, identity: Arc::new(identity), lease, current, stop })
    }

    /// `host-pid`.
    pub(super) fn worker(&self) -> String {
        self.identity.name()
    }

    /// The lease as it is now and will be.
    pub(super) fn watch(&self) -> watch::Receiver<Lease> {
        self.current.subscribe()
    }

    /// Renews for ever; the caller drops the future to end it.
    pub(super) async fn keep(&self) {
        let mut pause = self.lease / RENEWALS_PER_LEASE;
        loop {
            tokio::time::sleep(pause).await;
            let id = self.current.borrow().id;
            match self.renew(id).await {
                Ok(true) => pause = self.lease / RENEWALS_PER_LEASE,
                Ok(false) => {
                    tracing::error!(lease.id = %id, "the lease was lost: jobs in flight stop here and run elsewhere");
                    metrics::lease_lost();
                    self.current.borrow().lost.cancel();
                    let fresh = begin_insisting(&self.store, &self.identity, self.lease).await;
                    self.current.send_replace(Lease { id: fresh, lost: self.stop.child_token() });
                    pause = self.lease / RENEWALS_PER_LEASE;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), lease.id = %id, "cannot renew the lease");
                    pause = RETRY;
                }
            }
        }
    }

    async fn renew(&self, id: LeaseId) -> Result<bool, StoreError> {
        let mut connection = self.store.connection().await?;
        ledger::renew_lease(&mut connection, id, self.lease).await
    }

    /// Ends the lease and hands back what is still held.
    pub(super) async fn end(self) -> Result<ledger::Swept, StoreError> {
        let id = self.current.borrow().id;
        let mut connection = self.store.connection().await?;
        ledger::end_lease(&mut connection, id).await
    }
}

async fn begin_insisting(store: &Store, identity: &WorkerIdentity, lease: Duration) -> LeaseId {
    loop {
        let begun = async {
            let mut connection = store.connection().await?;
            ledger::begin_lease(&mut connection, identity, lease).await
        };
        match begun.await {
            Ok(id) => {
                tracing::info!(lease.id = %id, worker.name = identity.name(), "worker present");
                return id;
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot begin a lease; is PostgreSQL there and migrated?");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
