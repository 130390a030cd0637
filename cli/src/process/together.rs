//! Several things that run at once and end together: the first that fails stops the others, and nothing is left running.

use std::future::Future;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What runs in this process.
pub(crate) struct Together {
    tasks: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

impl Together {
    /// Nothing yet.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), shutdown }
    }

    /// Runs `task`, which ends by itself after the shutdown.
    pub(crate) fn run<E>(&mut self, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<anyhow::Error> + 'static,
    {
        self.tasks.spawn(async move { task.await.map_err(Into::into) });
    }

    /// Waits until all have ended; the first failure begins the shutdown of the rest and is what is returned.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
            // whatever ends first ends all: a process without one of its parts must not look alive
            self.shutdown.cancel();
            if result.is_ok() {
                result = ended;
            }
        }
        result
    }
}
