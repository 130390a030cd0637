//! `callscribe calls compare` as people run it.

use super::transcribed_call;
use crate::{
    cli::{json, on},
    harness,
};

#[tokio::test]
async fn two_versions_are_compared_word_by_word() {
    let database = harness::database().await;
    let said = |text: &'static str| [("agent", 0.0, 1.0, "Hello."), ("customer", 65.0, 70.0, text)];
    transcribed_call(&database, "c1", 0, 1, &said("I want my money back today.")).await;
    let alone = on(&database, &["calls", "compare", "c1"]).await;
    assert!(alone.status == 1 && alone.stderr.contains("has 1 complete versions, and two are compared"), "{}", alone.stderr);
    transcribed_call(&database, "c1", 0, 2, &said("I want the money back, please.")).await;
    let told = on(&database, &["calls", "compare", "c1"]).await;
    assert_eq!(told.status, 0, "{}", told.stderr);
    let lines: Vec<_> = told.stdout.lines().collect();
    assert!(
        lines[0].starts_with("from  version 1, whisper -, ") && lines[1].starts_with("to    version 2, whisper -, "),
        "{}",
        told.stdout
    );
    assert_eq!(lines[2], "word error rate 28.6 %: of 7 words 2 replaced, 0 missing, 0 added");
    assert!(lines[3].ends_with("  Hello. I want [-my-] {+the+} money back,"), "{}", lines[3]);
    assert!(lines[4].ends_with("  money back, [-today.-] {+please.+}"), "{}", lines[4]);
    let told = json(&on(&database, &["calls", "compare", "c1", "--from", "2", "--to", "1", "--json"]).await);
    assert_eq!((&told["from"]["version"], &told["comparison"]["word_error_rate"]), (&2.into(), &0.2857.into()));
    let missing = on(&database, &["calls", "compare", "c1", "--to", "7"]).await;
    assert!(
        missing.stderr.contains("there is no complete version 7") && missing.stderr.contains("complete are: 1, 2"),
        "{}",
        missing.stderr
    );
}
