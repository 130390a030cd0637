//! Live control: what people pause, scale and drain while everything runs, and what a worker process is to make of it.
//!
//! The rows are the truth. Processes read them every second, and a claim reads the pauses itself; nothing of it is in Redis.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    domain::{JobKind, LeaseId, SourceName},
    store::{Connection, StoreError},
};

/// What is paused or resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlTarget {
    /// Everything.
    All,
    /// One kind of job.
    Kind(JobKind),
    /// The jobs of one vendor, of every kind.
    Source(SourceName),
}

/// A word that means nothing that could be paused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a kind of job nor a source")]
pub struct UnknownTarget(String);

impl ControlTarget {
    /// The column `scope`.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Kind(_) => "kind",
            Self::Source(_) => "source",
        }
    }

    /// The column `subject`.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Kind(kind) => kind.as_str(),
            Self::Source(source) => source.as_str(),
        }
    }
}

impl FromStr for ControlTarget {
    type Err = UnknownTarget;

    /// Reads `all`, a kind (`transcription`) or its worker's name (`transcribe`), or a source (`webex`).
    fn from_str(word: &str) -> Result<Self, UnknownTarget> {
        let kind = JobKind::ALL.iter().find(|kind| kind.as_str() == word || kind.worker() == word);
        match (word, kind, word.parse::<SourceName>()) {
            ("all", _, _) => Ok(Self::All),
            (_, Some(kind), _) => Ok(Self::Kind(*kind)),
            (_, None, Ok(source)) => Ok(Self::Source(source)),
            (_, None, Err(_)) => Err(UnknownTarget(word.to_owned())),
        }
    }
}

impl fmt::Display for ControlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Kind(kind) => write!(f, "`{kind}`"),
            Self::Source(source) => write!(f, "source `{source}`"),
        }
    }
}

/// Who changes something by hand, and why.
#[derive(Debug, Clone, Copy)]
pub struct WhoAndWhy<'w> {
    /// `user@host`.
    pub actor: &'w str,
    /// The reason they give.
    pub why: Option<&'w str>,
}

impl WhoAndWhy<'_> {
    async fn note(self, transaction: &mut Connection, action: &str, details: &Value) -> Result<(), StoreError> {
        diesel::sql_query("INSERT INTO audit_log (actor, action, why, details) VALUES ($1, $2, $3, $4)")
            .bind::<sql_types::Text, _>(self.actor)
            .bind::<sql_types::Text, _>(action)
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.why)
            .bind::<sql_types::Jsonb, _>(details)
            .execute(transaction)
            .await?;
        Ok(())
    }
}

