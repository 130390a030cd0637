//! Batches of requeued jobs: what was asked for, by whom and why, how far it is, and whether the rest may follow its sample.
//!
//! A batch's row holds everything that is needed to go on with it, so that a command that is killed loses nothing: whoever finds
//! it unfinished, the scheduler as a rule, does the rest.

mod attend;
mod canary;
mod seen;
mod switch;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value;

pub use self::{
    attend::{attend, cancel_batch},
    canary::{Verdict, judge_canary},
    seen::{BatchSeen, batch_failures, batch_name, batches_seen},
    switch::{BatchSwitched, SwitchOfBatch, switch_batch, would_switch},
};
use super::{
    Hint,
    by_hand::{self, ByHand, ByHandError, Changed, Details, Entry, Moved, Place, Selection, batch_size, count_of, make_due, note},
};
use crate::store::{Connection, StoreError};

/// A batch's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct BatchId(pub i64);

/// What one step of a batch did.
pub(super) struct Advanced {
    /// The hints of what is due now: push them.
    pub(super) hints: Vec<Hint>,
    /// There is another step to do.
    pub(super) more: bool,
}

#[derive(QueryableByName)]
struct New {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// A batch whose jobs are being moved, locked.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    actor: String,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    why: Option<String>,
    #[diesel(sql_type = sql_types::Jsonb)]
    orders: Value,
    #[diesel(sql_type = sql_types::Timestamptz)]
    as_of: DateTime<Utc>,
    #[diesel(sql_type = sql_types::BigInt)]
    expected: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    step_microseconds: i64,
    #[diesel(sql_type = sql_types::Timestamptz)]
    paced_from: DateTime<Utc>,
    #[diesel(sql_type = sql_types::BigInt)]
    paced_after: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    audit_id: Option<i64>,
    #[diesel(sql_type = sql_types::Bool)]
    counts: bool,
}

/// Writes down a batch and, where a sample goes first, makes the sample due. Returns its number and the hints of the sample.
pub(super) fn begin<'a>(connection: &'a mut Connection, order: &'a ByHand) -> BoxFuture<'a, Result<(BatchId, Vec<Hint>), ByHandError>> {
    connection
        .transaction(async move |transaction| {
            let selection = order.requeued(transaction).await?;
            let expected = selection.count(transaction, order.limit).await?;
            let New { id, name } = insert(transaction, order, &selection, expected).await?;
            let Some(canary) = order.canary else { return Ok((BatchId(id), Vec::new())) };
            let rows = i64::from(canary.jobs).min(order.limit.unwrap_or(i64::MAX));
            let place = Place {
                rows,
                after: 0,
                step_microseconds: 0,
                from: selection.as_of,
                batch: Some(BatchId(id)),
                class: by_hand::class(order.urgent, expected),
                sample: true,
                counts: !order.trial,
            };
            let jobs = make_due(transaction, &selection, &order.payload(), &place).await?;
            let details = Details { batch: Some(name), ..order.details(&selection.filter) };
            let audit = note(transaction, &order.entry("requeue", details), None, count_of(&jobs)).await?;
            moved_on(transaction, BatchId(id), count_of(&jobs), audit).await?;
            if jobs.is_empty() {
                remove(transaction, BatchId(id)).await?;
            }
            Ok((BatchId(id), Moved::hints(&jobs)))
        })
        .boxed()
}

async fn insert(transaction: &mut Connection, order: &ByHand, selection: &Selection, expected: i64) -> Result<New, ByHandError> {
    let name = order.name.as_deref();
    let orders = serde_json::to_value(order.details(&selection.filter))
        .map_err(|error| ByHandError::Unreadable { name: name.unwrap_or_default().to_owned(), error })?;
    let row: Option<New> = diesel::sql_query(
        "INSERT INTO requeue_batches (id, name, actor, why, state, orders, as_of, expected, canary_jobs, canary_percent,
                                      step_microseconds, paced_from, counts)
         SELECT n.id, coalesce($1, 'requeue-' || n.id), $2, $3, CASE WHEN $7 IS NULL THEN 'moving' ELSE 'canary' END, $4, $5, $6, $7, $8, $9,
                $5, $10
         FROM nextval(pg_get_serial_sequence('requeue_batches', 'id')) AS n (id)
         ON CONFLICT (name) DO NOTHING RETURNING id, name",
    )
    .bind::<sql_types::Nullable<sql_types::Text>, _>(name)
    .bind::<sql_types::Text, _>(&order.actor)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(&order.why)
    .bind::<sql_types::Jsonb, _>(orders)
    .bind::<sql_types::Timestamptz, _>(selection.as_of)
    .bind::<sql_types::BigInt, _>(expected)
    .bind::<sql_types::Nullable<sql_types::Integer>, _>(order.canary.map(|canary| i32::from(canary.jobs)))
    .bind::<sql_types::Nullable<sql_types::SmallInt>, _>(order.canary.map(|canary| i16::from(canary.percent)))
    .bind::<sql_types::BigInt, _>(order.pace.microseconds_between(expected))
    .bind::<sql_types::Bool, _>(!order.trial)
    .get_result(transaction)
    .await
    .optional()
    .map_err(StoreError::from)?;
    row.ok_or_else(|| ByHandError::NameTaken(name.unwrap_or_default().to_owned()))
}

