//! `callscribe migrate` beside a system that works: what it would do, and what it does when it does not get its locks.

use std::process::Command;

use callscribe::store::{Connection, Store, migrate};
use diesel_async::SimpleAsyncConnection;
use serde_json::Value;

use crate::{
    cli::callscribe,
    harness::{self, TestDatabase},
    ledger_rows::number,
};

/// The newest migrations, in their order, from the newest one on that runs in a transaction: those after it build indexes beside
/// live work, each outside of any.
fn newest() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = std::fs::read_dir(root.join("migrations")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    let outside = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path.join("metadata.toml")).is_ok_and(|text| text.contains("run_in_transaction = false"))
    };
    let first = folders.iter().rposition(|path| !outside(path)).unwrap();
    folders.split_off(first)
}

/// Takes the newest migrations back, as if this version were about to be deployed.
async fn take_back_the_newest(connection: &mut Connection) {
    for folder in newest().iter().rev() {
        let down = std::fs::read_to_string(folder.join("down.sql")).unwrap();
        connection.batch_execute(&down).await.unwrap();
        let forget = "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)";
        connection.batch_execute(forget).await.unwrap();
    }
}

/// `migrate --check`: its exit status, what it says, and the same as JSON.
async fn check(url: &str) -> (i32, String, Value) {
    let run = async |arguments: &[&str]| {
        let mut command: Command = callscribe(arguments);
        command.env("DATABASE_URL", url);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let (told, json) = (run(&["migrate", "--check"]).await, run(&["migrate", "--check", "--json"]).await);
    let status = told.status.code().unwrap();
    assert_eq!(json.status.code(), Some(status), "{}", String::from_utf8_lossy(&json.stderr));
    (status, String::from_utf8(told.stdout).unwrap(), serde_json::from_slice(&json.stdout).unwrap())
}

/// A database without its newest migrations.
async fn older() -> (TestDatabase, Store) {
    let database = harness::database().await;
    let store = database.store();
    take_back_the_newest(&mut store.connection().await.unwrap()).await;
    (database, store)
}

#[tokio::test]
async fn a_check_changes_nothing_and_exits_1_until_the_schema_is_this_versions() {
    let (database, store) = older().await;
    let names: Vec<_> = newest().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    for _ in 0..2 {
        let (status, told, json) = check(database.url()).await;
        assert_eq!(status, 1);
        let named = names.iter().all(|name| told.contains(&format!("pending {name}\n")));
        assert!(named && told.contains("run `callscribe migrate`"), "{told}");
        assert_eq!(json, serde_json::json!({ "schema": "pending", "pending": names, "unknown": [] }));
    }
    assert_eq!(migrate(&store).await.unwrap().len(), names.len());
    let (status, told, json) = check(database.url()).await;
    assert_eq!((status, told.as_str(), &json["schema"]), (0, "the schema is current\n", &Value::from("current")));
}

#[tokio::test]
async fn a_check_tells_of_a_database_that_is_newer() {
    let database = harness::database().await;
    let store = database.store();
    let mut connection = store.connection().await.unwrap();
    connection.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')").await.unwrap();
    let (status, told, json) = check(database.url()).await;
    assert_eq!((status, &json["schema"], &json["unknown"]), (1, &Value::from("newer"), &serde_json::json!(["99991231000001"])));
    assert!(told.contains("the database is newer than this version"), "{told}");
}

#[tokio::test]
async fn a_database_that_was_never_migrated_lacks_everything() {
    let engines = harness::private_services().await;
    let (status, _, json) = check(&engines.database_url()).await;
    assert_eq!((status, &json["schema"]), (1, &Value::from("pending")));
    assert!(json["pending"].as_array().unwrap().len() >= 9, "{json}");
}

#[tokio::test]
async fn two_that_migrate_at_once_apply_each_migration_once() {
    let (_database, store) = older().await;
    let (one, other) = tokio::join!(migrate(&store), migrate(&store));
    assert_eq!(one.unwrap().len() + other.unwrap().len(), newest().len());
}

#[tokio::test]
async fn a_migration_that_does_not_get_its_lock_steps_back_and_tries_again() {
    let (_database, store) = older().await;
    let mut holder = store.dedicated().await.unwrap();
    // every migration writes here, and nobody else does
    holder.batch_execute("BEGIN; LOCK TABLE __diesel_schema_migrations IN SHARE ROW EXCLUSIVE MODE").await.unwrap();
    let waiting = "SELECT count(*) AS number FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE d.datname = current_database() AND l.relation = '__diesel_schema_migrations'::regclass AND NOT l.granted";
    let migrating = tokio::spawn({
        let store = store.clone();
        async move { migrate(&store).await }
    });
    harness::eventually("it waits for the lock", async || number(&store, waiting).await == 1).await;
    harness::eventually("it steps back", async || number(&store, waiting).await == 0).await;
    assert!(!migrating.is_finished(), "it gave up for good");
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().len(), newest().len());
}