/// Pauses `target`; `false` when it was paused already, which is left as it was said first.
pub async fn pause(connection: &mut Connection, target: ControlTarget, by: WhoAndWhy<'_>) -> Result<bool, StoreError> {
    connection
        .transaction(async move |transaction| {
            let paused = diesel::sql_query(
                "INSERT INTO controls (action, scope, subject, actor, why) VALUES ('pause', $1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind::<sql_types::Text, _>(target.scope())
            .bind::<sql_types::Text, _>(target.subject())
            .bind::<sql_types::Text, _>(by.actor)
            .bind::<sql_types::Nullable<sql_types::Text>, _>(by.why)
            .execute(transaction)
            .await?;
            if paused == 1 {
                by.note(transaction, "pause", &json!({ "scope": target.scope(), "subject": target.subject() })).await?;
            }
            Ok(paused == 1)
        })
        .await
}

/// Lifts the pause of `target` and no other; `false` when there was none.
pub async fn resume(connection: &mut Connection, target: ControlTarget, by: WhoAndWhy<'_>) -> Result<bool, StoreError> {
    connection
        .transaction(async move |transaction| {
            let resumed = diesel::sql_query("DELETE FROM controls WHERE action = 'pause' AND scope = $1 AND subject = $2")
                .bind::<sql_types::Text, _>(target.scope())
                .bind::<sql_types::Text, _>(target.subject())
                .execute(transaction)
                .await?;
            if resumed == 1 {
                by.note(transaction, "resume", &json!({ "scope": target.scope(), "subject": target.subject() })).await?;
            }
            Ok(resumed == 1)
        })
        .await
}

#[derive(QueryableByName)]
struct Was {
    #[diesel(sql_type = sql_types::SmallInt)]
    jobs_at_once: i16,
}

/// Sets how many jobs of `kind` one process runs at once, or, with `None`, leaves it to the processes' own settings again. Returns what
/// it was set to before. Of two who set it at once the later wins, and the audit log tells both in order.
pub async fn scale(
    connection: &mut Connection,
    kind: JobKind,
    jobs_at_once: Option<u16>,
    by: WhoAndWhy<'_>,
) -> Result<Option<u16>, StoreError> {
    connection
        .transaction(async move |transaction| {
            // writers one after the other, so that each notes what it truly replaced; readers go on
            diesel::sql_query("LOCK TABLE controls IN SHARE ROW EXCLUSIVE MODE").execute(transaction).await?;
            let was: Option<Was> = diesel::sql_query("DELETE FROM controls WHERE action = 'scale' AND subject = $1 RETURNING jobs_at_once")
                .bind::<sql_types::Text, _>(kind.as_str())
                .get_result(transaction)
                .await
                .optional()?;
            let was = was.and_then(|row| u16::try_from(row.jobs_at_once).ok());
            if let Some(jobs) = jobs_at_once {
                diesel::sql_query(
                    "INSERT INTO controls (action, scope, subject, jobs_at_once, actor, why) VALUES ('scale', 'kind', $1, $2, $3, $4)",
                )
                .bind::<sql_types::Text, _>(kind.as_str())
                .bind::<sql_types::SmallInt, _>(i16::try_from(jobs).unwrap_or(i16::MAX))
                .bind::<sql_types::Text, _>(by.actor)
                .bind::<sql_types::Nullable<sql_types::Text>, _>(by.why)
                .execute(transaction)
                .await?;
            }
            by.note(transaction, "scale", &json!({ "kind": kind.as_str(), "jobs_at_once": jobs_at_once, "was": was })).await?;
            Ok(was)
        })
        .await
}

#[derive(QueryableByName)]
struct Lease {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Tells the living worker processes of this name to drain and exit; returns their leases, none when there is no such worker. One that
/// was told before is left as it was told first, and is among them.
pub async fn drain(connection: &mut Connection, worker: &str, by: WhoAndWhy<'_>) -> Result<Vec<LeaseId>, StoreError> {
    connection
        .transaction(async move |transaction| {
            let told: Vec<Lease> = diesel::sql_query(
                "UPDATE workers SET draining_since = coalesce(draining_since, now()), draining_by = coalesce(draining_by, $2),
                        draining_why = CASE WHEN draining_since IS NULL THEN $3 ELSE draining_why END
                 WHERE ended_at IS NULL AND name = $1 RETURNING id",
            )
            .bind::<sql_types::Text, _>(worker)
            .bind::<sql_types::Text, _>(by.actor)
            .bind::<sql_types::Nullable<sql_types::Text>, _>(by.why)
            .load(transaction)
            .await?;
            let leases: Vec<i64> = told.into_iter().map(|row| row.id).collect();
            if !leases.is_empty() {
                by.note(transaction, "drain", &json!({ "worker": worker, "leases": leases })).await?;
            }
            Ok(leases.into_iter().map(LeaseId).collect())
        })
        .await
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct Pause {
    /// `all`, `kind` or `source`.
    #[diesel(sql_type = sql_types::Text)]
    pub scope: String,
    /// The kind or source; empty for everything.
    #[diesel(sql_type = sql_types::Text)]
    pub subject: String,
    /// Since when.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub since: DateTime<Utc>,
    /// By whom.
    #[diesel(sql_type = sql_types::Text)]
    pub actor: String,
    /// Why.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub why: Option<String>,
}

/// A scale in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct Scale {
    /// The kind.
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    /// Jobs of it at once in one process.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub jobs_at_once: i16,
    /// Since when.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub since: DateTime<Utc>,
    /// By whom.
    #[diesel(sql_type = sql_types::Text)]
    pub actor: String,
    /// Why.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub why: Option<String>,
}

/// A worker that was told to drain and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct Drain {
    /// `host-pid`.
    #[diesel(sql_type = sql_types::Text)]
    pub worker: String,
    /// Its lease.
    #[diesel(sql_type = sql_types::BigInt)]
    pub lease: i64,
    /// Since when.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub since: DateTime<Utc>,
    /// By whom.
    #[diesel(sql_type = sql_types::Text)]
    pub actor: String,
    /// Why.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub why: Option<String>,
}

/// Everything that people control by hand now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Controls {
    /// What is paused, oldest first.
    pub paused: Vec<Pause>,
    /// What is scaled, by kind.
    pub scaled: Vec<Scale>,
    /// Who drains.
    pub draining: Vec<Drain>,
}

