//! `store::calls` against PostgreSQL: how versions of calls become rows.

mod locks;
mod order;
mod rules;
mod schema;

use callscribe::{
    domain::{Call, Direction, EndTimeSource, SessionId, SourceName},
    store::{Connection, calls},
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryableByName, sql_types};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};

/// Who transcribes in these tests.
const PROVIDER: &str = "whisper";

/// A moment that all tests count from.
fn noon() -> DateTime<Utc> {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

/// A call as the vendor tells it `age` minutes after its start: open, without an agent.
fn open_call(session: &str, age: i64) -> Call {
    Call {
        session_id: SessionId::parse(session).unwrap(),
        source: SourceName::Webex,
        org_id: None,
        channel: Call::TELEPHONY.to_owned(),
        case_number: None,
        direction: Some(Direction::Inbound),
        ani: Some("+15550100".to_owned()),
        dnis: Some("+15550101".to_owned()),
        agent_id: None,
        agent_name: None,
        queue_id: None,
        queue_name: None,
        start_time: noon(),
        end: None,
        wrap_up_code: None,
        vendor_status: Some("assigned".to_owned()),
        closed: false,
        capture_requested: None,
        source_updated_at: Some(noon() + minutes(age)),
        raw_payload: json!({ "id": session, "age": age }),
        details: None,
    }
}

/// The same call, over, as told `age` minutes after its start.
pub(crate) fn closed_call(session: &str, age: i64) -> Call {
    Call {
        closed: true,
        vendor_status: Some("completed".to_owned()),
        agent_id: Some("agent-7".to_owned()),
        capture_requested: Some(true),
        end: Some((noon() + minutes(age), EndTimeSource::LastUpdated)),
        ..open_call(session, age)
    }
}

async fn store(connection: &mut Connection, call: Call) -> calls::UpsertReport {
    calls::upsert(connection, &[call], PROVIDER).await.unwrap()
}

#[derive(QueryableByName)]
struct Json {
    #[diesel(sql_type = sql_types::Jsonb)]
    value: Value,
}

/// What a query that selects one `value` says.
async fn ask(connection: &mut Connection, query: &str) -> Value {
    let row: Json = diesel::sql_query(query).get_result(connection).await.unwrap();
    row.value
}

/// A call's row.
async fn row(connection: &mut Connection, session: &str) -> Value {
    ask(connection, &format!("SELECT to_jsonb(c) AS value FROM call_interactions c WHERE session_id = '{session}'")).await
}
