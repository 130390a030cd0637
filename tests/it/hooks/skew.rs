//! A vendor whose clock is off: the events it signs, and its calls when they are refused.

use callscribe_simulators::{
    When,
    webex::{CallSpec, Fault, WebexPlan},
};

use super::*;
use crate::webex::{Office, read};

/// A vendor whose clock is off by so much, and one call to come.
async fn office(off: TimeDelta) -> Office {
    let call = CallSpec { begins: TimeDelta::minutes(20), ..CallSpec::ago(Duration::ZERO) };
    let plan = WebexPlan::new(7, vec![call]).with_loopback_hooks();
    Office::open(plan.with(Fault::ClockSkew(off), When::Always)).await
}

/// What a receiver with the right time answers to the events of the call, and how many of them are kept.
async fn answers(office: &Office) -> (Vec<Option<u16>>, i64) {
    let store = office.database.store();
    let state = ApiState::new(store.clone(), registry()).with_hints(harness::hints().await);
    let api = Api::start(state.with_webhooks(&settings(), office.clock())).await;
    let destination = format!("{}/api/webhooks/webex", api.url).parse().unwrap();
    office.process().subscribe(&destination, &SECRET.into()).await.unwrap();
    office.vendor.clock().advance(Duration::from_mins(40));
    // `task:ended` and `capture:available`
    harness::eventually("both events are answered", async || office.vendor.deliveries().len() == 2).await;
    let answers = office.vendor.deliveries().iter().map(|each| each.status).collect();
    (answers, number(&store, "SELECT count(*) AS number FROM webhook_events").await)
}

#[tokio::test]
async fn events_of_a_vendor_whose_clock_is_five_minutes_off_are_taken() {
    for minutes in [-5, 5] {
        let office = office(TimeDelta::minutes(minutes)).await;
        assert_eq!(answers(&office).await, (vec![Some(200), Some(200)], 2), "{minutes} minutes");
        let off = format!(
            "SELECT count(*) AS number FROM webhook_events WHERE abs(extract(epoch FROM sent_at - received_at - interval '40 minutes') - {}) < 60",
            minutes * 60
        );
        assert_eq!(number(&office.database.store(), &off).await, 2, "signed with the time of a clock {minutes} minutes off");
    }
}

#[tokio::test]
async fn events_of_a_clock_further_off_are_refused_and_polling_finds_the_call_all_the_same() {
    for minutes in [-11, 11] {
        let office = office(TimeDelta::minutes(minutes)).await;
        assert_eq!(answers(&office).await, (vec![Some(401), Some(401)], 0), "{minutes} minutes");
        assert!(office.vendor.subscriptions().iter().all(|each| each.active), "a refusal costs no subscription");
        let told = read(&*office.process(), office.day()).await.unwrap();
        assert_eq!(told.sessions(), office.sessions(1), "{minutes} minutes");
    }
}
