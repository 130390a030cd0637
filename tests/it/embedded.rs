//! The private servers: started, crashed, restarted, stopped.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use callscribe::embedded::{Durability, EmbeddedError, EmbeddedOptions, Server, ServerState, Services};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use tokio_postgres::NoTls;

use crate::harness::{self, eventually};

#[tokio::test]
async fn the_servers_start_on_an_empty_directory_and_again_with_everything_there() {
    let dir = harness::temp_dir("twice");
    let services = start(&dir, Durability::Durable).await.unwrap();
    assert!(services.health().is_ready());
    remember(&services, 1).await;
    let pids = pids(&services);
    for pid in pids {
        assert_eq!(listening_ports(pid), BTreeSet::new(), "process {pid} listens on a port");
        assert_ne!(owner(pid), Some(0), "process {pid} runs as root");
    }

    services.stop().await;
    assert_eq!(pids.map(owner), [None, None], "a process outlived the stop");
    assert_eq!(processes_in(&dir), Vec::<i32>::new());

    let services = start(&dir, Durability::Durable).await.unwrap();
    assert_eq!(remembered(&services).await, (vec![1], 1));
}

#[tokio::test]
async fn a_second_owner_of_a_directory_is_refused_and_disturbs_nothing() {
    let dir = harness::temp_dir("owners");
    let first = start(&dir, Durability::Throwaway).await.unwrap();
    let refused = start(&dir, Durability::Throwaway).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{refused}");
    remember(&first, 1).await;
    assert_eq!(first.health().postgres.restarts, 0);
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_nothing_lost() {
    let private = harness::private_services().await;
    remember(private.services(), 1).await;
    // a backend that is busy when its postmaster dies does not notice by itself
    let busy = tokio::spawn(sql(private.database_url(), "SELECT pg_sleep(600)"));
    eventually("the backend is busy", async || {
        ask(&private.database_url(), "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'").await == [1]
    })
    .await;

    private.kill_9(Server::Postgres).await;
    private.kill_9(Server::Redis).await;

    assert!(busy.await.unwrap().is_err());
    assert_eq!(remembered(private.services()).await, (vec![1], 1));
    let health = private.services().health();
    assert_eq!((health.postgres.restarts, health.redis.restarts), (1, 1));
}

#[tokio::test]
async fn a_halted_server_is_away_until_it_is_resumed() {
    let private = harness::private_services().await;
    let store = private.store().await;
    private.halt(Server::Postgres).await;
    private.halt(Server::Redis).await;
    assert_eq!(private.services().health().redis.state, ServerState::Halted);
    assert!(store.dedicated().await.is_err());
    assert!(private.hints().ping().await.is_err());

    private.resume(Server::Postgres).await;
    private.resume(Server::Redis).await;
    store.dedicated().await.unwrap();
    private.hints().ping().await.unwrap();
}

/// Linux sends a child its parent-death signal when the *thread* that started it ends, and tests, runtimes and pools end threads.
#[test]
fn the_servers_outlive_the_thread_and_the_runtime_that_started_them() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = harness::temp_dir("threads");
    let services = std::thread::spawn(move || runtime().block_on(start(&dir, Durability::Throwaway)).unwrap()).join().unwrap();
    runtime().block_on(remember(&services, 1));
    let health = services.health();
    assert_eq!((health.postgres.restarts, health.redis.restarts), (0, 0));
}

#[tokio::test]
async fn after_a_kill_of_the_owner_the_next_start_finds_everything() {
    let dir = harness::temp_dir("killed");
    // the owner alone (its servers then end by themselves); it and its servers, each order; and a pid file that names a stranger
    for (round, order) in [vec!["owner"], vec!["owner", "redis", "postgres"], vec!["postgres", "owner"]].into_iter().enumerate() {
        let mut owner = Owner::start(&dir);
        remember_at(&owner.database_url, &owner.redis_url, i32::try_from(round).unwrap()).await;
        for victim in order {
            owner.kill_9(victim);
        }
        if round == 1 {
            fs::write(dir.join("postgres/postmaster.pid"), "1\n").unwrap();
        }
        let services = start(&dir, Durability::Throwaway).await.unwrap();
        let expected: Vec<i32> = (0..=i32::try_from(round).unwrap()).collect();
        assert_eq!(remembered(&services).await, (expected, i64::try_from(round).unwrap() + 1));
        services.stop().await;
        assert_eq!(processes_in(&dir), Vec::<i32>::new(), "after round {round}");
    }
}

/// Not a test: the process that `after_a_kill_of_the_owner_the_next_start_finds_everything` kills.
#[tokio::test]
#[ignore = "run by another test, as a process of its own"]
async fn owner_process() {
    let Some(dir) = std::env::var_os(OWNER_DIR) else { return };
    let services = start(Path::new(&dir), Durability::Throwaway).await.unwrap();
    let [postgres, redis] = pids(&services);
    println!("\nOWNER {} {} {postgres} {redis}", services.database_url(), services.redis_url());
    // until the kill; or until the other test is gone
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await;
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = harness::temp_dir("broken");
    start(&dir, Durability::Throwaway).await.unwrap().stop().await;
    fs::write(dir.join("postgres/postgresql.conf"), "no such setting = 1\n").unwrap();
    let error = start(&dir, Durability::Throwaway).await.unwrap_err().to_string();
    assert!(error.starts_with("PostgreSQL did not start") && error.contains("syntax error"), "{error}");
    assert_eq!(processes_in(&dir), Vec::<i32>::new(), "the other server was left running");
}

