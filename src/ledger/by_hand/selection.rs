//! The jobs that a change by hand means: counted and moved by one condition.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;

use super::{ByHand, Number, Tally};
use crate::{
    domain::{JobState, Stage},
    ledger::filter::{JobFilter, PARAMETERS},
    store::{Connection, StoreError},
};

/// What is asked for, ready to be counted or done.
pub(in crate::ledger) struct Selection {
    pub(in crate::ledger) filter: JobFilter,
    /// The stage's jobs of the calls that the filter means, instead of the jobs that it means.
    pub(in crate::ledger) from: Option<Stage>,
    /// Of those only what is done and has a complete transcript: whatever moves makes a version beside one that counts.
    pub(in crate::ledger) trial: bool,
    /// Jobs that ended or came later than this are none of it: so a job that dies again meanwhile is not moved twice.
    pub(in crate::ledger) as_of: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = sql_types::Timestamptz)]
    now: DateTime<Utc>,
}

/// A job `target` whose work has ended, whichever way.
const ENDED: &str = "target.state IN ('dead', 'cancelled', 'done')";
/// One that made a transcript.
const MADE_A_TRANSCRIPT: &str =
    "target.state = 'done' AND EXISTS (SELECT FROM call_transcripts AS t WHERE t.id = target.transcript_id AND t.status = 'complete')";

impl Selection {
    pub(super) async fn new(connection: &mut Connection, order: &ByHand, states: Vec<JobState>) -> Result<Self, StoreError> {
        let mut filter = order.filter.with_kinds(connection).await?;
        filter.states = states;
        let row: Now = diesel::sql_query("SELECT clock_timestamp() AS now").get_result(connection).await?;
        Ok(Self { filter, from: order.stage(), trial: order.trial, as_of: row.now })
    }

    /// What a job `target` of the stage must be to move.
    const fn ended(&self) -> &'static str {
        if self.trial { MADE_A_TRANSCRIPT } else { ENDED }
    }

    /// The one condition of count and change; takes the filter's parameters and one more.
    fn condition(&self) -> String {
        format!("{} AND coalesce(finished_at, created_at) <= ${}", self.filter.condition(), PARAMETERS + 1)
    }

    /// The jobs that would move, with the kind and reason of the job that was meant: columns id, kind, reason and at.
    fn meant(&self) -> String {
        let condition = self.condition();
        let Some(stage) = self.from else {
            return format!("SELECT id, kind, reason, coalesce(finished_at, created_at) AS at FROM jobs WHERE {condition}");
        };
        format!(
            "SELECT DISTINCT ON (target.id) target.id, meant.kind, meant.reason, coalesce(target.finished_at, target.created_at) AS at
             FROM (SELECT key, kind, reason FROM jobs WHERE {condition} AND kind IN ('recording', 'transcription')) AS meant
             JOIN jobs AS target ON target.kind = '{}' AND target.key = meant.key AND {}
                  AND coalesce(target.finished_at, target.created_at) <= ${}
             ORDER BY target.id, meant.kind DESC",
            stage.kind(),
            self.ended(),
            PARAMETERS + 1
        )
    }

    /// How many would move, at most `limit`.
    pub(in crate::ledger) async fn count(&self, connection: &mut Connection, limit: Option<i64>) -> Result<i64, StoreError> {
        let statement = format!("SELECT count(*) AS number FROM ({}) AS meant", self.meant());
        let row: Number = self.filter.bind(statement).bind::<sql_types::Timestamptz, _>(self.as_of).get_result(connection).await?;
        Ok(row.number.min(limit.unwrap_or(i64::MAX)))
    }

    /// The same, by kind and reason, most first.
    pub(super) async fn tally(&self, connection: &mut Connection, limit: Option<i64>) -> Result<Vec<Tally>, StoreError> {
        let statement = format!(
            "SELECT kind, reason, count(*) AS jobs FROM (SELECT kind, reason FROM ({}) AS meant ORDER BY at, id LIMIT ${}) AS first
             GROUP BY kind, reason ORDER BY jobs DESC, kind, reason",
            self.meant(),
            PARAMETERS + 2
        );
        let bound = self.filter.bind(statement).bind::<sql_types::Timestamptz, _>(self.as_of);
        Ok(bound.bind::<sql_types::Nullable<sql_types::BigInt>, _>(limit).load(connection).await?)
    }

    /// Rows to move next, locked, and the UPDATE that `change` makes of them: at most ${P+2} rows, those that ended first, or, as
    /// a sample, any.
    pub(super) fn change_statement(&self, change: &str, sample: bool, not_in_batch: Option<usize>) -> String {
        let condition = self.condition();
        let order = if sample { "md5(id::text)" } else { "coalesce(finished_at, created_at), id" };
        let (as_of, rows) = (PARAMETERS + 1, PARAMETERS + 2);
        let picked = match self.from {
            None => format!(
                "SELECT id, state, coalesce(finished_at, created_at) AS at FROM jobs WHERE {condition} ORDER BY {order} LIMIT ${rows} FOR UPDATE"
            ),
            Some(stage) => {
                let outside = not_in_batch.map_or_else(String::new, |batch| format!("AND batch_id IS DISTINCT FROM ${batch}"));
                format!(
                    "SELECT id, state, coalesce(finished_at, created_at) AS at FROM jobs AS target
                     WHERE kind = '{}' AND {} AND coalesce(finished_at, created_at) <= ${as_of} {outside}
                       AND key IN (SELECT key FROM jobs WHERE {condition} AND kind IN ('recording', 'transcription'))
                     ORDER BY {order} LIMIT ${rows} FOR UPDATE",
                    stage.kind(),
                    self.ended()
                )
            }
        };
        format!(
            "WITH picked AS MATERIALIZED ({picked}),
             numbered AS MATERIALIZED (SELECT id, state, row_number() OVER (ORDER BY at, id) - 1 AS place FROM picked)
             UPDATE jobs SET {change} FROM numbered WHERE jobs.id = numbered.id
             RETURNING jobs.id, kind, priority, transcript_id, numbered.state AS was, run_at <= clock_timestamp() AS due"
        )
    }
}
