//! Calls from a source's pages to committed rows, with their transcripts and recording jobs: the sync handler as it is, one job,
//! one connection. `cargo bench -p callscribe-benches --bench sync [-- DATABASE_URL]`; without an address it runs on a private
//! PostgreSQL that syncs to disk.
//!
//! The baseline of the same run is the fastest way we know to bring nothing but the rows of the calls into the same table:
//! binary COPY of all of them into a staging table and one merge.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use callscribe::{
    clock::ManualClock,
    config::{DatabaseSettings, RetentionSettings, SyncSettings},
    domain::{Call, Direction, EndTimeSource, JobKind, OrgId, RecordingOffer, SessionId, SourceName, Window},
    embedded::{Durability, EmbeddedOptions, Services},
    ledger::{self, Claimant, Handler, NewJob, Outcome, RunContext, VendorTrace, WorkerIdentity},
    schedule::SyncPayload,
    sources::{CallPage, Download, PageCursor, RecordingAnswer, Source, SourceError},
    store::{self, Store},
};
use callscribe_worker_sync::{Recipe, SyncHandler};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::SimpleAsyncConnection;
use futures_util::SinkExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Calls of one measurement.
const CALLS: usize = 100_000;
/// Calls on one page: the most Webex gives.
const PAGE: usize = 1_000;
/// Measurements of each kind; the middle one counts.
const ROUNDS: usize = 3;
/// A lease that outlasts the run.
const LEASE: std::time::Duration = std::time::Duration::from_hours(1);

#[tokio::main]
async fn main() -> Result<()> {
    let given = std::env::args().nth(1).filter(|argument| argument.contains("://"));
    let data_dir = tempfile::tempdir()?;
    let options = EmbeddedOptions { data_dir: data_dir.path().to_owned(), durability: Durability::Durable, max_connections: 20 };
    let (url, services) = match given {
        Some(url) => (url, None),
        None => {
            let services = Services::start(options).await?;
            (services.database_url(), Some(services))
        }
    };
    measure(&url).await?;
    if let Some(services) = services {
        services.stop().await;
    }
    Ok(())
}

async fn measure(url: &str) -> Result<()> {
    let store = Store::new(DatabaseSettings::for_url(url))?;
    store::migrate(&store).await?;
    let calls = calls();
    let (mut baselines, mut news, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        empty(&store).await?;
        baselines.push(copy_and_merge(url, &calls).await?);
        empty(&store).await?;
        news.push(sync(&store, &calls).await?);
        repeats.push(sync(&store, &calls).await?);
    }
    let (baseline, new, repeat) = (middle(baselines)?, middle(news)?, middle(repeats)?);
    println!("sync of {CALLS} calls in pages of {PAGE}, the middle of {ROUNDS} rounds");
    println!("baseline: COPY + merge, calls alone         {baseline:>8.0} rows/s");
    println!("pages to calls + transcripts + jobs         {new:>8.0} rows/s   {:.2} of the baseline", new / baseline);
    println!("the same pages again, nothing changed       {repeat:>8.0} rows/s   {:.2} of the baseline", repeat / baseline);
    Ok(())
}

async fn empty(store: &Store) -> Result<()> {
    let everything = "TRUNCATE call_interactions, call_transcripts, call_recordings, jobs, job_attempts, workers, app_settings";
    Ok(store.connection().await?.batch_execute(&format!("{everything} CASCADE; CHECKPOINT")).await?)
}

fn middle(mut figures: Vec<f64>) -> Result<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().context("at least one round")
}

fn per_second(began: Instant) -> f64 {
    f64::from(u32::try_from(CALLS).unwrap_or(u32::MAX)) / began.elapsed().as_secs_f64()
}