#[tokio::test]
async fn the_proxy_cuts_swallows_and_refuses() {
    let database = harness::database().await;
    let proxy = harness::proxy(database.url()).await;
    let url = proxy.url_for(database.url());
    assert_eq!(ask(&url, "SELECT 1").await, [1]);

    let waiting = tokio::spawn(sql(url.clone(), "SELECT pg_sleep(600)"));
    eventually("the statement runs", async || {
        ask(
            database.url(),
            "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'",
        )
        .await
            == [1]
    })
    .await;
    proxy.cut_all();
    assert!(waiting.await.unwrap().is_err());

    proxy.set(harness::Fault { refuse: true, ..Default::default() });
    assert!(sql(url.clone(), "SELECT 1").await.is_err());

    proxy.set(harness::Fault { reset_after: Some(10), ..Default::default() });
    assert!(sql(url.clone(), "SELECT 1").await.is_err());

    proxy.set(harness::Fault { blackhole: true, ..Default::default() });
    let swallowed = tokio::spawn(sql(url.clone(), "SELECT 1"));
    tokio::task::yield_now().await;
    assert!(!swallowed.is_finished());
    proxy.set(harness::Fault { latency: Duration::from_millis(1), bytes_per_second: Some(1_000_000), ..Default::default() });
    swallowed.await.unwrap().unwrap();
}

const OWNER_DIR: &str = "CALLSCRIBE_TEST_OWNER_DIR";

/// A process that owns private servers.
struct Owner {
    process: Child,
    database_url: String,
    redis_url: String,
    postgres: i32,
    redis: i32,
}

impl Owner {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "embedded::owner_process", "--ignored", "--nocapture"]).env(OWNER_DIR, dir);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find_map(|line| line.strip_prefix("OWNER ").map(str::to_owned)).expect("the owner starts");
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap();
        Self { process, database_url: word(), redis_url: word(), postgres: word().parse().unwrap(), redis: word().parse().unwrap() }
    }

    fn kill_9(&mut self, victim: &str) {
        let pid = match victim {
            "owner" => self.process.id().cast_signed(),
            "postgres" => self.postgres,
            "redis" => self.redis,
            other => panic!("`{other}` is nobody"),
        };
        // it may have ended already, by its parent-death signal
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        if victim == "owner" {
            self.process.wait().unwrap();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn start(dir: &Path, durability: Durability) -> Result<Services, EmbeddedError> {
    Services::start(EmbeddedOptions { data_dir: dir.to_owned(), durability, max_connections: 20 }).await
}

fn pids(services: &Services) -> [u32; 2] {
    let health = services.health();
    [health.postgres.pid.unwrap(), health.redis.pid.unwrap()]
}

async fn remember(services: &Services, number: i32) {
    remember_at(&services.database_url(), &services.redis_url(), number).await;
}

async fn remember_at(database_url: &str, redis_url: &str, number: i32) {
    let insert = format!("CREATE TABLE IF NOT EXISTS numbers (number integer); INSERT INTO numbers VALUES ({number})");
    sql(database_url.to_owned(), &insert).await.unwrap();
    let _: i64 = redis::cmd("LPUSH").arg("numbers").arg(number).query_async(&mut connect_redis(redis_url).await).await.unwrap();
}

/// The numbers PostgreSQL has, and how many Redis has.
async fn remembered(services: &Services) -> (Vec<i32>, i64) {
    let numbers = ask(&services.database_url(), "SELECT number FROM numbers ORDER BY number").await;
    let count = redis::cmd("LLEN").arg("numbers").query_async(&mut connect_redis(&services.redis_url()).await).await.unwrap();
    (numbers, count)
}

async fn connect_redis(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn ask(url: &str, query: &str) -> Vec<i32> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn sql(url: String, statements: impl Into<String> + Send) -> Result<(), tokio_postgres::Error> {
    let statements = statements.into();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&statements).await
}

/// As whom a process runs; `None` when there is no such process.
fn owner(pid: u32) -> Option<u32> {
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    // what was started by someone who is not root is not root either
    assert!(geteuid().is_root() || owner == geteuid().as_raw());
    Some(owner)
}

/// The processes whose working directory is in `dir`.
fn processes_in(dir: &Path) -> Vec<i32> {
    let dir = dir.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        fs::read_link(entry.path().join("cwd")).ok()?.starts_with(&dir).then_some(pid)
    });
    pids.collect()
}

/// The TCP ports a process listens on: sockets it holds that `/proc/net/tcp` lists in state 0A.
fn listening_ports(pid: u32) -> BTreeSet<u16> {
    let held: BTreeSet<PathBuf> =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines()).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let listening = rows.filter(|row| row.get(3) == Some(&"0A") && held.contains(Path::new(&format!("socket:[{}]", row[9]))));
    listening.map(|row| u16::from_str_radix(row[1].rsplit(':').next().unwrap(), 16).unwrap()).collect()
}
