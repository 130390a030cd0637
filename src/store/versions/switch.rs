//! Which versions count, changed by hand, with the rows that are searched.
//!
//! Every function here may run twice, and two at once take turns leg by leg. No leg that has a transcript is left without one.

use diesel::{QueryableByName, pg::Pg, sql_types};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::CallLeg;
use crate::{
    domain::SessionId,
    store::{Connection, StoreError, search::show_what_counts},
};

/// What one step of switching a batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Complete versions that changed.
    pub switched: i64,
    /// Versions that are not complete and changed: they count, or not, once they are.
    pub to_come: i64,
    /// Legs whose version went on counting, because nothing else of the leg would.
    pub kept: Vec<CallLeg>,
    /// The last leg that was looked at; `None` when there was none left.
    pub last: Option<CallLeg>,
}

/// What switching a batch would change now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub struct Tallied {
    /// Complete versions that would change.
    #[diesel(sql_type = sql_types::BigInt)]
    pub switched: i64,
    /// Versions that are not complete and would change.
    #[diesel(sql_type = sql_types::BigInt)]
    pub to_come: i64,
    /// Versions that would go on counting, because nothing else of the leg would.
    #[diesel(sql_type = sql_types::BigInt)]
    pub kept: i64,
}

/// A version `t` of batch $1 that may be made to count, or not, as $2 says: the last version of its leg that counts stays.
const MAY_CHANGE: &str = "($2 OR t.status <> 'complete' OR EXISTS (
    SELECT FROM call_transcripts AS o WHERE o.session_id = t.session_id AND o.leg = t.leg AND o.status = 'complete' AND o.counts
       AND o.batch_id IS DISTINCT FROM $1))";

#[derive(QueryableByName)]
struct Changed {
    #[diesel(sql_type = sql_types::Bool)]
    complete: bool,
}

/// Makes the versions that a batch asked for count, or not, of the next `legs` legs after `after`, and what is searched follows: in the
/// caller's transaction, in which nothing else of transcripts is locked.
pub async fn switch_page(
    transaction: &mut Connection,
    batch: i64,
    counts: bool,
    after: Option<&CallLeg>,
    legs: i64,
) -> Result<Page, StoreError> {
    let page: Vec<CallLeg> = diesel::sql_query(
        "SELECT DISTINCT session_id, leg FROM call_transcripts
         WHERE batch_id = $1 AND counts <> $2 AND ($3::text IS NULL OR (session_id, leg) > ($3, $4::text)) ORDER BY session_id, leg LIMIT $5",
    )
    .into_boxed::<Pg>()
    .bind::<sql_types::BigInt, _>(batch)
    .bind::<sql_types::Bool, _>(counts)
    .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|leg| leg.session_id.clone()))
    .bind::<sql_types::Nullable<sql_types::Text>, _>(after.map(|leg| leg.leg.clone()))
    .bind::<sql_types::BigInt, _>(legs)
    .load(transaction)
    .await?;
    let Some(last) = page.last().cloned() else { return Ok(Page::default()) };
    lock(transaction, &page).await?;
    let (sessions, names) = CallLeg::columns(&page);
    let changed: Vec<Changed> = diesel::sql_query(format!(
        "UPDATE call_transcripts AS t SET counts = $2, updated_at = now() FROM unnest($3::text[], $4::text[]) AS l (session_id, leg)
         WHERE t.batch_id = $1 AND t.counts <> $2 AND t.session_id = l.session_id AND t.leg = l.leg AND {MAY_CHANGE}
         RETURNING t.status = 'complete' AS complete"
    ))
    .bind::<sql_types::BigInt, _>(batch)
    .bind::<sql_types::Bool, _>(counts)
    .bind::<sql_types::Array<sql_types::Text>, _>(&sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(&names)
    .load(transaction)
    .await?;
    let kept = diesel::sql_query(
        "SELECT DISTINCT session_id, leg FROM call_transcripts JOIN unnest($3::text[], $4::text[]) AS l (session_id, leg) USING (session_id, leg)
         WHERE batch_id = $1 AND counts <> $2 ORDER BY session_id, leg",
    )
    .bind::<sql_types::BigInt, _>(batch)
    .bind::<sql_types::Bool, _>(counts)
    .bind::<sql_types::Array<sql_types::Text>, _>(&sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(&names)
    .load(transaction)
    .await?;
    show_what_counts(transaction, &page).await?;
    let (complete, open): (Vec<_>, Vec<_>) = changed.iter().partition(|version| version.complete);
    let number = |versions: usize| i64::try_from(versions).unwrap_or(i64::MAX);
    Ok(Page { switched: number(complete.len()), to_come: number(open.len()), kept, last: Some(last) })
}

/// What `switch_page` would change, of all legs.
pub async fn tally(connection: &mut Connection, batch: i64, counts: bool) -> Result<Tallied, StoreError> {
    Ok(diesel::sql_query(format!(
        "SELECT count(*) FILTER (WHERE may AND complete) AS switched, count(*) FILTER (WHERE may AND NOT complete) AS to_come,
                count(*) FILTER (WHERE NOT may) AS kept
         FROM (SELECT {MAY_CHANGE} AS may, t.status = 'complete' AS complete FROM call_transcripts AS t
               WHERE t.batch_id = $1 AND t.counts <> $2) AS meant"
    ))
    .bind::<sql_types::BigInt, _>(batch)
    .bind::<sql_types::Bool, _>(counts)
    .get_result(connection)
    .await?)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// Complete versions of a batch that count, and after which a newer version counts all the same.
pub async fn overtaken(connection: &mut Connection, batch: i64) -> Result<i64, StoreError> {
    let row: Count = diesel::sql_query(
        "SELECT count(*) AS count FROM call_transcripts AS t
         WHERE t.batch_id = $1 AND t.status = 'complete' AND t.counts
           AND EXISTS (SELECT FROM call_transcripts AS n WHERE n.session_id = t.session_id AND n.leg = t.leg AND n.version > t.version
                         AND n.status = 'complete' AND n.counts)",
    )
    .bind::<sql_types::BigInt, _>(batch)
    .get_result(connection)
    .await?;
    Ok(row.count)
}

/// What switching one call did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CallSwitched {
    /// The version that counted before.
    pub from: Option<i32>,
    /// The one that counts now.
    pub to: i32,
    /// Later versions that do not count any more, or will not once they are complete.
    pub not_counting: Vec<i32>,
    /// Something was changed, or would be.
    pub changed: bool,
}

/// Why a call was not switched.
#[derive(Debug, thiserror::Error)]
pub enum NotSwitched {
    /// There is no such version, or it has no text to count with.
    #[error("there is no complete version {version} of leg `{leg}`")]
    NotComplete {
        /// The version that was asked for.
        version: i32,
        /// The leg.
        leg: String,
        /// Those that could be.
        complete: Vec<i32>,
    },
    /// PostgreSQL did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for NotSwitched {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A call to be switched, and who wants it.
#[derive(Debug, Clone)]
pub struct SwitchOfCall {
    /// The call.
    pub session: SessionId,
    /// Which leg of it.
    pub leg: String,
    /// The version that is to count.
    pub version: i32,
    /// Who asks: `user@host`.
    pub actor: String,
    /// The reason they give.
    pub why: Option<String>,
    /// Only tell what would change.
    pub dry_run: bool,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = sql_types::Integer)]
    version: i32,
    #[diesel(sql_type = sql_types::Bool)]
    complete: bool,
    #[diesel(sql_type = sql_types::Bool)]
    counts: bool,
}

