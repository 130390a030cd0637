//! Any order and any repetition of a call's versions ends in the same row: PostgreSQL against a model that sees all
//! versions at once and so knows no order.

use std::collections::BTreeMap;

use callscribe::{
    domain::{Call, CallDetails, Direction, EndTimeSource},
    store::{Connection, calls},
};
use chrono::{DateTime, Utc};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{PROVIDER, minutes, noon, open_call, row};
use crate::harness;

/// What one version tells: bit by bit, which of its columns are there.
#[derive(Debug, Clone)]
struct Version {
    told: u16,
    closed: bool,
    vendor_end: bool,
    /// Told by the details, not by the list.
    details: bool,
}

/// A call's versions by their time (minute 0 stands for a version without one), and an order in which they come.
#[derive(Debug, Clone)]
struct History {
    versions: BTreeMap<u8, Version>,
    arrivals: Vec<(prop::sample::Index, bool)>,
}

fn histories() -> impl Strategy<Value = History> {
    let version = (any::<u16>(), any::<bool>(), any::<bool>(), any::<bool>());
    let version = version.prop_map(|(told, closed, vendor_end, details)| Version { told, closed, vendor_end, details });
    let versions = prop::collection::btree_map(0..6_u8, version, 1..6);
    // each arrival: which version, and whether it comes in the same batch as the one before
    (versions, vec((any::<prop::sample::Index>(), any::<bool>()), 0..8)).prop_map(|(versions, arrivals)| History { versions, arrivals })
}

/// The version at minute `at`. What it tells follows from the time alone, so the same version always tells the same.
fn version(session: &str, at: u8, version: &Version) -> Call {
    let tells = |bit: u16| version.told & (1 << bit) != 0;
    let word = |bit: u16, name: &str| tells(bit).then(|| format!("{name}-{at}"));
    let end = noon() + minutes(60) - minutes(i64::from(at) * i64::from(version.told % 3));
    let end_source = if version.vendor_end { EndTimeSource::Vendor } else { EndTimeSource::LastUpdated };
    Call {
        case_number: word(0, "case"),
        agent_id: word(1, "agent"),
        agent_name: word(2, "name"),
        queue_id: word(3, "queue"),
        queue_name: word(4, "queue-name"),
        ani: word(5, "ani"),
        dnis: word(6, "dnis"),
        wrap_up_code: word(7, "wrap"),
        vendor_status: word(8, "status"),
        direction: tells(9).then_some(if at.is_multiple_of(2) { Direction::Inbound } else { Direction::Outbound }),
        capture_requested: tells(10).then_some(at.is_multiple_of(2)),
        channel: if tells(11) { Call::TELEPHONY.to_owned() } else { "chat".to_owned() },
        start_time: noon() + minutes(i64::from(at % 2)),
        end: (version.closed && tells(12)).then_some((end, end_source)),
        closed: version.closed,
        source_updated_at: (at > 0).then(|| noon() + minutes(i64::from(at))),
        raw_payload: if version.details { json!({}) } else { json!({ "version": at }) },
        details: version.details.then(|| {
            Box::new(CallDetails {
                csat_score: tells(13).then_some(i32::from(at) + 1),
                team_name: word(14, "team"),
                transcription_available: tells(15).then_some(at.is_multiple_of(2)),
                payload: json!({ "details": at }),
                ..CallDetails::default()
            })
        }),
        ..open_call(session, 0)
    }
}

