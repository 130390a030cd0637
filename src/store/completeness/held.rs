//! What the calls that are held should have: a recording in S3, and a transcript of it. Told by the rows alone, whatever anyone
//! remembers of having made them.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::Day;
use crate::{
    domain::{GapKind, JobId, Reason, SessionId, SourceName, TranscriptId},
    store::{
        Connection, StoreError,
        calls::{ExpectedTranscript, expects_recording},
        transcripts,
    },
};

/// Gaps of one day that are named; a day with more of them has one cause, and the first ten thousand show it.
const MOST_NAMED: i64 = 10_000;

/// How many there should be of something, and what is with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// There.
    pub there: i64,
    /// Not there, for a reason that is final and known.
    pub explained: i64,
    /// Not there yet, a job is at it.
    pub under_way: i64,
    /// Missing.
    pub missing: i64,
}

impl Tally {
    /// How many there should be.
    #[must_use]
    pub const fn expected(&self) -> i64 {
        self.there + self.explained + self.under_way + self.missing
    }
}

/// What a day's calls have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Recordings, of calls that the vendor meant to record.
    pub recordings: Tally,
    /// Transcripts, of calls that have their recording.
    pub transcripts: Tally,
    /// What is missing, at most ten thousand of each kind.
    pub lacks: Vec<Lack>,
}

/// A job that should have made what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LackingJob {
    /// The job.
    pub id: JobId,
    /// It died; otherwise it is done, and what it made is gone.
    pub dead: bool,
}

/// A recording or transcript that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// Which of the two.
    pub kind: GapKind,
    /// Its call.
    pub session_id: SessionId,
    /// When the call began.
    pub start_time: DateTime<Utc>,
    /// The newest transcript of the call, if one was ever expected.
    pub transcript_id: Option<TranscriptId>,
    /// The call's `recording` job, if there is one.
    pub recording_job: Option<LackingJob>,
    /// The call's `transcription` job, if there is one.
    pub transcription_job: Option<LackingJob>,
    /// What the job of its kind died of, as the ledger writes it.
    pub died_of: Option<String>,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    recording: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    transcript: Option<String>,
    #[diesel(sql_type = sql_types::BigInt)]
    calls: i64,
}

#[derive(QueryableByName)]
struct LackRow {
    #[diesel(sql_type = sql_types::Text)]
    session_id: String,
    #[diesel(sql_type = sql_types::Timestamptz)]
    start_time: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Text)]
    recording: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Uuid>)]
    transcript_id: Option<Uuid>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    recording_job: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    recording_state: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    recording_reason: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    transcription_job: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    transcription_state: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    transcription_reason: Option<String>,
}

/// Every call of the day that should have a recording, with what it has. Parameters: source, tenant, from, to, reasons that explain.
fn judged() -> String {
    format!(
        "WITH held AS MATERIALIZED (
             SELECT c.session_id, c.start_time, t.id AS transcript_id,
                    EXISTS (SELECT FROM call_recordings AS r WHERE r.session_id = c.session_id AND r.status = 'stored'
                              AND (r.leg = 'main' OR r.recording_id = c.recording_id)) AS stored,
                    EXISTS (SELECT FROM call_recordings AS g WHERE g.session_id = c.session_id AND g.status IN ('deleting', 'deleted')
                              AND (g.leg = 'main' OR g.recording_id = c.recording_id)) AS deleted,
                    EXISTS (SELECT FROM call_transcripts AS d WHERE d.session_id = c.session_id AND d.leg = 'main'
                              AND d.status = 'complete') AS complete,
                    coalesce(t.error_code = ANY($5), false) AS explained,
                    rj.id AS recording_job, rj.state AS recording_state, rj.reason AS recording_reason, coalesce(rj.open, false) AS recording_open,
                    tj.id AS transcription_job, tj.state AS transcription_state, tj.reason AS transcription_reason, coalesce(tj.open, false) AS transcription_open
             FROM call_interactions AS c
             LEFT JOIN LATERAL (SELECT id, error_code FROM call_transcripts AS v WHERE v.session_id = c.session_id AND v.leg = 'main'
                                ORDER BY version DESC LIMIT 1) AS t ON true
             LEFT JOIN jobs AS rj ON rj.kind = 'recording' AND rj.key = c.session_id
             LEFT JOIN jobs AS tj ON tj.kind = 'transcription' AND tj.key = c.session_id
             WHERE c.source = $1 AND (c.org_id = $2 OR c.org_id IS NULL) AND c.start_time >= $3 AND c.start_time < $4 AND {expects}),
         judged AS (
             SELECT held.*,
                    CASE WHEN stored THEN 'there' WHEN deleted OR explained OR recording_state = 'cancelled' THEN 'explained'
                         WHEN recording_open THEN 'under_way' ELSE 'missing' END AS recording,
                    CASE WHEN complete THEN 'there' WHEN NOT stored THEN NULL
                         WHEN explained OR transcription_state = 'cancelled' THEN 'explained'
                         WHEN transcription_open OR recording_open THEN 'under_way' ELSE 'missing' END AS transcript
             FROM held)",
        expects = expects_recording("c.closed", "c.channel", "c.capture_requested")
    )
}