/// Makes due what comes next of a batch, in one transaction; nothing when it waits for its sample, or has ended. Two who do it at
/// once take turns.
pub(super) fn advance(connection: &mut Connection, batch: BatchId) -> BoxFuture<'_, Result<Advanced, ByHandError>> {
    connection
        .transaction(async move |transaction| {
            let row: Option<Row> = diesel::sql_query(
                "SELECT id, name, actor, why, orders, as_of, expected, jobs, step_microseconds, coalesce(paced_from, created_at) AS paced_from, paced_after,
                        audit_id, counts
                 FROM requeue_batches WHERE id = $1 AND state = 'moving' FOR UPDATE",
            )
            .bind::<sql_types::BigInt, _>(batch.0)
            .get_result(transaction)
            .await
            .optional()?;
            match row {
                Some(row) => row.step(transaction).await,
                None => Ok(Advanced { hints: Vec::new(), more: false }),
            }
        })
        .boxed()
}

impl Row {
    async fn step(self, transaction: &mut Connection) -> Result<Advanced, ByHandError> {
        let batch = BatchId(self.id);
        let details = Details::deserialized(&self.orders).map_err(|error| ByHandError::Unreadable { name: self.name.clone(), error })?;
        let rows = batch_size(details.limit, self.jobs);
        let selection = Selection { filter: details.filter.clone(), from: details.from, trial: details.trial, as_of: self.as_of };
        let place = Place {
            rows,
            after: self.jobs - self.paced_after,
            step_microseconds: self.step_microseconds,
            from: self.paced_from,
            batch: Some(batch),
            class: by_hand::class(details.urgent, self.expected),
            sample: false,
            counts: self.counts,
        };
        let jobs = make_due(transaction, &selection, &details.payload(), &place).await?;
        let total = self.jobs + count_of(&jobs);
        let entry = Entry { actor: self.actor, action: "requeue", why: self.why, details: Details { batch: Some(self.name), ..details } };
        let audit = note(transaction, &entry, self.audit_id, total).await?;
        moved_on(transaction, batch, total, audit).await?;
        let more = count_of(&jobs) == rows && rows > 0;
        if !more && total == 0 {
            remove(transaction, batch).await?;
        } else if !more {
            diesel::sql_query("UPDATE requeue_batches SET state = 'moved', ended_at = now() WHERE id = $1")
                .bind::<sql_types::BigInt, _>(batch.0)
                .execute(transaction)
                .await?;
        }
        Ok(Advanced { hints: Moved::hints(&jobs), more })
    }
}

async fn moved_on(transaction: &mut Connection, batch: BatchId, jobs: i64, audit: Option<i64>) -> Result<(), StoreError> {
    diesel::sql_query("UPDATE requeue_batches SET jobs = $2, audit_id = $3, touched_at = clock_timestamp() WHERE id = $1")
        .bind::<sql_types::BigInt, _>(batch.0)
        .bind::<sql_types::BigInt, _>(jobs)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(audit)
        .execute(transaction)
        .await?;
    Ok(())
}

/// A batch that moved nothing is none.
async fn remove(transaction: &mut Connection, batch: BatchId) -> Result<(), StoreError> {
    diesel::sql_query("DELETE FROM requeue_batches WHERE id = $1").bind::<sql_types::BigInt, _>(batch.0).execute(transaction).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    audit_id: Option<i64>,
}

/// What a batch has changed so far.
pub(super) async fn changed(connection: &mut Connection, batch: BatchId) -> Result<Changed, StoreError> {
    let row: Option<Counted> = diesel::sql_query("SELECT jobs, audit_id FROM requeue_batches WHERE id = $1")
        .bind::<sql_types::BigInt, _>(batch.0)
        .get_result(connection)
        .await
        .optional()?;
    Ok(row.map_or_else(Changed::default, |row| Changed { jobs: row.jobs, audit: row.audit_id, batch: Some(batch) }))
}
