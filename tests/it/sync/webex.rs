//! The handler with the real Webex source, against the simulator and its faults.

use std::{sync::Arc, time::Duration};

use callscribe::{
    config::{Environment, SyncSettings, WebexSettings, read},
    domain::Reason,
    ledger::Outcome,
    sources::webex::Webex,
};
use callscribe_simulators::{
    SimulatedClock, When,
    webex::{CallSpec, Calls, Endpoint, ErrorBody, Fault, RetryAfter, Webex as Simulator, WebexPlan},
};
use serde_json::json;

use super::{Scene, noon};
use crate::harness;

/// A key for the tokens of these tests.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub(super) struct Site {
    pub(super) scene: Scene,
    pub(super) webex: Simulator,
}

impl Site {
    /// A tenant with `calls`, looked at `look_back` into the past.
    async fn new(calls: Calls, look_back: Duration) -> Self {
        Self::with(calls, look_back, &[]).await
    }

    /// The same with these settings.
    pub(super) async fn with(calls: Calls, look_back: Duration, set: &[(&str, &str)]) -> Self {
        let plan = WebexPlan { calls, clock: SimulatedClock::standing(noon()), ..WebexPlan::new(7, Vec::new()) };
        let webex = Simulator::start(plan).await.unwrap();
        let mut scene = Scene::new().await;
        let settings = settings(&webex, set);
        let hints = harness::hints().await;
        scene.source = Arc::new(Webex::new(&settings, &scene.store, &hints, Arc::new(scene.clock.clone())).unwrap());
        scene.settings = SyncSettings { first_look_back: look_back, ..SyncSettings::default() };
        Self { scene, webex }
    }

    /// Ten calls, one a minute, the last ten minutes ago.
    async fn ten() -> Self {
        let calls = (10..20).map(|minutes| CallSpec::ago(Duration::from_mins(minutes))).collect();
        Self::new(Calls::Listed(calls), Duration::from_mins(30)).await
    }

    fn advance(&self, by: Duration) {
        self.webex.clock().advance(by);
        self.scene.clock.advance(chrono::TimeDelta::from_std(by).unwrap());
    }

    /// Every call is there once, as the simulator's truth tells it.
    async fn assert_true(&self) {
        let rows = self.scene.ask("SELECT jsonb_object_agg(session_id, to_jsonb(c)) AS value FROM call_interactions c").await;
        let truth = self.webex.truth();
        assert_eq!(rows.as_object().map_or(0, serde_json::Map::len), truth.len());
        for call in truth {
            let row = &rows[call.session_id.to_string()];
            assert_eq!(row["closed"], call.closed, "{}", call.session_id);
            assert_eq!(row["start_time"], json!(call.start_time.to_rfc3339()));
            assert_eq!(row["end_time"], json!(call.end_time.map(|end| end.to_rfc3339())));
            assert_eq!(row["agent_id"], json!(call.agent_id));
            assert_eq!(row["ani"], json!(call.ani));
        }
        self.scene.database.assert_consistent().await;
    }
}

