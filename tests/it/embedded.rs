//! The private servers: started, crashed, restarted, stopped.

use crate::harness;

#[tokio::test]
async fn a_test_database_is_migrated_and_a_store_reaches_it() {
    let database = harness::database().await;
    let store = database.store();
    harness::travel(&store, std::time::Duration::from_mins(5)).await;
    database.assert_consistent().await;
    harness::hints().await.ping().await.unwrap();
}
