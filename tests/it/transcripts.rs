//! Transcripts once they are there: what people and other programs get of them.

mod compare;
mod export;
mod search;

use chrono::{DateTime, Utc};
use diesel::sql_types;
use diesel_async::RunQueryDsl;

use crate::harness::TestDatabase;

/// A call of queue `Q_Support` that began at `minute`, with a complete transcript of these turns, speaker, start, end and text of each.
async fn transcribed_call(database: &TestDatabase, session: &str, minute: u32, version: i32, turns: &[(&str, f64, f64, &str)]) {
    let turns: Vec<_> = turns
        .iter()
        .map(|(speaker, start, end, text)| serde_json::json!({"speaker": speaker, "start": start, "end": end, "text": text}))
        .collect();
    let document = serde_json::json!({
        "version": 2, "provider": "whisper", "model": "whisper-1", "language": "en", "audio_seconds": 60.0, "turns": turns,
        "repairs": 0, "checks": {"flags": [], "measures": {}}
    });
    let document = callscribe::transcript::read(&document).unwrap();
    call(database, session, minute).await;
    let store = database.store();
    diesel::sql_query(
        "INSERT INTO call_transcripts (id, session_id, version, provider, status, language, transcript_text, transcript_json, completed_at)
         VALUES (gen_random_uuid(), $1, $2, 'whisper', 'complete', 'en', $3, $4, now())",
    )
    .bind::<sql_types::Text, _>(session)
    .bind::<sql_types::Integer, _>(version)
    .bind::<sql_types::Text, _>(callscribe::transcript::text(&document))
    .bind::<sql_types::Jsonb, _>(serde_json::to_value(&document).unwrap())
    .execute(&mut *store.connection().await.unwrap())
    .await
    .unwrap();
}

/// A call without a transcript, if it is not there yet.
async fn call(database: &TestDatabase, session: &str, minute: u32) {
    let began: DateTime<Utc> = format!("2026-11-02T09:{minute:02}:00Z").parse().unwrap();
    let store = database.store();
    diesel::sql_query(
        "INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, queue_name, direction, ani, raw_payload)
         VALUES ($1, 'webex', $2, true, 'pending', 'Q_Support', 'inbound', '+15550199', '{}') ON CONFLICT DO NOTHING",
    )
    .bind::<sql_types::Text, _>(session)
    .bind::<sql_types::Timestamptz, _>(began)
    .execute(&mut *store.connection().await.unwrap())
    .await
    .unwrap();
}