fn settings(webex: &Simulator, set: &[(&str, &str)]) -> WebexSettings {
    let credentials = webex.credentials();
    let mut environment: Environment = [
        ("WEBEX_CC_CLIENT_ID", credentials.client_id.clone()),
        ("WEBEX_CC_CLIENT_SECRET", credentials.client_secret.clone()),
        ("WEBEX_CC_REFRESH_TOKEN", credentials.refresh_token.clone()),
        ("WEBEX_CC_ORG_ID", webex.org_id().to_string()),
        ("WEBEX_CC_BASE_URL", webex.base_url()),
        ("WEBEX_CC_TOKEN_URL", webex.token_url()),
        ("WEBEX_BUDGET_PER_MINUTE", "60000".to_owned()),
        ("CALLSCRIBE_ENCRYPTION_KEY", KEY.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, value) in set {
        environment.set(name, *value);
    }
    read(&environment, WebexSettings::read).unwrap().unwrap()
}

#[tokio::test]
async fn calls_are_stored_as_the_vendor_knows_them() {
    let site = Site::ten().await;
    site.scene.live().await.assert_done();
    site.assert_true().await;
}

#[tokio::test]
async fn thousands_of_calls_and_bursts_of_one_millisecond_are_stored_once() {
    let calls = Calls::Many { count: 2_500, spacing: Duration::from_secs(1), like: Box::new(CallSpec::ago(Duration::ZERO)) };
    let site = Site::new(calls, Duration::from_hours(1)).await;
    site.webex.faults().on(Fault::SameMillisecondBurst { first: 900, count: 600 }, When::Always);
    site.webex.faults().on(Fault::DuplicateAcrossPages, When::Always);
    // the last seconds before now are left for the next run
    site.advance(Duration::from_mins(1));
    let ran = site.scene.live().await;
    ran.assert_done();
    for table in ["call_interactions", "call_transcripts", "jobs WHERE kind = 'recording'"] {
        assert_eq!(site.scene.count(table).await, 2_500, "{table}");
    }
    assert_eq!(ran.hints.len(), 2_500);
}

#[tokio::test]
async fn a_call_listed_late_is_found_within_the_overlap() {
    let site = Site::ten().await;
    let late = site.webex.session_id(9);
    site.webex.faults().on(Fault::LateArrival { by: Duration::from_mins(18) }, When::sessions([late]));
    site.scene.live().await.assert_done();
    assert_eq!(site.scene.count("call_interactions").await, 9);
    site.advance(Duration::from_mins(10));
    site.scene.live().await.assert_done();
    site.assert_true().await;
}

#[tokio::test]
async fn a_call_that_goes_on_is_one_row_with_the_right_end() {
    let long = CallSpec { lasts: Duration::from_hours(2), ..CallSpec::ago(Duration::from_mins(5)) };
    let site = Site::new(Calls::Listed(vec![long]), Duration::from_mins(30)).await;
    let ran = site.scene.live().await;
    ran.assert_done();
    assert!(ran.hints.is_empty(), "no recording is looked for while they talk");
    site.advance(Duration::from_hours(3));
    let ran = site.scene.live().await;
    ran.assert_done();
    assert_eq!(ran.hints.len(), 1);
    site.assert_true().await;
}

#[tokio::test]
async fn a_stale_replica_takes_nothing_back() {
    let site = Site::ten().await;
    site.scene.live().await.assert_done();
    site.webex.faults().on(Fault::StaleRead, When::Always);
    site.scene.live().await.assert_done();
    site.assert_true().await;
}

#[tokio::test]
async fn a_malformed_element_is_set_aside() {
    let site = Site::ten().await;
    site.webex.faults().on(Fault::MalformedElement, When::First(1));
    site.scene.live().await.assert_done();
    assert_eq!(site.scene.count("quarantined_payloads").await, 1);
    assert!(site.scene.count("call_interactions").await >= 9);
    site.scene.live().await.assert_done();
    site.assert_true().await;
}

#[tokio::test]
async fn items_in_place_of_data_is_never_no_calls() {
    let site = Site::ten().await;
    site.webex.faults().on(Fault::WrongShapeItems, When::Always);
    let ran = site.scene.live().await;
    assert!(matches!(ran.outcome, Outcome::Retry(_)), "{:?}", ran.outcome);
    assert_eq!(ran.reason(), Reason::WrongShape);
    assert_eq!(site.scene.watermark().await, Some(noon() - chrono::TimeDelta::minutes(30)), "where the first run begins");
}

#[tokio::test]
async fn a_window_too_wide_is_halved() {
    let site = Site::ten().await;
    site.webex.faults().on(Fault::TooWide413 { longest: Duration::from_mins(4) }, When::Always);
    site.scene.live().await.assert_done();
    site.assert_true().await;
}

#[tokio::test]
async fn trouble_at_the_vendor_costs_the_right_answer_and_no_call() {
    let site = Site::ten().await;
    let throttled = Fault::Throttled { seconds: 23, retry_after: RetryAfter::Seconds };
    let broken = Fault::ServerError { at: Endpoint::Tasks, status: 502, body: ErrorBody::Html };
    for (fault, reason) in
        [(broken, Reason::VendorUnavailable), (throttled, Reason::RateLimited), (Fault::ScopeMissing403, Reason::Forbidden)]
    {
        site.webex.faults().on(fault.clone(), When::Always);
        assert_eq!(site.scene.live().await.reason(), reason, "{fault:?}");
        site.webex.faults().clear();
        harness::travel(&site.scene.store, Duration::from_mins(10)).await;
        // the shared budget remembers a 429 for everyone, as long as it lasts
        if reason == Reason::RateLimited {
            return;
        }
    }
}
