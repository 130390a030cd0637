//! What people are shown, and what they hold.

use serde_json::json;

use super::archive::Archive;
use crate::cli::{json, on};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_held_shown_released_and_its_deletion_proven() {
    let archive = Archive::new().await;
    archive.call("old", None, 31).await;
    archive.transcript("old", "complete").await;
    let database = &archive.database;
    let would = json(&on(database, &["retention", "--json"]).await);
    assert_eq!(
        (&would["recordings"], &would["calls"], &would["queues"][0]["policy"]),
        (&json!(1), &json!(0), &json!("RETENTION_AUDIO 30d"))
    );
    let would = json(&on(database, &["retention", "--audio", "32d", "--metadata", "30d", "--json"]).await);
    assert_eq!((&would["recordings"], &would["rows"][0]["verdict"]), (&json!(0), &json!("has_audio")));

    let refused = on(database, &["calls", "hold", "old", "--why", " "]).await;
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    let held = on(database, &["calls", "hold", "old", "--why", "litigation 17"]).await;
    assert_eq!((held.stdout.as_str(), held.status), ("holding old\n", 0), "{}", held.stderr);
    let shown = on(database, &["calls", "show", "old"]).await;
    assert!(shown.stdout.contains("held ") && shown.stdout.contains(": litigation 17"), "{}", shown.stdout);
    assert_eq!(json(&on(database, &["calls", "show", "old", "--json"]).await)["hold"]["why"], "litigation 17");
    assert_eq!(json(&on(database, &["calls", "holds", "--json"]).await)[0]["session_id"], "old");
    assert_eq!(json(&on(database, &["retention", "--json"]).await)["queues"][0]["verdict"], "held");
    let unknown = on(database, &["calls", "hold", "nobody", "--why", "request 4"]).await;
    assert!(unknown.stderr.contains("there is no call of that id yet"), "{}", unknown.stderr);

    assert_eq!(on(database, &["calls", "release", "old", "--why", "settled"]).await.stdout, "released old\n");
    archive.run().await;
    let proofs = json(&on(database, &["deletions", "--session", "ol", "--json"]).await);
    let mut objects: Vec<_> = proofs.as_array().unwrap().iter().map(|proof| proof["object_key"].as_str().unwrap()).collect();
    objects.sort_unstable();
    assert_eq!(objects, super::archive::keys("old"));
    let shown = on(database, &["calls", "show", "old"]).await.stdout;
    assert!(shown.contains("deleted by retention"), "{shown}");
    let late = on(database, &["calls", "hold", "old", "--why", "appeal"]).await;
    assert!(late.stderr.contains("too late for 1 of its recordings"), "{}", late.stderr);
    assert_eq!(on(database, &["deletions", "--calls"]).await.stdout, "nothing was deleted\n");
}
