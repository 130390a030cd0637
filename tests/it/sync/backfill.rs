//! Calls of the past: complete whatever dies on the way, asked for once, never in the way of fresh calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use callscribe::{
    domain::{JobKind, Reason, SourceName, Window},
    ledger::{self, Claimant, Claimed, Handler, Outcome, RunContext, WorkerIdentity},
    schedule::{Backfill, BackfillOrder, SyncPayload, enqueue_backfill},
    store::backfills::backfills_seen,
};
use callscribe_simulators::webex::{CallSpec, Calls};
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Scene, minutes, noon,
    tenant::{PAGE, Trouble},
    webex::Site,
};

fn order(window: Window, name: &str) -> BackfillOrder {
    BackfillOrder { source: SourceName::Webex, window, name: name.to_owned(), actor: "someone@here".to_owned() }
}

async fn ask_for(scene: &Scene, window: Window) -> Backfill {
    enqueue_backfill(&mut scene.store.connection().await.unwrap(), &order(window, "a month")).await.unwrap()
}

/// A new worker claims a sync job, if one is due.
async fn claim(scene: &Scene) -> Option<Claimed> {
    let connection = &mut scene.store.connection().await.unwrap();
    let worker = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Sync] };
    let lease = ledger::begin_lease(connection, &worker, Duration::from_mins(1)).await.unwrap();
    ledger::claim_due(connection, Claimant { kind: JobKind::Sync, lease, max_attempts: None }, 1).await.unwrap().jobs.pop()
}

/// Works until nothing is due, or until so many more requests were begun: then the worker is gone, and this is the day it died in.
async fn work(site: &Site, requests: Option<usize>) -> Option<Window> {
    let begun = || site.webex.requests().to("/v1/tasks");
    // connections of its own, which die with it
    let mut process = Some(site.scene.database.store());
    let last = requests.map(|more| begun() + more);
    while let Some(job) = claim(&site.scene).await {
        let killed = async {
            while last.is_none_or(|last| begun() < last) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let (handler, (hints, _heard)) = (site.scene.handler(), mpsc::unbounded_channel());
        let context = RunContext { stop: CancellationToken::new(), store: process.clone().expect("it lives"), hints };
        tokio::select! {
            outcome = handler.run(&job, &context) => {
                assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
                let connection = &mut site.scene.store.connection().await.unwrap();
                ledger::finish_done(connection, job.lease, &[(job.id, job.run)]).await.unwrap();
            }
            () = killed => {
                drop((context, process.take()));
                site.scene.lose(&job).await;
                let SyncPayload::Backfill(day) = SyncPayload::from_json(&job.payload).unwrap() else { panic!("a backfill") };
                return Some(day);
            }
        }
    }
    None
}

/// Requests per window that was asked for, by its end in epoch milliseconds.
fn per_window(site: &Site) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    for request in site.webex.requests().matching(|request| request.path == "/v1/tasks") {
        let to = url::form_urlencoded::parse(request.query.as_bytes()).find(|(name, _)| name == "to").unwrap().1.parse().unwrap();
        *counts.entry(to).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_month_of_backfill_killed_ten_times_is_complete_and_reads_no_day_twice_but_those_it_died_in() {
    let like = Box::new(CallSpec::ago(Duration::ZERO));
    let calls = Calls::Many { count: 30 * 48, spacing: Duration::from_mins(30), like };
    let site = Site::with(calls, Duration::from_mins(15), &[("WEBEX_CC_PAGE_SIZE", "10")]).await;
    let month = Window::new(noon() - TimeDelta::days(30), noon() - minutes(1)).unwrap();
    assert_eq!(ask_for(&site.scene, month).await.jobs.len(), 31, "one job a day");
    let mut died_in = BTreeSet::new();
    for kill in 1..=10 {
        let day = work(&site, Some(1 + kill * kill * 7 % 17)).await.expect("it dies before the end");
        died_in.insert(day.to.timestamp_millis());
    }
    assert_eq!(work(&site, None).await, None);
    let (with_deaths, held) = (per_window(&site), site.scene.count("call_interactions").await);
    assert_eq!(held, 30 * 48);
    for table in ["call_transcripts", "jobs WHERE kind = 'recording'"] {
        assert_eq!(site.scene.count(table).await, held, "{table}");
    }

    // the same days once more, undisturbed
    site.webex.requests().clear();
    ask_for(&site.scene, month).await;
    assert_eq!(work(&site, None).await, None);
    let undisturbed = per_window(&site);
    assert!(undisturbed.values().sum::<usize>() > 31 * 4, "several pages a day");
    let more: BTreeSet<_> = with_deaths.iter().filter(|(day, count)| undisturbed[day] < **count).map(|(day, _)| *day).collect();
    assert!(more.is_subset(&died_in), "read twice: {more:?}, died in: {died_in:?}");
    let again = with_deaths.values().sum::<usize>() - undisturbed.values().sum::<usize>();
    assert!(again <= 4 * 10, "{again} pages were read again in ten deaths: the one on its way and the three in flight");
    assert_eq!(site.scene.count("call_interactions").await, held);
    site.scene.database.assert_consistent().await;
}

#[tokio::test]
async fn the_same_words_find_the_same_backfill_while_it_is_open() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(5, noon() - TimeDelta::days(2));
    let window = Window::new(noon() - TimeDelta::days(3), noon()).unwrap();
    let first = ask_for(&scene, window).await;
    assert_eq!((first.attached, first.jobs.len(), first.hints.len()), (false, 4, 4));
    // a little later "now" is another moment, and the words are the same
    let later = Window { to: noon() + minutes(5), ..window };
    let again = ask_for(&scene, later).await;
    assert_eq!((again.attached, again.id, &again.jobs, again.hints.len()), (true, first.id, &first.jobs, 0));
    let other = enqueue_backfill(&mut scene.store.connection().await.unwrap(), &order(window, "other words")).await.unwrap();
    assert_eq!((other.attached, &other.jobs, other.hints.len()), (false, &first.jobs, 0), "open days are of both");
    while let Some(job) = claim(&scene).await {
        scene.run(&job).await.assert_done();
        ledger::finish_done(&mut scene.store.connection().await.unwrap(), job.lease, &[(job.id, job.run)]).await.unwrap();
    }
    let anew = ask_for(&scene, window).await;
    assert!(!anew.attached && anew.id != first.id && anew.hints.len() == 4, "it had ended: {anew:?}");
}

#[tokio::test]
async fn progress_tells_days_calls_and_the_time_left() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(25, noon() - TimeDelta::days(2));
    let window = Window::new(noon() - TimeDelta::days(3), noon()).unwrap();
    let backfill = ask_for(&scene, window).await;
    for done in 1..=2 {
        let job = claim(&scene).await.unwrap();
        scene.run(&job).await.assert_done();
        ledger::finish_done(&mut scene.store.connection().await.unwrap(), job.lease, &[(job.id, job.run)]).await.unwrap();
        let seen = backfills_seen(&mut scene.store.connection().await.unwrap(), None).await.unwrap().pop().unwrap();
        assert_eq!((seen.id, seen.days, seen.done, seen.failed, seen.open()), (backfill.id, 4, done, 0, 4 - done));
        assert!(seen.days_per_minute().unwrap() > 0.0 && seen.time_left().is_some(), "{seen:?}");
    }
    let seen = backfills_seen(&mut scene.store.connection().await.unwrap(), None).await.unwrap().pop().unwrap();
    assert_eq!(seen.calls, 25, "the second day has them");
}

