//! Waiting for conditions instead of times, and moving the ledger's times instead of waiting for them.

use std::time::Duration;

use callscribe::store::Store;
use diesel::sql_types;
use diesel_async::RunQueryDsl;
use tokio::time::{Instant, sleep};

/// Longer than anything takes on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// What a polled condition may answer: a truth, or something once it is there.
pub(crate) trait Held {
    /// What is handed on when it holds.
    type Found;
    /// It, when it holds.
    fn held(self) -> Option<Self::Found>;
}

impl Held for bool {
    type Found = ();
    fn held(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Held for Option<T> {
    type Found = T;
    fn held(self) -> Option<T> {
        self
    }
}

/// Polls `condition` until it holds and returns what it found; fails with `what` when it never does.
pub(crate) async fn eventually<H: Held>(what: &str, condition: impl AsyncFnMut() -> H) -> H::Found {
    eventually_within(PATIENCE, what, condition).await
}

/// The same for what takes long by its nature, such as many requests under a budget.
pub(crate) async fn eventually_within<H: Held>(patience: Duration, what: &str, mut condition: impl AsyncFnMut() -> H) -> H::Found {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = condition().await.held() {
            return found;
        }
        assert!(Instant::now() < until, "waited {} s in vain until {what}", patience.as_secs());
        sleep(POLL).await;
    }
}

/// Lets time pass for the ledger and the tokens: every time in their tables moves `by` into the past.
pub(crate) async fn travel(store: &Store, by: Duration) {
    const TABLES: &[&str] = &["jobs", "workers", "job_attempts", "oauth_tokens", "webhook_events"];
    let mut connection = store.connection().await.expect("a connection");
    for table in TABLES {
        let assignments = format!(
            "SELECT string_agg(format('%1$I = %1$I - make_interval(secs => {})', column_name), ', ') AS sql
             FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = '{table}' AND data_type = 'timestamp with time zone' AND is_generated = 'NEVER'",
            by.as_secs_f64()
        );
        let row: Sql = diesel::sql_query(assignments).get_result(&mut connection).await.expect("the columns");
        diesel::sql_query(format!("UPDATE {table} SET {}", row.sql)).execute(&mut connection).await.expect("times move");
    }
}

#[derive(diesel::QueryableByName)]
struct Sql {
    #[diesel(sql_type = sql_types::Text)]
    sql: String,
}
