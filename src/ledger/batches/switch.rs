//! The versions that a batch asked for made to count, or not, after the fact.

use diesel::{OptionalExtension, QueryableByName, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use crate::store::{
    Connection, Store, StoreError,
    versions::{self, CallLeg, Tallied},
};

/// Legs of a transaction: their documents are read and indexed again, and workers who end one of them wait so long.
const LEGS_AT_ONCE: i64 = 200;
/// Legs that went on counting and are named; of more of them their number is enough.
const NAMED: usize = 20;

/// A batch to be switched, and who wants it.
#[derive(Debug, Clone)]
pub struct SwitchOfBatch {
    /// Its name.
    pub name: String,
    /// Whether its versions are to count, or those before them again.
    pub counts: bool,
    /// Who asks: `user@host`.
    pub actor: String,
    /// The reason they give.
    pub why: Option<String>,
}

/// What switching a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchSwitched {
    /// Complete versions that changed.
    pub switched: i64,
    /// Versions that are not complete and changed: they count, or not, once they are.
    pub to_come: i64,
    /// Legs whose version went on counting, because nothing else of the leg would.
    pub kept: i64,
    /// The first of them.
    pub kept_first: Vec<CallLeg>,
    /// Somebody switched the batch the other way meanwhile, and the rest is theirs.
    pub given_way: bool,
    /// Versions of it that count, after which a newer one counts all the same.
    pub overtaken: i64,
    /// Entry in the audit log; `None` when nothing was to be done.
    pub audit: Option<i64>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Bool)]
    counts: bool,
}

#[derive(QueryableByName)]
struct Entry {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
}

/// Switches a batch, some legs a transaction; `None` when there is no batch of that name. What it is yet to begin is switched first, so
/// that nothing of it slips through; a command that is killed has kept what it did, and the same again does the rest. Of two who switch it
/// opposite ways the later one has it.
pub async fn switch_batch(store: &Store, asked: &SwitchOfBatch) -> Result<Option<BatchSwitched>, StoreError> {
    let connection = &mut *store.connection().await?;
    let mut done = BatchSwitched::default();
    let Some(batch) = switch_what_is_to_begin(connection, asked, &mut done).await? else { return Ok(None) };
    let mut after = None;
    while let Some(last) = switch_legs(connection, batch, asked, &mut done, after).await? {
        after = Some(last);
    }
    done.overtaken = versions::overtaken(connection, batch).await?;
    Ok(Some(done))
}

/// What `switch_batch` would change now; `None` when there is no batch of that name.
pub async fn would_switch(connection: &mut Connection, name: &str, counts: bool) -> Result<Option<Tallied>, StoreError> {
    match found(connection, name, "").await? {
        Some(row) => Ok(Some(versions::tally(connection, row.id, counts).await?)),
        None => Ok(None),
    }
}

/// The batch of a name, locked as `lock` says until the end of the transaction: nobody begins versions of it meanwhile.
async fn found(connection: &mut Connection, name: &str, lock: &'static str) -> Result<Option<Row>, StoreError> {
    Ok(diesel::sql_query(format!("SELECT id, counts FROM requeue_batches WHERE name = $1 {lock}"))
        .bind::<sql_types::Text, _>(name)
        .get_result(connection)
        .await
        .optional()?)
}

fn switch_what_is_to_begin<'a>(
    connection: &'a mut Connection,
    asked: &'a SwitchOfBatch,
    done: &'a mut BatchSwitched,
) -> BoxFuture<'a, Result<Option<i64>, StoreError>> {
    connection
        .transaction(async move |transaction| {
            let Some(row) = found(transaction, &asked.name, "FOR NO KEY UPDATE").await? else { return Ok(None) };
            if row.counts != asked.counts {
                diesel::sql_query("UPDATE requeue_batches SET counts = $2 WHERE id = $1")
                    .bind::<sql_types::BigInt, _>(row.id)
                    .bind::<sql_types::Bool, _>(asked.counts)
                    .execute(transaction)
                    .await?;
                done.audit = Some(note(transaction, asked, done).await?);
            }
            Ok(Some(row.id))
        })
        .boxed()
}

/// Switches the next legs. Returns the last of them; `None` when there was none left.
fn switch_legs<'a>(
    connection: &'a mut Connection,
    batch: i64,
    asked: &'a SwitchOfBatch,
    done: &'a mut BatchSwitched,
    after: Option<CallLeg>,
) -> BoxFuture<'a, Result<Option<CallLeg>, StoreError>> {
    connection
        .transaction(async move |transaction| {
            let meant = found(transaction, &asked.name, "FOR SHARE").await?.is_some_and(|row| row.counts == asked.counts);
            if !meant {
                done.given_way = true;
                return Ok(None);
            }
            let page = versions::switch_page(transaction, batch, asked.counts, after.as_ref(), LEGS_AT_ONCE).await?;
            done.switched += page.switched;
            done.to_come += page.to_come;
            done.kept += i64::try_from(page.kept.len()).unwrap_or(i64::MAX);
            done.kept_first.extend(page.kept);
            done.kept_first.truncate(NAMED);
            if page.switched + page.to_come > 0 {
                done.audit = Some(note(transaction, asked, done).await?);
            }
            Ok(page.last)
        })
        .boxed()
}

/// Writes the audit entry with the first change and counts on with every further one, so that it is right whenever the command dies.
async fn note(transaction: &mut Connection, asked: &SwitchOfBatch, done: &BatchSwitched) -> Result<i64, StoreError> {
    let details = json!({
        "batch": asked.name, "counts": asked.counts, "switched": done.switched, "to_come": done.to_come, "kept": done.kept,
    });
    let entry: Entry = match done.audit {
        Some(id) => {
            diesel::sql_query("UPDATE audit_log SET details = $2 WHERE id = $1 RETURNING id")
                .bind::<sql_types::BigInt, _>(id)
                .bind::<sql_types::Jsonb, _>(details)
                .get_result(transaction)
                .await?
        }
        None => {
            diesel::sql_query("INSERT INTO audit_log (actor, action, why, details) VALUES ($1, 'switch', $2, $3) RETURNING id")
                .bind::<sql_types::Text, _>(&asked.actor)
                .bind::<sql_types::Nullable<sql_types::Text>, _>(&asked.why)
                .bind::<sql_types::Jsonb, _>(details)
                .get_result(transaction)
                .await?
        }
    };
    Ok(entry.id)
}