/// Makes one version of a leg the one that counts: later ones count no more, those before keep what they are. What is searched follows,
/// and an entry in the audit log, in one transaction.
pub fn switch_call<'a>(connection: &'a mut Connection, asked: &'a SwitchOfCall) -> BoxFuture<'a, Result<CallSwitched, NotSwitched>> {
    connection
        .transaction(async move |transaction| {
            let leg = [CallLeg { session_id: asked.session.as_str().to_owned(), leg: asked.leg.clone() }];
            lock(transaction, &leg).await?;
            let versions: Vec<Version> = diesel::sql_query(
                "SELECT version, status = 'complete' AS complete, counts FROM call_transcripts WHERE session_id = $1 AND leg = $2 ORDER BY version",
            )
            .bind::<sql_types::Text, _>(asked.session.as_str())
            .bind::<sql_types::Text, _>(&asked.leg)
            .load(transaction)
            .await?;
            let switched = asked.judge(&versions)?;
            if switched.changed && !asked.dry_run {
                asked.change(transaction, &switched).await?;
                show_what_counts(transaction, &leg).await?;
            }
            Ok(switched)
        })
        .boxed()
}

impl SwitchOfCall {
    fn judge(&self, versions: &[Version]) -> Result<CallSwitched, NotSwitched> {
        let complete = || versions.iter().filter(|version| version.complete);
        let missing = || NotSwitched::NotComplete {
            version: self.version,
            leg: self.leg.clone(),
            complete: complete().map(|version| version.version).collect(),
        };
        let wanted = complete().find(|version| version.version == self.version).ok_or_else(missing)?;
        let later = versions.iter().filter(|version| version.version > self.version && version.counts);
        let not_counting: Vec<i32> = later.map(|version| version.version).collect();
        Ok(CallSwitched {
            from: complete().rfind(|version| version.counts).map(|version| version.version),
            to: self.version,
            changed: !wanted.counts || !not_counting.is_empty(),
            not_counting,
        })
    }

    async fn change(&self, transaction: &mut Connection, switched: &CallSwitched) -> Result<(), StoreError> {
        diesel::sql_query(
            "UPDATE call_transcripts SET counts = version = $3, updated_at = now()
             WHERE session_id = $1 AND leg = $2 AND version >= $3 AND counts <> (version = $3)",
        )
        .bind::<sql_types::Text, _>(self.session.as_str())
        .bind::<sql_types::Text, _>(&self.leg)
        .bind::<sql_types::Integer, _>(self.version)
        .execute(transaction)
        .await?;
        let details = json!({ "session": self.session.as_str(), "leg": self.leg, "from": switched.from, "to": switched.to });
        diesel::sql_query("INSERT INTO audit_log (actor, action, why, details) VALUES ($1, 'switch', $2, $3)")
            .bind::<sql_types::Text, _>(&self.actor)
            .bind::<sql_types::Nullable<sql_types::Text>, _>(&self.why)
            .bind::<sql_types::Jsonb, _>(details)
            .execute(transaction)
            .await?;
        Ok(())
    }
}

/// Locks all versions of legs, so that none of them ends or is switched meanwhile.
async fn lock(transaction: &mut Connection, legs: &[CallLeg]) -> Result<(), StoreError> {
    let (sessions, names) = CallLeg::columns(legs);
    diesel::sql_query(
        "SELECT FROM call_transcripts WHERE (session_id, leg) IN (SELECT * FROM unnest($1::text[], $2::text[]))
         ORDER BY session_id, leg, version FOR NO KEY UPDATE",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(sessions)
    .bind::<sql_types::Array<sql_types::Text>, _>(names)
    .execute(transaction)
    .await?;
    Ok(())
}