/// Syncs the calls by one job and checks that every one of them is there, with its transcript and its job.
async fn sync(store: &Store, calls: &[Call]) -> Result<f64> {
    let pages: VecDeque<CallPage> = calls.chunks(PAGE).enumerate().map(page).collect();
    let (first, last) = calls.first().zip(calls.last()).context("calls")?;
    let window = Window::new(first.start_time, last.start_time + TimeDelta::seconds(1))?;
    let now = last.start_time + TimeDelta::days(1);
    let source = Arc::new(Canned { org: org()?, pages: Mutex::new(pages) });
    let recipe =
        Recipe { settings: settings(), provider: "whisper".to_owned(), recording_attempts: 8, retention: RetentionSettings::default() };
    let handler = SyncHandler::new(vec![source], recipe, Arc::new(ManualClock::at(now)));
    let job = claim(store, window).await?;
    let (hints, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let context = RunContext { stop: CancellationToken::new(), store: store.clone(), hints };
    let began = Instant::now();
    let outcome = handler.run(&job, &context).await;
    let speed = per_second(began);
    if !matches!(outcome, Outcome::Done(_)) {
        bail!("the sync did not end well: {outcome:?}");
    }
    heard.close();
    check(store).await?;
    Ok(speed)
}

/// One window, so that the canned pages are one list.
fn settings() -> SyncSettings {
    SyncSettings { window_max: std::time::Duration::from_hours(184 * 24), ..SyncSettings::default() }
}

async fn claim(store: &Store, window: Window) -> Result<ledger::Claimed> {
    let mut connection = store.connection().await?;
    let worker = WorkerIdentity { host: "bench".to_owned(), pid: std::process::id(), kinds: vec![JobKind::Sync] };
    let lease = ledger::begin_lease(&mut connection, &worker, LEASE).await?;
    let payload = SyncPayload::Backfill(window).to_json();
    let key = format!("bench/{}", lease.0);
    let job = NewJob { source: Some(SourceName::Webex), payload, ..NewJob::new(JobKind::Sync, key) };
    ledger::enqueue(&mut connection, &[job]).await?;
    let claimant = Claimant { kind: JobKind::Sync, lease, max_attempts: None };
    ledger::claim_due(&mut connection, claimant, 1).await?.jobs.pop().context("the job is due")
}

async fn check(store: &Store) -> Result<()> {
    let complete = format!(
        "DO $$ BEGIN ASSERT (SELECT count(*) FROM call_interactions WHERE transcript_status = 'pending') = {CALLS}
             AND (SELECT count(*) FROM call_transcripts) = {CALLS} AND (SELECT count(*) FROM jobs WHERE kind = 'recording') = {CALLS},
             'rows are missing'; END $$"
    );
    store.connection().await?.batch_execute(&complete).await.context("not every call, transcript and job is there")
}

/// Hands out pages that were made before the clock started.
struct Canned {
    org: OrgId,
    pages: Mutex<VecDeque<CallPage>>,
}

#[async_trait]
impl Source for Canned {
    fn name(&self) -> SourceName {
        SourceName::Webex
    }

    fn org_id(&self) -> &OrgId {
        &self.org
    }

    async fn calls(&self, _: Window, _: Option<&PageCursor>) -> Result<CallPage, SourceError> {
        let page = self.pages.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        page.ok_or(SourceError::HostNotAllowed { host: "no page is left".to_owned() })
    }

    async fn recordings(&self, _: &SessionId) -> Result<RecordingAnswer, SourceError> {
        Ok(RecordingAnswer::Nothing { trace: VendorTrace::default() })
    }

    async fn download(&self, _: &RecordingOffer, _: u64) -> Result<Download, SourceError> {
        Err(SourceError::HostNotAllowed { host: "nothing to download".to_owned() })
    }
}

fn page((number, calls): (usize, &[Call])) -> CallPage {
    let next = (number + 1 < CALLS / PAGE).then(|| PageCursor(json!(number + 1)));
    CallPage { org_id: None, calls: calls.to_vec(), unreadable: Vec::new(), next, possible_gap: None }
}

fn org() -> Result<OrgId> {
    Ok(OrgId::parse("11111111-2222-4333-8444-555555555555")?)
}

/// Closed, recorded calls, one every seven seconds, with ids as random as Webex's and payloads of its size.
fn calls() -> Vec<Call> {
    (0_u64..).take(CALLS).filter_map(|number| call(number).ok()).collect()
}

fn call(number: u64) -> Result<Call> {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let id = uuid::Uuid::from_u64_pair(mixed, mixed.rotate_left(17) ^ number).to_string();
    let start = DateTime::from_timestamp(1_760_000_000 + i64::try_from(number)? * 7, 0).context("a time")?;
    let end = start + TimeDelta::seconds(300);
    let agent = format!("43e8bf2e-20b1-465f-882b-{:012x}", number % 500);
    let (agent_name, queue) = (format!("Agent {}", number % 500), format!("Q_{}", number % 20));
    let (ani, dnis) = (format!("+1832{number:07}"), "+19095550100".to_owned());
    let queue_id = "2884a4ca-3b94-4fc0-87d5-8f3e67af5d41".to_owned();
    let raw_payload = json!({"id": id, "attributes": {
        "owner": {"id": agent, "name": agent_name}, "queue": {"id": queue_id, "name": queue}, "channelType": "telephony",
        "status": "completed", "createdTime": start.timestamp_millis(), "lastUpdatedTime": end.timestamp_millis(),
        "captureRequested": true, "origin": ani, "destination": dnis, "direction": "inbound"}});
    Ok(Call {
        session_id: SessionId::parse(id)?,
        source: SourceName::Webex,
        org_id: Some(org()?),
        channel: Call::TELEPHONY.to_owned(),
        case_number: number.is_multiple_of(3).then(|| format!("CS{number:07}")),
        direction: Some(Direction::Inbound),
        ani: Some(ani),
        dnis: Some(dnis),
        agent_id: Some(agent),
        agent_name: Some(agent_name),
        queue_id: Some(queue_id),
        queue_name: Some(queue),
        start_time: start,
        end: Some((end, EndTimeSource::LastUpdated)),
        wrap_up_code: None,
        vendor_status: Some("completed".to_owned()),
        closed: true,
        capture_requested: Some(true),
        source_updated_at: Some(end),
        raw_payload,
        details: None,
    })
}

/// The columns of the baseline: those that sync writes.
const COLUMNS: &str = "session_id, source, org_id, channel, case_number, direction, ani, dnis, agent_id, agent_name, queue_id, queue_name, \
     start_time, end_time, end_time_source, duration_seconds, vendor_status, closed, capture_requested, source_updated_at, raw_payload";

async fn copy_and_merge(url: &str, calls: &[Call]) -> Result<f64> {
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let updates: Vec<_> = COLUMNS.split(',').skip(1).map(|column| format!("{column} = excluded.{}", column.trim())).collect();
    let began = Instant::now();
    let transaction = client.transaction().await?;
    transaction.batch_execute("CREATE TEMP TABLE stage (LIKE call_interactions INCLUDING DEFAULTS) ON COMMIT DROP").await?;
    let sink = transaction.copy_in::<_, Bytes>(&format!("COPY stage ({COLUMNS}) FROM STDIN BINARY")).await?;
    let mut sink = std::pin::pin!(sink);
    for (number, batch) in calls.chunks(PAGE).enumerate() {
        sink.send(encode(batch, number == 0)?).await?;
    }
    sink.send(Bytes::from_static(&[0xff, 0xff])).await?;
    sink.finish().await?;
    let merge = format!(
        "INSERT INTO call_interactions ({COLUMNS}) SELECT {COLUMNS} FROM stage ON CONFLICT (session_id) DO UPDATE SET {}",
        updates.join(", ")
    );
    transaction.execute(&merge, &[]).await?;
    transaction.commit().await?;
    let speed = per_second(began);
    drop(client);
    connection.await??;
    Ok(speed)
}

/// PostgreSQL's binary COPY format: a signature, then rows of counted fields.
fn encode(calls: &[Call], first: bool) -> Result<Bytes> {
    let mut bytes = BytesMut::with_capacity(calls.len() * PAGE);
    if first {
        bytes.put_slice(b"PGCOPY\n\xff\r\n\0");
        bytes.put_slice(&[0; 8]);
    }
    for call in calls {
        bytes.put_i16(21);
        let (end, end_source) = call.end.context("an end")?;
        for text in [call.session_id.as_str(), call.source.as_str(), org()?.as_str(), &call.channel] {
            put_text(&mut bytes, Some(text))?;
        }
        put_text(&mut bytes, call.case_number.as_deref())?;
        put_text(&mut bytes, call.direction.map(Direction::as_str))?;
        for text in [&call.ani, &call.dnis, &call.agent_id, &call.agent_name, &call.queue_id, &call.queue_name] {
            put_text(&mut bytes, text.as_deref())?;
        }
        put_time(&mut bytes, call.start_time);
        put_time(&mut bytes, end);
        put_text(&mut bytes, Some(end_source.as_str()))?;
        put_field(&mut bytes, &call.duration_seconds().context("a duration")?.to_be_bytes())?;
        put_text(&mut bytes, call.vendor_status.as_deref())?;
        put_field(&mut bytes, &[u8::from(call.closed)])?;
        put_field(&mut bytes, &[u8::from(call.capture_requested == Some(true))])?;
        put_time(&mut bytes, end);
        let payload = format!("\u{1}{}", call.raw_payload);
        put_field(&mut bytes, payload.as_bytes())?;
    }
    Ok(bytes.freeze())
}

fn put_field(bytes: &mut BytesMut, field: &[u8]) -> Result<()> {
    bytes.put_i32(i32::try_from(field.len())?);
    bytes.put_slice(field);
    Ok(())
}

fn put_text(bytes: &mut BytesMut, text: Option<&str>) -> Result<()> {
    match text {
        Some(text) => put_field(bytes, text.as_bytes()),
        None => {
            bytes.put_i32(-1);
            Ok(())
        }
    }
}

/// Microseconds since 2000-01-01.
fn put_time(bytes: &mut BytesMut, time: DateTime<Utc>) {
    const EPOCH_OF_POSTGRESQL: i64 = 946_684_800_000_000;
    bytes.put_i32(8);
    bytes.put_i64(time.timestamp_micros() - EPOCH_OF_POSTGRESQL);
}