/// The row that the versions end in, by the rules as one would say them.
fn model(versions: &[Call]) -> BTreeMap<&'static str, Value> {
    // oldest first; None sorts before every time
    let mut versions: Vec<_> = versions.iter().collect();
    versions.sort_by_key(|call| call.source_updated_at);
    let newest = |tell: &dyn Fn(&Call) -> Option<Value>| versions.iter().rev().find_map(|call| tell(call)).unwrap_or(Value::Null);
    let text = |tell: fn(&Call) -> &Option<String>| newest(&|call| tell(call).clone().map(Value::from));
    let closed = versions.iter().any(|call| call.closed);
    let status_of = |wanted: bool| {
        let word = |call: &Call| call.vendor_status.clone().or(call.closed.then(|| "closed".to_owned())).map(Value::from);
        newest(&|call| (call.closed == wanted).then(|| word(call)).flatten())
    };
    let start = versions.iter().map(|call| call.start_time).min().unwrap();
    let ends = |wanted| versions.iter().filter_map(move |call| call.end.filter(|(_, source)| *source == wanted).map(|(end, _)| end));
    let end = ends(EndTimeSource::Vendor)
        .next_back()
        .map(|end| (end, EndTimeSource::Vendor))
        .or(ends(EndTimeSource::LastUpdated).min().map(|end| (end, EndTimeSource::LastUpdated)));
    let time = |time: DateTime<Utc>| Value::from(time.to_rfc3339());
    BTreeMap::from([
        ("case_number", text(|call| &call.case_number)),
        ("agent_id", text(|call| &call.agent_id)),
        ("agent_name", text(|call| &call.agent_name)),
        ("queue_id", text(|call| &call.queue_id)),
        ("queue_name", text(|call| &call.queue_name)),
        ("ani", text(|call| &call.ani)),
        ("dnis", text(|call| &call.dnis)),
        ("wrap_up_code", text(|call| &call.wrap_up_code)),
        ("vendor_status", Some(status_of(true)).filter(|word| !word.is_null()).unwrap_or_else(|| status_of(false))),
        ("direction", newest(&|call| call.direction.map(|way| way.as_str().into()))),
        ("capture_requested", newest(&|call| call.capture_requested.map(Value::from))),
        ("channel", newest(&|call| Some(call.channel.clone().into()))),
        ("closed", closed.into()),
        ("start_time", time(start)),
        ("end_time", end.map_or(Value::Null, |(end, _)| time(end))),
        ("end_time_source", end.map_or(Value::Null, |(_, source)| source.as_str().into())),
        ("duration_seconds", end.map_or(Value::Null, |(end, _)| (end - start).num_seconds().into())),
        ("source_updated_at", newest(&|call| call.source_updated_at.map(time))),
        (
            "raw_payload",
            Some(newest(&|call| Some(call.raw_payload.clone()).filter(|raw| *raw != json!({}))))
                .filter(|raw| !raw.is_null())
                .unwrap_or(json!({})),
        ),
        ("csat_score", newest(&|call| call.details.as_ref()?.csat_score.map(Value::from))),
        ("team_name", newest(&|call| call.details.as_ref()?.team_name.clone().map(Value::from))),
        ("transcription_available", newest(&|call| call.details.as_ref()?.transcription_available.map(Value::from))),
        ("details_payload", newest(&|call| Some(call.details.as_ref()?.payload.clone()))),
        ("details_updated_at", newest(&|call| call.details.as_ref().and(call.source_updated_at).map(time))),
    ])
}

/// Every version once in the order of the arrivals' whims, some again, in batches.
async fn arrive(connection: &mut Connection, session: &str, history: &History) -> Vec<Call> {
    let versions: Vec<Call> = history.versions.iter().map(|(at, told)| version(session, *at, told)).collect();
    let mut left: Vec<usize> = (0..versions.len()).collect();
    let mut batches: Vec<Vec<Call>> = vec![Vec::new()];
    let mut come = |which: usize, same_batch: bool| {
        if !same_batch {
            batches.push(Vec::new());
        }
        batches.last_mut().unwrap().push(versions[which].clone());
    };
    for (which, same_batch) in &history.arrivals {
        // first what never came, then anything again
        let which = if left.is_empty() { which.index(versions.len()) } else { left.swap_remove(which.index(left.len())) };
        come(which, *same_batch);
    }
    left.into_iter().rev().for_each(|which| come(which, which % 2 == 0));
    for batch in batches {
        calls::upsert(connection, &batch, PROVIDER).await.unwrap();
    }
    versions
}

#[test]
fn any_order_and_repetition_of_versions_ends_in_the_same_row() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(harness::database());
    let mut connection = runtime.block_on(database.store().connection()).unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let mut case = 0;
    let case = std::cell::RefCell::new((&mut connection, &mut case));
    runner
        .run(&histories(), |history| {
            let mut case = case.borrow_mut();
            *case.1 += 1;
            let session = format!("call-{}", case.1);
            let (versions, stored) = runtime.block_on(async {
                let versions = arrive(case.0, &session, &history).await;
                (versions, row(case.0, &session).await)
            });
            for (column, expected) in model(&versions) {
                prop_assert_eq!(&stored[column], &expected, "column {}", column);
            }
            let expects = stored["closed"] == true && stored["channel"] == "telephony" && stored["capture_requested"] != false;
            prop_assert!(!expects || stored["transcript_status"] == "pending", "a recording is expected, but no transcript");
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_histories_cover_the_hard_cases() {
    let mut runner = TestRunner::deterministic();
    let histories: Vec<_> = std::iter::repeat_with(|| histories().new_tree(&mut runner).unwrap().current()).take(300).collect();
    let versions = |history: &History| history.versions.iter().map(|(at, told)| version("x", *at, told)).collect::<Vec<_>>();
    let both_ends = |history: &History| {
        let told: Vec<_> = versions(history).iter().filter_map(|call| call.end.map(|(_, source)| source)).collect();
        told.contains(&EndTimeSource::Vendor) && told.contains(&EndTimeSource::LastUpdated)
    };
    assert!(histories.iter().filter(|history| both_ends(history)).count() > 10);
    assert!(histories.iter().filter(|history| history.arrivals.len() > history.versions.len()).count() > 10);
    assert!(histories.iter().any(|history| history.versions.contains_key(&0)));
    let both_apis = |history: &History| {
        let details: Vec<_> = history.versions.values().map(|version| version.details).collect();
        details.contains(&true) && details.contains(&false)
    };
    assert!(histories.iter().filter(|history| both_apis(history)).count() > 100);
}
