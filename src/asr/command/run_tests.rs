//! What the shell stands in for an engine shows of a run.

use std::time::Instant;

use super::*;

const LONG: Duration = Duration::from_mins(1);

async fn shell(script: &str, directory: &Path, longest: Duration) -> Result<Ran, RunError> {
    run(&["sh", "-c", script].map(str::to_owned), directory, longest).await
}

#[tokio::test]
async fn an_engine_runs_nicely_alone_in_its_directory_without_input_or_our_settings() {
    let place = tempfile::tempdir().unwrap();
    let script = "nice; pwd; cat; ps -o pgid= -p $$ | tr -d ' '; echo $$; echo late >&2; echo ${DATABASE_URL-none}";
    let ran = shell(script, place.path(), LONG).await.unwrap();
    assert!(ran.status.success());
    let out = String::from_utf8(ran.stdout).unwrap();
    let [nice, directory, .., group, process, database] = out.lines().collect::<Vec<_>>()[..] else { panic!("{out}") };
    let ours: i32 = String::from_utf8(std::process::Command::new("nice").output().unwrap().stdout).unwrap().trim().parse().unwrap();
    assert_eq!(nice.parse::<i32>().unwrap(), (ours + 10).min(19));
    assert_eq!(Path::new(directory), place.path().canonicalize().unwrap());
    assert_eq!((group, database, ran.said.as_str()), (process, "none", "late"));
}

#[tokio::test]
async fn only_the_end_of_a_long_log_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let ran =
        shell("i=0; while [ $i -lt 3000 ]; do echo line $i of the log >&2; i=$((i+1)); done; exit 3", place.path(), LONG).await.unwrap();
    assert_eq!(ran.status.code(), Some(3));
    assert!(ran.said.ends_with("line 2999 of the log") && ran.said.len() <= TAIL_BYTES, "{}", ran.said);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let missing = run(&["callscribe-no-such-engine".to_owned()], place.path(), LONG).await;
    assert!(matches!(missing, Err(RunError::NotInstalled)), "{missing:?}");
}

#[tokio::test]
async fn an_engine_that_does_not_end_is_killed_with_all_that_it_started() {
    let place = tempfile::tempdir().unwrap();
    let script = "sleep 600 & echo $! > child; sleep 600";
    let hung = shell(script, place.path(), Duration::from_millis(300)).await;
    assert!(matches!(hung, Err(RunError::TimedOut(_))), "{hung:?}");
    // on a slow machine it may be killed before it started anything
    if let Ok(child) = std::fs::read_to_string(place.path().join("child")) {
        gone(&child).await;
    }
}

#[tokio::test]
async fn whoever_stops_waiting_ends_the_engine() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().to_owned();
    let waiting = tokio::spawn(async move { shell("sleep 600 & echo $! > child.new; mv child.new child; wait", &directory, LONG).await });
    let child = until(|| std::fs::read_to_string(place.path().join("child")).ok()).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    gone(&child).await;
}

#[tokio::test]
async fn what_an_engine_leaves_behind_does_not_hold_us() {
    let place = tempfile::tempdir().unwrap();
    let ran = shell("sleep 600 & echo $!", place.path(), LONG).await.unwrap();
    gone(&String::from_utf8(ran.stdout).unwrap()).await;
}

/// Waits until a process is no more, or is only waited for by somebody.
async fn gone(process: &str) {
    let stat = format!("/proc/{}/stat", process.trim());
    until(|| match std::fs::read_to_string(&stat) {
        Ok(stat) => stat.contains(") Z ").then_some(()),
        Err(_) => Some(()),
    })
    .await;
}

async fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(met) = condition() {
            return met;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
