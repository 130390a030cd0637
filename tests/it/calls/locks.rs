//! Who waits for whom: pages of calls and batches of jobs that ended badly never wait for each other.

use callscribe::domain::Leg;
use callscribe::{
    domain::{Reason, SessionId, SourceName, TranscriptId},
    store::transcripts::{self, TranscriptTrouble},
};
use diesel_async::{AnsiTransactionManager, TransactionManager};

use super::{closed_call, store};
use crate::harness;

#[tokio::test]
async fn jobs_that_failed_together_lock_their_calls_in_the_order_in_which_a_page_does() {
    let database = harness::database().await;
    let (pool, others) = (database.store(), database.store());
    let page = &mut *pool.connection().await.unwrap();
    for session in ["call-a", "call-b", "call-c"] {
        store(page, closed_call(session, 5)).await;
    }
    AnsiTransactionManager::begin_transaction(page).await.unwrap();
    store(page, closed_call("call-a", 6)).await;
    // the jobs ended in another order than their calls are stored in
    let failing = tokio::spawn(async move {
        let trouble = |session: &str| TranscriptTrouble {
            id: TranscriptId::of(SourceName::Webex, &SessionId::parse(session).unwrap(), Leg::Main, 1),
            reason: Reason::Unexpected,
            message: "tried".to_owned(),
        };
        let connection = &mut *others.connection().await.unwrap();
        AnsiTransactionManager::begin_transaction(connection).await.unwrap();
        let failed = transcripts::fail(connection, &["call-c", "call-b", "call-a"].map(trouble)).await;
        AnsiTransactionManager::commit_transaction(connection).await.unwrap();
        failed
    });
    let waiting = "SELECT to_jsonb(count(*)) AS value FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watching = database.store();
    harness::eventually("the jobs wait for the page", async || super::ask(&mut watching.connection().await.unwrap(), waiting).await == 1)
        .await;
    // a page goes on to its next calls, which nobody may hold who waits for its first
    store(page, closed_call("call-b", 6)).await;
    store(page, closed_call("call-c", 6)).await;
    AnsiTransactionManager::commit_transaction(page).await.unwrap();
    assert_eq!(failing.await.unwrap().unwrap(), 3);
    database.assert_consistent().await;
}
