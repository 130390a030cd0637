//! Summaries by the vendor's assistant: kept where there are any, and no error where there are none.

use std::{sync::Arc, time::Duration};

use callscribe::{
    domain::{CasePattern, JobKind, Reason, SessionId, SourceName},
    ledger::{
        Claimant, Claimed, Handler, NewJob, Next, Outcome, RunContext, Setback, WorkerIdentity, begin_lease, claim_due, enqueue,
        finish_setbacks,
    },
    schedule::UpkeepTask,
    sources::Source,
    store::{
        call_story::call_story,
        calls::{ExpectedTranscript, upsert},
    },
};
use callscribe_simulators::{
    When,
    webex::{CallSpec, Fault, WebexPlan},
};
use callscribe_worker_upkeep::UpkeepHandler;
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use tokio_util::sync::CancellationToken;

use crate::webex::Office;

/// An office of one call, synced, and the job that asks for its summary.
struct Desk {
    office: Office,
    context: RunContext,
    session: SessionId,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    text: Option<String>,
}

impl Desk {
    async fn with(call: CallSpec, fault: Option<Fault>) -> Self {
        let plan = WebexPlan::new(7, vec![call]);
        let office = Office::open(fault.into_iter().fold(plan, |plan, fault| plan.with(fault, When::Always))).await;
        let (hints, _) = tokio::sync::mpsc::unbounded_channel();
        let context = RunContext { stop: CancellationToken::new(), store: office.database.store(), hints };
        let desk = Self { session: office.session(0), office, context };
        let _: Vec<ExpectedTranscript> = desk.sync().await;
        let job = NewJob {
            source: Some(SourceName::Webex),
            session_id: Some(desk.session.clone()),
            payload: UpkeepTask::Summarise.to_json().unwrap(),
            ..NewJob::new(JobKind::Upkeep, "summary")
        };
        enqueue(&mut desk.context.store.connection().await.unwrap(), &[job]).await.unwrap();
        desk
    }

    /// Stores what the vendor's list tells.
    async fn sync(&self) -> Vec<ExpectedTranscript> {
        let page = self.office.process().calls(self.office.day(), None).await.unwrap();
        upsert(&mut self.context.store.connection().await.unwrap(), &page.calls, "webex").await.unwrap().expected
    }

    async fn claim(&self) -> Claimed {
        let mut connection = self.context.store.connection().await.unwrap();
        diesel::sql_query("UPDATE jobs SET state = 'ready', run_at = now(), finished_at = NULL WHERE kind = 'upkeep'")
            .execute(&mut connection)
            .await
            .unwrap();
        let identity = WorkerIdentity { host: "test".to_owned(), pid: 1, kinds: vec![JobKind::Upkeep] };
        let lease = begin_lease(&mut connection, &identity, Duration::from_mins(10)).await.unwrap();
        let claimant = Claimant { kind: JobKind::Upkeep, lease, max_attempts: None };
        claim_due(&mut connection, claimant, 1).await.unwrap().jobs.pop().expect("a job is due")
    }

