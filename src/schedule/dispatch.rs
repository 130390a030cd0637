//! The dispatcher: whatever is due in the ledger has a hint in its lane, however the last one was lost.

use crate::{
    hints::{Hints, Lane},
    ledger,
    store::{Store, StoreError},
};

/// A lane is refilled when it holds fewer hints than this…
const LOW: u64 = 1_000;
/// …with up to this many of the most urgent jobs: seconds of work for one process, so that a refill is rare.
const REFILL: usize = 10_000;

/// What one round of the dispatcher did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Hints sent; those that were in their lane already are counted too.
    pub hints: usize,
    /// Lanes that Redis did not take.
    pub lanes_unreachable: usize,
}

/// Refills every lane that runs low, lanes of kinds that only a newer version knows too: its workers may be waiting.
pub async fn dispatch(store: &Store, hints: &Hints) -> Result<Dispatched, StoreError> {
    let mut dispatched = Dispatched::default();
    let kinds = {
        let mut connection = store.connection().await?;
        ledger::open_kinds(&mut connection).await?
    };
    for kind in kinds {
        let lane = Lane::new(hints, &kind);
        let Ok(depth) = lane.depth().await else {
            dispatched.lanes_unreachable += 1;
            continue;
        };
        if depth >= LOW {
            continue;
        }
        let due = {
            let mut connection = store.connection().await?;
            ledger::due_jobs(&mut connection, &kind, REFILL).await?
        };
        let ids: Vec<_> = due.iter().map(|hint| (hint.id, hint.priority)).collect();
        match lane.push(&ids).await {
            Ok(()) => dispatched.hints += ids.len(),
            Err(_) => dispatched.lanes_unreachable += 1,
        }
    }
    Ok(dispatched)
}
