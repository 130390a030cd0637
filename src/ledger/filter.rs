//! Which jobs a person means: one WHERE for looking, counting and changing, so that a dry run tells the truth.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types,
};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{JobId, JobState, SessionId, SourceName},
    store::{Connection, StoreError},
};

/// Which jobs. Nothing given means every job; several conditions must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    /// These kinds, as the ledger writes them; unknown ones may be asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// These states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<JobState>,
    /// These reasons, as the ledger writes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Of this vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Of this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Ended (or, when still open, created) at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Ended (or, when still open, created) before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// These rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<JobId>,
    /// Whose last error contains this, in whatever case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whose transcript is this provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Of calls in this queue, by its name in whatever case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Created at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_since: Option<DateTime<Utc>>,
    /// Created before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<DateTime<Utc>>,
    /// With at least so many attempts used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_attempts: Option<u16>,
    /// Made due last by the requeue batch of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}

/// A statement whose first parameters are a filter's.
pub(super) type Filtered<'f> = BoxedSqlQuery<'f, Pg, SqlQuery>;

/// The condition over the columns of `jobs`, in the parameters $1 to $13 that `JobFilter::bind` binds. Each line falls away while
/// planning when its parameter is null or true, so that the partial indexes `jobs_dead` and `jobs_due` and the key's index are found.
const COLUMNS: &str = "
    ($1::text[] IS NULL OR kind = ANY($1))
    AND state = ANY($2::text[])
    AND ($3::boolean OR dead)
    AND ($4::boolean OR open)
    AND ($5::text[] IS NULL OR reason = ANY($5))
    AND ($6::text IS NULL OR source = $6)
    AND ($7::text IS NULL OR (session_id = $7 AND key >= $7 AND key < $7 || '~'))
    AND ($8::timestamptz IS NULL OR coalesce(finished_at, created_at) >= $8)
    AND ($9::timestamptz IS NULL OR coalesce(finished_at, created_at) < $9)
    AND ($10::bigint[] IS NULL OR id = ANY($10))
    AND ($11::timestamptz IS NULL OR created_at >= $11)
    AND ($12::timestamptz IS NULL OR created_at < $12)
    AND ($13::integer IS NULL OR attempt >= $13)";
/// What other tables tell, in the parameters $14 to $17; each is part of a statement only when it is asked for, so that PostgreSQL
/// may join in whichever order costs least.
const LAST_ERROR: &str = "
    AND EXISTS (SELECT FROM (SELECT a.error FROM job_attempts AS a WHERE a.job_id = jobs.id ORDER BY a.run DESC LIMIT 1) AS last
                WHERE strpos(lower(last.error), lower($14)) > 0)";
const PROVIDER: &str = "
    AND EXISTS (SELECT FROM call_transcripts AS t WHERE t.id = jobs.transcript_id AND t.provider = $15)";
const QUEUE: &str = "
    AND EXISTS (SELECT FROM call_interactions AS c WHERE c.session_id = jobs.session_id COLLATE \"C\" AND lower(c.queue_name) = lower($16))";
const BATCH: &str = "
    AND batch_id = (SELECT b.id FROM requeue_batches AS b WHERE b.name = $17)";

/// Parameters that a filter takes; the caller's own begin after them.
pub(super) const PARAMETERS: usize = 17;

#[derive(QueryableByName)]
struct Kind {
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
}

/// Every kind in the ledger, those of newer versions too: a step through the index per kind, however many jobs there are.
pub(super) async fn kinds_in_ledger(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Kind> = diesel::sql_query(
        "WITH RECURSIVE step AS (
             (SELECT kind FROM jobs ORDER BY kind LIMIT 1)
             UNION ALL
             SELECT (SELECT kind FROM jobs WHERE kind > step.kind ORDER BY kind LIMIT 1) FROM step WHERE step.kind IS NOT NULL)
         SELECT kind FROM step WHERE kind IS NOT NULL",
    )
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.kind).collect())
}

impl JobFilter {
    /// The jobs of one call.
    #[must_use]
    pub fn of_session(session: SessionId) -> Self {
        Self { session: Some(session), ..Self::default() }
    }

    /// The same filter, naming all kinds when it names a call but no kind: the index on (kind, key) then finds the call's jobs.
    pub(super) async fn with_kinds(&self, connection: &mut Connection) -> Result<Self, StoreError> {
        let mut filter = self.clone();
        if filter.session.is_some() && filter.kinds.is_empty() {
            filter.kinds = kinds_in_ledger(connection).await?;
        }
        Ok(filter)
    }

    /// The states asked for; all when none is named.
    fn states(&self) -> Vec<JobState> {
        if self.states.is_empty() { JobState::ALL.to_vec() } else { self.states.clone() }
    }

    /// What a row of `jobs` must fulfil, in the parameters that `bind` binds.
    pub(super) fn condition(&self) -> String {
        let further = [
            (LAST_ERROR, self.error.is_some()),
            (PROVIDER, self.provider.is_some()),
            (QUEUE, self.queue.is_some()),
            (BATCH, self.batch.is_some()),
        ];
        std::iter::once(COLUMNS).chain(further.into_iter().filter(|(_, asked)| *asked).map(|(text, _)| text)).collect()
    }

    /// Begins a statement with the filter's parameters.
    pub(super) fn bind<'f>(&self, statement: String) -> Filtered<'f> {
        let states = self.states();
        let only_dead = states.iter().all(|state| *state == JobState::Dead);
        let only_open = states.iter().all(|state| matches!(state, JobState::Ready | JobState::Running));
        let texts = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
        diesel::sql_query(statement)
            .into_boxed::<Pg>()
            .bind::<sql_types::Nullable<sql_types::Array<sql_types::Text>>, _>(texts(&self.kinds))
            .bind::<sql_types::Array<sql_types::Text>, _>(states.iter().map(|state| state.as_str()).collect::<Vec<_>>())
            .bind::<sql_types::Bool, _>(!only_dead)
            .bind::<sql_types::Bool, _>(!only_open)
            .bind::<sql_types::Nullable<sql_types::Array<sql_types::Text>>, _>(texts(&self.reasons))
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.source.map(SourceName::as_str))
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.session.as_ref().map(|session| session.as_str().to_owned()))
            .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(self.since)
            .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(self.until)
            .bind::<sql_types::Nullable<sql_types::Array<sql_types::BigInt>>, _>(
                (!self.ids.is_empty()).then(|| self.ids.iter().map(|id| id.0).collect::<Vec<_>>()),
            )
            .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(self.created_since)
            .bind::<sql_types::Nullable<sql_types::Timestamptz>, _>(self.created_before)
            .bind::<sql_types::Nullable<sql_types::Integer>, _>(self.min_attempts.map(i32::from))
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.error.clone())
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.provider.clone())
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.queue.clone())
            .bind::<sql_types::Nullable<sql_types::Text>, _>(self.batch.clone())
    }
}