    /// One run of the job; `None` when it is done, or how long it waits.
    async fn run(&self) -> Option<Duration> {
        let job = self.claim().await;
        let source: Arc<dyn Source> =
            self.office.process_with(|settings| settings.case_numbers.pattern = CasePattern::parse(r"CS\d{7}").ok());
        match UpkeepHandler::new(vec![source], super::house(), self.office.clock()).run(&job, &self.context).await {
            Outcome::Done(_) => None,
            Outcome::Later { wait, why } => {
                assert_eq!(why.reason, Reason::SummaryNotReady);
                let setback = Setback {
                    id: job.id,
                    run: job.run,
                    next: Next::Later(wait),
                    reason: why.reason,
                    error: why.chain(),
                    vendor: why.vendor,
                };
                let mut connection = self.context.store.connection().await.unwrap();
                finish_setbacks(&mut connection, job.lease, &[setback]).await.unwrap();
                Some(wait)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn sql(&self, sql: &str) {
        diesel::sql_query(sql).execute(&mut self.context.store.connection().await.unwrap()).await.unwrap();
    }

    async fn wrap_up(&self) -> Option<String> {
        let mut connection = self.context.store.connection().await.unwrap();
        let row: Text = diesel::sql_query("SELECT wrap_up_code AS text FROM call_interactions").get_result(&mut connection).await.unwrap();
        row.text
    }

    async fn summary(&self) -> Option<serde_json::Value> {
        call_story(&mut self.context.store.connection().await.unwrap(), &self.session).await.unwrap().unwrap().summary
    }
}

fn summarised() -> CallSpec {
    CallSpec { summarised: true, ..CallSpec::ago(Duration::from_mins(20)) }
}

#[tokio::test]
async fn a_summary_is_kept_with_its_call_newlines_and_all_and_asked_for_twice_it_is_one() {
    let desk = Desk::with(summarised(), Some(Fault::TransferSummary)).await;
    for _ in 0..2 {
        assert_eq!(desk.run().await, None);
        let (summary, truth) = (desk.summary().await.unwrap(), desk.office.vendor.truth_at(0).unwrap().summary.unwrap());
        assert_eq!(summary["post_call"][0]["key_actions_taken"], truth.key_actions_taken);
        assert!(truth.key_actions_taken.contains('\n'));
        assert_eq!(summary["post_call"][0]["initial_contact_reason"], truth.initial_contact_reason);
        assert_eq!(summary["mid_call"][0]["reason_for_transfer_or_consult"], "A colleague knows the device.");
        assert_eq!(desk.wrap_up().await, Some(truth.wrap_up_code));
    }
}

#[tokio::test]
async fn a_case_number_that_only_the_summary_names_is_kept_as_a_guess_and_one_that_was_told_stays() {
    let names = CallSpec { contact_reason: Some("Asks again about cs0012345."), ..summarised() };
    for (told, expected) in [(None, "CS0012345 guessed"), (Some("CS7654321"), "CS7654321 told")] {
        let desk = Desk::with(names.clone(), None).await;
        if let Some(told) = told {
            desk.sql(&format!("UPDATE call_interactions SET case_number = '{told}'")).await;
        }
        assert_eq!(desk.run().await, None);
        let mut connection = desk.context.store.connection().await.unwrap();
        let call = call_story(&mut connection, &desk.session).await.unwrap().unwrap().call;
        let kept = format!("{} {}", call.case_number.unwrap(), if call.case_number_guessed { "guessed" } else { "told" });
        assert_eq!(kept, expected);
    }
}

#[tokio::test]
async fn a_tenant_without_summaries_is_asked_for_a_day_and_then_it_is_done_without_an_error_or_a_new_token() {
    for fault in [Some(Fault::SummariesRefused { status: 403 }), Some(Fault::SummariesRefused { status: 404 }), None] {
        let desk = Desk::with(CallSpec::ago(Duration::from_mins(20)), fault.clone()).await;
        let refreshes = desk.office.refreshes();
        let mut waited = Duration::ZERO;
        let mut asked = 0;
        while let Some(wait) = desk.run().await {
            waited += wait;
            asked += 1;
        }
        assert!(asked == 4 && waited > Duration::from_hours(24), "{fault:?}: {asked} times in {waited:?}");
        assert_eq!((desk.summary().await, desk.wrap_up().await), (None, None), "{fault:?}");
        assert_eq!(desk.office.refreshes(), refreshes, "{fault:?}");
    }
}

#[tokio::test]
async fn the_wrap_up_of_a_summary_fills_a_gap_and_gives_way_to_the_vendors_record_however_old() {
    let told = Desk::with(summarised(), None).await;
    told.sql("UPDATE call_interactions SET wrap_up_code = 'by the record'").await;
    assert_eq!(told.run().await, None);
    assert_eq!(told.wrap_up().await.as_deref(), Some("by the record"));

    let gap = Desk::with(summarised(), None).await;
    assert_eq!(gap.run().await, None);
    let chosen = gap.wrap_up().await;
    assert!(chosen.is_some());
    gap.sync().await;
    assert_eq!(gap.wrap_up().await, chosen, "a record that tells no wrap-up changes nothing");
    let mut calls = gap.office.process().calls(gap.office.day(), None).await.unwrap().calls;
    calls[0].wrap_up_code = Some("by an older record".to_owned());
    calls[0].source_updated_at = calls[0].source_updated_at.map(|at| at - chrono::TimeDelta::minutes(5));
    upsert(&mut gap.context.store.connection().await.unwrap(), &calls, "webex").await.unwrap();
    assert_eq!(gap.wrap_up().await.as_deref(), Some("by an older record"));
}
