//! What a search over 100,000 transcripts takes, and what a comparison of an hour's talk takes:
//! `cargo bench -p callscribe-benches --bench search`, on a private PostgreSQL.
//!
//! The transcripts are 300 words in 20 turns, of 3,000 words that come as unevenly as words do, and of four that we put in: said in
//! nearly every call, in most, in one of thirty and in one of some thousands. The goal is a p95 below 100 ms for each search, snippets
//! and times included, on a warm cache.
#![expect(clippy::print_stdout, reason = "a benchmark talks to a terminal")]

use std::time::{Duration, Instant};

use anyhow::Result;
use callscribe::{
    config::DatabaseSettings,
    embedded::{Durability, EmbeddedOptions, Services},
    store::{
        self, Store,
        search::{SearchFilter, find},
    },
    transcript::{Document, Turn, compare},
};
use chrono::{DateTime, Utc};
use diesel_async::SimpleAsyncConnection;

/// Times each search is done.
const ROUNDS: usize = 40;
/// Calls that a search shows.
const LIMIT: i64 = 20;

const TRANSCRIPTS: &str = "
    SET statement_timeout = 0;
    INSERT INTO call_interactions (session_id, source, start_time, closed, transcript_status, queue_name, agent_name, raw_payload)
        SELECT 'c' || n, 'webex', timestamptz '2026-11-01' - n * interval '5 minutes', true, 'complete', 'Q_' || n % 10, 'Agent ' || n % 300, '{}'
        FROM generate_series(1, 100000) AS n;
    INSERT INTO call_transcripts (id, session_id, provider, status, language, transcript_text, transcript_json, completed_at)
        SELECT gen_random_uuid(), 'c' || n, 'whisper', 'complete', 'en', '', jsonb_build_object(
            'version', 2, 'provider', 'whisper', 'model', 'whisper-1', 'language', 'en', 'audio_seconds', 120, 'repairs', 0,
            'checks', jsonb_build_object('flags', '[]'::jsonb, 'measures', '{}'::jsonb), 'turns', said.turns), now()
        FROM generate_series(1, 100000) AS n CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object('speaker', CASE t % 2 WHEN 0 THEN 'agent' ELSE 'customer' END, 'start', t * 6, 'end', t * 6 + 5,
                                                'text', words.text)) AS turns
            FROM generate_series(0, 19) AS t CROSS JOIN LATERAL (
                SELECT string_agg(CASE WHEN r < 0.01 THEN 'thank' WHEN r < 0.013 THEN 'order' WHEN r < 0.0131 THEN 'refund'
                                       WHEN r < 0.013101 THEN 'chargeback' ELSE 'w' || floor(3000 * r * r * r) END, ' ') AS text
                FROM (SELECT random() AS r FROM generate_series(1, 15) AS g WHERE t + n + g > 0) AS each) AS words) AS said;
    INSERT INTO transcript_search (transcript_id, session_id, leg, version, started_at, queue_name, source, config, words)
        SELECT t.id, t.session_id, t.leg, t.version, c.start_time, c.queue_name, c.source, 'english',
               to_tsvector('english', (SELECT string_agg(turn ->> 'text', ' ') FROM jsonb_array_elements(t.transcript_json -> 'turns') AS turn))
        FROM call_transcripts AS t JOIN call_interactions AS c USING (session_id);
    VACUUM ANALYZE";

/// Words to search for, with what they are among.
const SEARCHES: &[(&str, &str)] = &[
    ("in nearly every call", "thank"),
    ("in most calls", "order"),
    ("in one of thirty", "refunds"),
    ("in one of thousands", "chargeback"),
    ("two common words", "thank order"),
    ("common without common", "thank -order"),
    ("a common phrase", "\"thank order\""),
    ("either of two", "refund or chargeback"),
    ("in no call", "zebra"),
];

#[tokio::main]
async fn main() -> Result<()> {
    comparison();
    let data_dir = tempfile::tempdir()?;
    let options = EmbeddedOptions { data_dir: data_dir.path().to_owned(), durability: Durability::Throwaway, max_connections: 10 };
    let services = Services::start(options).await?;
    let patient = DatabaseSettings { statement_timeout: Duration::from_mins(30), ..DatabaseSettings::for_url(services.database_url()) };
    let store = Store::new(patient)?;
    store::migrate(&store).await?;
    let began = Instant::now();
    for statement in TRANSCRIPTS.split(";\n") {
        store.connection().await?.batch_execute(statement).await?;
    }
    println!("100,000 transcripts made and indexed in {:.0} s; the {LIMIT} latest calls of each search:", began.elapsed().as_secs_f64());
    let since: DateTime<Utc> = "2026-10-01T00:00:00Z".parse()?;
    let narrow = SearchFilter { queue: Some("Q_3".to_owned()), since: Some(since), ..SearchFilter::default() };
    let mut all = Vec::new();
    for (name, filter) in [("", SearchFilter::default()), (", one queue, a month", narrow)] {
        for (about, query) in SEARCHES {
            let took = times(&store, query, &filter).await?;
            let label = format!("{about}{name}");
            println!("  {label:<44} {}", told(&took));
            all.extend(took);
        }
    }
    let label = "all of them";
    println!("  {label:<44} {}   goal: p95 below 100", told(&all));
    drop(store);
    services.stop().await;
    Ok(())
}

/// How long each round of a search takes.
async fn times(store: &Store, query: &str, filter: &SearchFilter) -> Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        find(&mut *store.connection().await?, query, filter, LIMIT).await?;
        took.push(began.elapsed());
    }
    Ok(took)
}

/// Median, p95 and worst.
fn told(took: &[Duration]) -> String {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default();
    format!("median {:>6.1} ms   p95 {:>6.1} ms   worst {:>6.1} ms", milliseconds(at(50)), milliseconds(at(95)), milliseconds(at(100)))
}

/// Compares an hour's talk, 10,000 words, with one of which so many in a hundred are others.
fn comparison() {
    let word = |at: u32| format!("w{}", at.wrapping_mul(2_654_435_761) % 3_000);
    let document = |words: Vec<String>| {
        let turns = words.chunks(15).map(|words| Turn { text: words.join(" "), ..Turn::default() }).collect();
        Document { turns, ..Document::new("whisper", "whisper-1", 3_600.0) }
    };
    let truth = document((0..10_000).map(word).collect());
    for percent in [2, 10, 40] {
        let other = document((0..10_000).map(|at| if at % 100 < percent { format!("x{at}") } else { word(at) }).collect());
        let began = Instant::now();
        let compared = compare(&truth, &other);
        let rate = compared.word_error_rate.unwrap_or_default() * 100.0;
        println!("an hour compared, word error rate {rate:>4.1} %: {:.0} ms", milliseconds(began.elapsed()));
    }
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