impl Controls {
    /// Whether nothing is controlled by hand.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.paused.is_empty() && self.scaled.is_empty() && self.draining.is_empty()
    }
}

/// What is paused, scaled and draining now, since when, by whom and why.
pub async fn controls_seen(connection: &mut Connection) -> Result<Controls, StoreError> {
    Ok(Controls {
        paused: diesel::sql_query(
            "SELECT scope, subject, since, actor, why FROM controls WHERE action = 'pause' ORDER BY since, scope, subject",
        )
        .load(connection)
        .await?,
        scaled: diesel::sql_query(
            "SELECT subject AS kind, jobs_at_once, since, actor, why FROM controls WHERE action = 'scale' ORDER BY subject",
        )
        .load(connection)
        .await?,
        draining: diesel::sql_query(
            "SELECT name AS worker, id AS lease, draining_since AS since, draining_by AS actor, draining_why AS why
             FROM workers WHERE ended_at IS NULL AND draining_since IS NOT NULL ORDER BY id",
        )
        .load(connection)
        .await?,
    })
}

/// What the controls mean for one worker process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Everything is paused.
    pub all_paused: bool,
    /// Kinds that are paused.
    pub paused_kinds: BTreeSet<String>,
    /// Sources that are paused.
    pub paused_sources: BTreeSet<String>,
    /// Jobs at once by kind, where a person said so.
    pub jobs_at_once: BTreeMap<String, u16>,
    /// This process is to drain and exit.
    pub drain: bool,
}

impl Orders {
    /// Whether nothing of `kind` is to be claimed.
    #[must_use]
    pub fn hold(&self, kind: JobKind) -> bool {
        self.all_paused || self.paused_kinds.contains(kind.as_str())
    }
}

#[derive(QueryableByName)]
struct Order {
    #[diesel(sql_type = sql_types::Text)]
    action: String,
    #[diesel(sql_type = sql_types::Text)]
    scope: String,
    #[diesel(sql_type = sql_types::Text)]
    subject: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::SmallInt>)]
    jobs_at_once: Option<i16>,
}

/// What the controls mean for the worker process that began with the lease `first` and may hold a later one by now: who only bears the
/// same name as one that was told to drain began after it was told, and is not meant.
pub async fn orders(connection: &mut Connection, worker: &str, first: LeaseId) -> Result<Orders, StoreError> {
    let rows: Vec<Order> = diesel::sql_query(
        "SELECT action, scope, subject, jobs_at_once FROM controls
         UNION ALL SELECT 'drain', 'worker', name, NULL FROM workers WHERE id >= $1 AND name = $2 AND draining_since IS NOT NULL",
    )
    .bind::<sql_types::BigInt, _>(first.0)
    .bind::<sql_types::Text, _>(worker)
    .load(connection)
    .await?;
    let mut orders = Orders::default();
    for row in rows {
        match (row.action.as_str(), row.scope.as_str(), row.jobs_at_once.and_then(|jobs| u16::try_from(jobs).ok())) {
            ("pause", "all", _) => orders.all_paused = true,
            ("pause", "kind", _) => orders.paused_kinds.extend([row.subject]),
            ("pause", "source", _) => orders.paused_sources.extend([row.subject]),
            ("scale", "kind", Some(jobs)) => orders.jobs_at_once.extend([(row.subject, jobs)]),
            ("drain", _, _) => orders.drain = true,
            (action, scope, _) => {
                return Err(StoreError::Row { table: "controls", what: format!("action `{action}` of scope `{scope}`") });
            }
        }
    }
    Ok(orders)
}