#[tokio::test]
async fn a_backfill_gives_way_after_a_minute_and_goes_on_at_its_page() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(25, noon() - TimeDelta::days(2));
    scene.tenant.trouble(2, Trouble::Slow(TimeDelta::seconds(61)));
    let window = Window::new(noon() - TimeDelta::days(2), noon() - TimeDelta::days(1)).unwrap();
    scene.enqueue(SyncPayload::Backfill(window), 10).await;
    let job = scene.claim().await;
    assert_eq!(scene.run(&job).await.reason(), Reason::Unfinished);
    scene.lose(&job).await;
    scene.run(&scene.claim().await).await.assert_done();
    assert_eq!(scene.count("call_interactions").await, 25);
    assert_eq!(scene.tenant.asked().len(), 25_usize.div_ceil(PAGE), "no page was asked for twice");
}

#[tokio::test]
async fn a_wide_window_that_fails_is_asked_for_by_half_next_time() {
    let scene = Scene::new().await;
    scene.tenant.closed_calls(5, noon() - TimeDelta::hours(5));
    let unavailable = || callscribe::sources::SourceError::Unavailable {
        source_name: SourceName::Webex,
        what: "no answer in time".to_owned(),
        trace: ledger::VendorTrace::default(),
    };
    scene.tenant.trouble(1, Trouble::Error(unavailable));
    let window = Window::new(noon() - TimeDelta::hours(8), noon()).unwrap();
    scene.enqueue(SyncPayload::Backfill(window), 10).await;
    let job = scene.claim().await;
    assert!(matches!(scene.run(&job).await.outcome, Outcome::Retry(_)), "it comes back after a wait");
    scene.lose(&job).await;
    scene.run(&scene.claim().await).await.assert_done();
    let hours: Vec<_> = scene.tenant.asked().iter().map(|asked| (asked.to - asked.from).num_minutes()).collect();
    assert_eq!(hours[..2], [479, 239], "eight hours less the seconds before now, then half of it");
    assert_eq!(scene.count("call_interactions").await, 5);
}
