//! `call_interactions`: storing calls as their vendors tell them, page by page, and asking for them.
//!
//! The rules of storing are in `merge`; what a row may hold is in `rows`.

mod guess;
mod merge;
mod open;
mod rows;

use std::collections::{HashMap, hash_map::Entry};

use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

pub(super) use guess::guess_case_numbers;
pub(super) use merge::expects_recording;
pub use open::open_since;
pub use rows::RefusedCall;

use crate::{
    domain::{Call, Leg, SessionId, SourceName, TranscriptId},
    store::{Connection, Prepared, StoreError, transcripts},
};

/// Rows per statement; measured best between 1,000 and 4,000, and the memory of one statement stays in the megabytes.
const LARGEST_BATCH: usize = 1_000;

/// A transcript that became expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedTranscript {
    /// The transcript.
    pub id: TranscriptId,
    /// Its call.
    pub session_id: SessionId,
    /// The vendor that has the recording.
    pub source: SourceName,
}

impl ExpectedTranscript {
    /// The first transcript of a call.
    #[must_use]
    pub fn first(source: SourceName, session_id: SessionId) -> Self {
        Self { id: TranscriptId::of(source, &session_id, Leg::Main, 1), session_id, source }
    }
}

/// What storing a list of calls changed.
#[derive(Debug, Clone, Default)]
pub struct UpsertReport {
    /// Calls seen for the first time.
    pub inserted: usize,
    /// Versions that changed a row.
    pub updated: usize,
    /// Versions that told nothing new.
    pub unchanged: usize,
    /// Calls no row can hold.
    pub refused: Vec<RefusedCall>,
    /// Transcripts that became expected with this list, each exactly once over all time: their `recording` jobs are due.
    pub expected: Vec<ExpectedTranscript>,
}

#[derive(QueryableByName)]
struct Touched {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Bool)]
    inserted: bool,
    #[diesel(sql_type = sql_types::Bool)]
    pending: bool,
}

/// Calls that were written and whose transcripts were not: `expect_transcripts` must follow in the same transaction.
#[derive(Debug)]
#[must_use = "a call that expects a transcript must get it in the same transaction"]
pub struct Written {
    report: UpsertReport,
    of_new_calls: Vec<ExpectedTranscript>,
    of_known_calls: Vec<ExpectedTranscript>,
}

/// Stores calls, one statement per thousand, on the caller's transaction. Whatever the order in which a call's versions
/// come, and however often, the row ends the same; see `merge`. A call whose recording is now expected gets its
/// transcript, to be made by `provider`, in the same transaction. A row that would not change is not touched.
pub async fn upsert(connection: &mut Connection, calls: &[Call], provider: &str) -> Result<UpsertReport, StoreError> {
    let written = write(connection, calls).await?;
    expect_transcripts(connection, written, provider).await
}

/// The first half of `upsert`, for callers that have something else to do between the two.
pub async fn write(connection: &mut Connection, calls: &[Call]) -> Result<Written, StoreError> {
    let (kept, refused) = rows::check(calls);
    let versions = kept.len();
    let report = UpsertReport { refused, ..UpsertReport::default() };
    let mut written = Written { report, of_new_calls: Vec::new(), of_known_calls: Vec::new() };
    for wave in waves(kept) {
        for batch in wave.chunks(LARGEST_BATCH) {
            write_batch(connection, batch, &mut written).await?;
        }
    }
    let report = &mut written.report;
    report.unchanged = versions.saturating_sub(report.inserted + report.updated);
    Ok(written)
}

/// The second half of `upsert`.
pub async fn expect_transcripts(connection: &mut Connection, written: Written, provider: &str) -> Result<UpsertReport, StoreError> {
    let Written { mut report, of_new_calls, of_known_calls } = written;
    transcripts::expect_of_new_calls(connection, &of_new_calls, provider).await?;
    report.expected = of_new_calls;
    report.expected.extend(transcripts::expect_of_known_calls(connection, of_known_calls, provider).await?);
    Ok(report)
}

/// Splits the calls so that none comes twice in one list, because a statement cannot touch a row twice; a call that comes
/// twice the same is left out. All but one list are nearly always empty. Each list is sorted by id, so that two
/// transactions lock the same rows in the same order.
fn waves(mut calls: Vec<&Call>) -> Vec<Vec<&Call>> {
    let mut waves = Vec::new();
    while !calls.is_empty() {
        let mut first: HashMap<&SessionId, &Call> = HashMap::with_capacity(calls.len());
        let mut again = Vec::new();
        for call in calls {
            match first.entry(&call.session_id) {
                Entry::Vacant(place) => drop(place.insert(call)),
                Entry::Occupied(held) if *held.get() == call => {}
                Entry::Occupied(_) => again.push(call),
            }
        }
        let mut wave: Vec<_> = first.into_values().collect();
        wave.sort_unstable_by(|one, other| one.session_id.cmp(&other.session_id));
        waves.push(wave);
        calls = again;
    }
    waves
}

async fn write_batch(connection: &mut Connection, batch: &[&Call], written: &mut Written) -> Result<(), StoreError> {
    let touched: Vec<Touched> = Prepared(rows::bind(diesel::sql_query(merge::statement()), batch)).load(connection).await?;
    guess::guess_of(connection, batch).await?;
    let inserted = touched.iter().filter(|row| row.inserted).count();
    written.report.inserted += inserted;
    written.report.updated += touched.len() - inserted;
    let pending: HashMap<&str, bool> =
        touched.iter().filter(|row| row.pending).map(|row| (row.session_id.as_str(), row.inserted)).collect();
    for call in batch {
        match pending.get(call.session_id.as_str()) {
            Some(true) => written.of_new_calls.push(expected(call)),
            Some(false) => written.of_known_calls.push(expected(call)),
            None => {}
        }
    }
    Ok(())
}

fn expected(call: &Call) -> ExpectedTranscript {
    ExpectedTranscript::first(call.source, call.session_id.clone())
}
