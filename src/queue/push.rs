//! Hints on their way to Redis: best effort, since the dispatcher sends again whatever is lost.

use std::collections::BTreeMap;

use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    domain::JobId,
    hints::{Hints, HintsError, Lane},
    ledger::Hint,
    telemetry::{chain, metrics},
};

/// Pushes hints, lane by lane.
pub async fn push_hints(hints: &Hints, jobs: &[Hint]) -> Result<(), HintsError> {
    let mut lanes: BTreeMap<&str, Vec<(JobId, i16)>> = BTreeMap::new();
    for hint in jobs {
        lanes.entry(&hint.kind).or_default().push((hint.id, hint.priority));
    }
    for (kind, ids) in lanes {
        Lane::new(hints, kind).push(&ids).await?;
    }
    Ok(())
}

/// Pushes hints in the background, batched by whatever came meanwhile.
#[derive(Debug)]
pub struct HintPusher {
    sender: mpsc::UnboundedSender<Vec<Hint>>,
    task: JoinHandle<()>,
}

impl HintPusher {
    /// Starts the task.
    #[must_use]
    pub fn start(hints: Hints) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<Hint>>();
        let task = tokio::spawn(async move {
            /// Batches of hints taken at once.
            const MOST_BATCHES: usize = 256;
            let mut batches = Vec::new();
            while receiver.recv_many(&mut batches, MOST_BATCHES).await > 0 {
                let jobs: Vec<Hint> = batches.drain(..).flatten().collect();
                if let Err(error) = push_hints(&hints, &jobs).await {
                    metrics::hints_lost(jobs.len());
                    tracing::debug!(
                        error = %chain(&error),
                        hints.count = jobs.len(),
                        "hints lost; the dispatcher sends them again"
                    );
                }
            }
        });
        Self { sender, task }
    }

    /// Where to send hints.
    #[must_use]
    pub fn sender(&self) -> mpsc::UnboundedSender<Vec<Hint>> {
        self.sender.clone()
    }

    /// Waits until all that was sent is pushed; every other sender must be gone.
    pub async fn finish(self) {
        drop(self.sender);
        if let Err(error) = self.task.await {
            tracing::error!(error = %chain(&error), "the hint pusher broke");
        }
    }
}
