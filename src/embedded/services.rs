//! The two private servers together, and the thread that owns them.

use std::{sync::Arc, thread};

use tokio::sync::{oneshot, watch};

use super::{
    EmbeddedError, EmbeddedOptions, Health, Server, ServerHealth, ServerState,
    binaries::Binaries,
    data_dir::DataDir,
    postgres::{self, Postgres},
    redis::{self, Redis},
    supervisor::{Wanted, launch, report, stop, supervise},
};

/// PostgreSQL and Redis, running. Dropping it stops them and waits until they have; [`Services::stop`] does so without blocking.
#[derive(Debug)]
pub struct Services {
    database_url: String,
    redis_url: String,
    postgres: Reins,
    redis: Reins,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Our end of what steers one server.
#[derive(Debug)]
struct Reins {
    wanted: watch::Sender<Wanted>,
    health: watch::Receiver<ServerHealth>,
}

/// The supervising thread's end.
struct Bridle {
    wanted: watch::Receiver<Wanted>,
    health: watch::Sender<ServerHealth>,
}

fn steering() -> (Reins, Bridle) {
    let (wanted, wanted_here) = watch::channel(Wanted::Up);
    let (health_here, health) = watch::channel(ServerHealth::STARTING);
    (Reins { wanted, health }, Bridle { wanted: wanted_here, health: health_here })
}

impl Services {
    /// Starts both in `options.data_dir`, making what is missing, and waits until both answer.
    ///
    /// # Errors
    /// When programs are missing, the directory belongs to another process, or a server does not come up.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let (postgres, postgres_bridle) = steering();
        let (redis, redis_bridle) = steering();
        let (started, start) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("embedded".to_owned()).spawn(move || {
            run(&options, postgres_bridle, redis_bridle, started);
            // nobody listens when `Services` was dropped
            let _ = ending.send(());
        });
        let thread = thread.map_err(EmbeddedError::io("start the thread that watches over the private servers"))?;
        let (database_url, redis_url) = start.await.map_err(|_| EmbeddedError::Supervisor)??;
        Ok(Self { database_url, redis_url, postgres, redis, ended: Some(ended), thread: Some(thread) })
    }

    /// `DATABASE_URL` of the product's database.
    #[must_use]
    pub fn database_url(&self) -> String {
        self.database_url.clone()
    }

    /// `REDIS_URL`.
    #[must_use]
    pub fn redis_url(&self) -> String {
        self.redis_url.clone()
    }

    /// How both are, now.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { postgres: self.postgres.health.borrow().clone(), redis: self.redis.health.borrow().clone() }
    }

    /// Stops one of them, cleanly, until [`Services::resume`]: for upkeep, and to see that the rest bears it.
    pub async fn halt(&self, server: Server) {
        self.steer(server, Wanted::Halted, ServerState::Halted).await;
    }

    /// Starts a halted one again, at the same address, and waits until it answers.
    pub async fn resume(&self, server: Server) {
        self.steer(server, Wanted::Up, ServerState::Ready).await;
    }

    /// Stops both and waits until they have. Bounded: a server that does not end as told is killed.
    pub async fn stop(mut self) {
        self.order_gone();
        if let Some(ended) = self.ended.take() {
            // an error means that the thread is gone, and with it the children
            let _ = ended.await;
        }
    }

    async fn steer(&self, server: Server, wanted: Wanted, until: ServerState) {
        let reins = match server {
            Server::Postgres => &self.postgres,
            Server::Redis => &self.redis,
        };
        reins.wanted.send_replace(wanted);
        // an error means that the thread is gone: then nothing will change any more
        let _ = reins.health.clone().wait_for(|health| health.state == until).await;
    }

    fn order_gone(&self) {
        self.postgres.wanted.send_replace(Wanted::Gone);
        self.redis.wanted.send_replace(Wanted::Gone);
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.order_gone();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watched over the private servers had panicked");
        }
    }
}

type Started = oneshot::Sender<Result<(String, String), EmbeddedError>>;

/// The thread's whole life. Every child is started here, so that none outlives it.
fn run(options: &EmbeddedOptions, postgres: Bridle, redis: Bridle, started: Started) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(EmbeddedError::io("start a runtime for the private servers"));
    match runtime.and_then(|runtime| Ok((runtime, servers(options)?))) {
        Ok((runtime, servers)) => runtime.block_on(live(servers, postgres, redis, started)),
        Err(error) => tell(started, Err(error)),
    }
}

/// Nobody listens when the caller gave up waiting; the servers are stopped then.
fn tell(started: Started, answer: Result<(String, String), EmbeddedError>) {
    let _ = started.send(answer);
}

fn servers(options: &EmbeddedOptions) -> Result<(Postgres, Redis), EmbeddedError> {
    let dir = Arc::new(DataDir::take(&options.data_dir)?);
    let binaries = Binaries::find(&dir.postgres())?;
    let postgres = Postgres {
        dir: Arc::clone(&dir),
        binary: binaries.postgres,
        durability: options.durability,
        max_connections: options.max_connections,
    };
    Ok((postgres, Redis { dir, binary: binaries.redis, durability: options.durability }))
}

async fn live((postgres, redis): (Postgres, Redis), postgres_bridle: Bridle, redis_bridle: Bridle, started: Started) {
    let urls = (postgres::database_url(&postgres.dir), redis::url(&redis.dir));
    let (mut postgres_child, mut redis_child) = match tokio::join!(launch(&postgres), launch(&redis)) {
        (Ok(postgres_child), Ok(redis_child)) => (postgres_child, redis_child),
        (Err(error), Ok(mut redis_child)) => {
            stop::<Redis>(&mut redis_child).await;
            return tell(started, Err(error));
        }
        (Ok(mut postgres_child), Err(error)) => {
            stop::<Postgres>(&mut postgres_child).await;
            return tell(started, Err(error));
        }
        (Err(error), Err(_)) => return tell(started, Err(error)),
    };
    report(&postgres_bridle.health, ServerState::Ready, postgres_child.id());
    report(&redis_bridle.health, ServerState::Ready, redis_child.id());
    if started.send(Ok(urls)).is_err() {
        tokio::join!(stop::<Postgres>(&mut postgres_child), stop::<Redis>(&mut redis_child));
        return;
    }
    tokio::join!(
        supervise(postgres, postgres_child, postgres_bridle.wanted, postgres_bridle.health),
        supervise(redis, redis_child, redis_bridle.wanted, redis_bridle.health),
    );
}
