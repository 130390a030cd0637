//! A database of the test's own: a copy of a migrated template, dropped in the background.

use std::{sync::mpsc, thread};

use callscribe::{
    config::DatabaseSettings,
    domain::{CallTranscriptStatus, TranscriptStatus},
    store::{Store, migrate},
};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::NoTls;

use super::services::{shared, unique};

const TEMPLATE: &str = "callscribe_template";
/// Enough for a runner with a few jobs at once; thirty tests share the server.
const POOL_SIZE: usize = 4;

/// A migrated database that nobody else uses; dropped when this is.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    /// `None`: it goes with its server.
    name: Option<String>,
    url: String,
}

/// Makes a database for the calling test.
pub(crate) async fn database() -> TestDatabase {
    static READY: OnceCell<()> = OnceCell::const_new();
    static ONE_COPY_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    READY.get_or_init(make_template).await;
    let name = unique("test");
    {
        let _turn = ONE_COPY_AT_A_TIME.lock().await;
        // copying files is quicker than logging them while nothing is synced to disk
        run(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")).await;
    }
    TestDatabase { url: url_of(&name).await, name: Some(name) }
}

/// The database at `url`, migrated; it goes with its server.
pub(super) async fn migrated_at(url: &str) -> TestDatabase {
    migrate(&store_at(url)).await.expect("the migrations apply");
    TestDatabase { name: None, url: url.to_owned() }
}

impl TestDatabase {
    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A small pool on it. Every call makes a new one: a second process, as it were.
    pub(crate) fn store(&self) -> Store {
        store_at(&self.url)
    }

    /// Fails when a call's `transcript_status` is not what its main transcript makes it: the complete one, or else the latest.
    pub(crate) async fn assert_consistent(&self) {
        let store = self.store();
        let mut connection = store.connection().await.expect("a connection");
        let rows: Vec<Statuses> = diesel::sql_query(
            "SELECT c.session_id, c.transcript_status AS call, t.status AS transcript
             FROM call_interactions c LEFT JOIN LATERAL (
                 SELECT status FROM call_transcripts t WHERE t.session_id = c.session_id AND t.leg = 'main'
                 ORDER BY status = 'complete' DESC, version DESC LIMIT 1) t ON true",
        )
        .load(&mut connection)
        .await
        .expect("the statuses");
        let disagreeing: Vec<&Statuses> = rows.iter().filter(|row| !row.agree()).collect();
        assert!(disagreeing.is_empty(), "calls and their transcripts disagree: {disagreeing:?}");
    }
}

#[derive(Debug, QueryableByName)]
struct Statuses {
    #[diesel(sql_type = sql_types::Text)]
    #[expect(dead_code, reason = "shown when the assertion fails")]
    session_id: String,
    #[diesel(sql_type = sql_types::Text)]
    call: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    transcript: Option<String>,
}

impl Statuses {
    fn agree(&self) -> bool {
        let call: CallTranscriptStatus = self.call.parse().expect("a known status");
        let transcript = self.transcript.as_ref().map(|status| status.parse::<TranscriptStatus>().expect("a known status"));
        call == transcript.map_or(CallTranscriptStatus::None, CallTranscriptStatus::from)
    }
}

/// A small pool on `url`.
pub(super) fn store_at(url: &str) -> Store {
    let settings = DatabaseSettings { pool_size: POOL_SIZE, ..DatabaseSettings::for_url(url) };
    Store::new(settings).expect("the pool is built")
}

async fn make_template() {
    run(&format!("CREATE DATABASE {TEMPLATE}")).await;
    let store = store_at(&url_of(TEMPLATE).await);
    migrate(&store).await.expect("the migrations apply");
    drop(store);
    // a template can be copied only while nobody is connected to it
    run(&format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")).await;
    run(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'")).await;
    super::eventually("nobody is connected to the template", async || {
        let (client, connection) = tokio_postgres::connect(&url_of("postgres").await, NoTls).await.expect("PostgreSQL answers");
        let connection = tokio::spawn(connection);
        let rows = client.query("SELECT 1 FROM pg_stat_activity WHERE datname = $1", &[&TEMPLATE]).await.expect("activity");
        drop(client);
        let _ = connection.await;
        rows.is_empty()
    })
    .await;
}

/// The address of another database of the shared server.
async fn url_of(database: &str) -> String {
    shared().await.database_url().replacen("/callscribe?", &format!("/{database}?"), 1)
}

async fn run(sql: &str) {
    run_at(&url_of("postgres").await, sql).await.unwrap_or_else(|error| panic!("`{sql}` failed: {error:?}"));
}

async fn run_at(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(sql).await;
    drop(client);
    let _ = connection.await;
    done
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        static DROPPER: std::sync::LazyLock<mpsc::Sender<(String, String)>> = std::sync::LazyLock::new(|| {
            let (sender, orders) = mpsc::channel::<(String, String)>();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                for (url, name) in orders {
                    // what is left goes with the whole server at the end
                    let _ = runtime.block_on(run_at(&url, &format!("DROP DATABASE {name} WITH (FORCE)")));
                }
            });
            sender
        });
        let Some(name) = self.name.take() else { return };
        let url = self.url.replacen(&format!("/{name}?"), "/postgres?", 1);
        let _ = DROPPER.send((url, name));
    }
}