/// What the day's calls have, and what is missing.
pub async fn lacking(connection: &mut Connection, day: &Day<'_>) -> Result<Held, StoreError> {
    let explaining: Vec<&str> = Reason::ALL.iter().filter(|reason| reason.explains_absence()).map(|reason| reason.as_str()).collect();
    let bound = |statement: String| {
        diesel::sql_query(statement)
            .bind::<sql_types::Text, _>(day.source.as_str())
            .bind::<sql_types::Text, _>(day.org.as_str())
            .bind::<sql_types::Timestamptz, _>(day.window.from)
            .bind::<sql_types::Timestamptz, _>(day.window.to)
            .bind::<sql_types::Array<sql_types::Text>, _>(explaining.clone())
    };
    let counted: Vec<Counted> =
        bound(format!("{} SELECT recording, transcript, count(*) AS calls FROM judged GROUP BY 1, 2", judged())).load(connection).await?;
    let missing: Vec<LackRow> = bound(format!(
        "{} SELECT session_id, start_time, recording, transcript_id, recording_job, recording_state, recording_reason,
                   transcription_job, transcription_state, transcription_reason
         FROM judged WHERE recording = 'missing' OR transcript = 'missing' ORDER BY start_time, session_id LIMIT {MOST_NAMED}",
        judged()
    ))
    .load(connection)
    .await?;
    let mut held = Held::default();
    for row in counted {
        count(&mut held.recordings, row.recording.as_deref(), row.calls);
        count(&mut held.transcripts, row.transcript.as_deref(), row.calls);
    }
    held.lacks = missing.into_iter().map(Lack::try_from).collect::<Result<_, _>>()?;
    Ok(held)
}

fn count(tally: &mut Tally, judged: Option<&str>, calls: i64) {
    match judged {
        Some("there") => tally.there += calls,
        Some("explained") => tally.explained += calls,
        Some("under_way") => tally.under_way += calls,
        Some(_) => tally.missing += calls,
        // nothing is expected
        None => {}
    }
}

impl TryFrom<LackRow> for Lack {
    type Error = StoreError;

    fn try_from(row: LackRow) -> Result<Self, StoreError> {
        let session_id =
            SessionId::parse(row.session_id).map_err(|error| StoreError::Row { table: "call_interactions", what: error.to_string() })?;
        let job = |id: Option<i64>, state: Option<&str>| id.map(|id| LackingJob { id: JobId(id), dead: state == Some("dead") });
        let recording_job = job(row.recording_job, row.recording_state.as_deref());
        let transcription_job = job(row.transcription_job, row.transcription_state.as_deref());
        // a transcript that lacks its recording is not expected, so the row lacks one thing only
        let (kind, died, reason) = if row.recording == "missing" {
            (GapKind::Recordings, recording_job, row.recording_reason)
        } else {
            (GapKind::Transcripts, transcription_job, row.transcription_reason)
        };
        Ok(Self {
            kind,
            session_id,
            start_time: row.start_time,
            transcript_id: row.transcript_id.map(TranscriptId),
            recording_job,
            transcription_job,
            died_of: reason.filter(|_| died.is_some_and(|job| job.dead)),
        })
    }
}

/// Makes the transcripts of calls that should have one and have none, to be made by `provider`, and returns their ids with their
/// calls: each needs its `recording` job in the same transaction.
pub async fn ensure_transcripts(
    connection: &mut Connection,
    source: SourceName,
    sessions: &[SessionId],
    provider: &str,
) -> Result<Vec<ExpectedTranscript>, StoreError> {
    let expected = sessions.iter().map(|session| ExpectedTranscript::first(source, session.clone())).collect();
    let made = transcripts::expect_of_known_calls(connection, expected, provider).await?;
    diesel::sql_query(
        "UPDATE call_interactions SET transcript_status = 'pending' WHERE session_id = ANY($1) AND transcript_status = 'none'",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(made.iter().map(|made| made.session_id.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(made)
}
