//! `POST /v1/audio/transcriptions`, `GET /health`, and the log of both.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::answer::{Wanted, answer, stream as stream_of};
use super::errors::{OPENAI_LIMIT, Told, known, limit, no_model, too_large, unauthorised, unreadable};
use super::fault::{Fault, Known, Wait};
use super::limit::Allowance;
use super::spoil::spoilt;
use super::upload::{Upload, read};
use super::{Ask, Desk, Profile};
use crate::hearing::Heard;
use crate::hearing::Unheard;
use crate::requests::{Entry, Request as Logged, Watched};
use crate::server::Connection;

type Shared = State<Arc<Desk>>;

/// The gpt-4o models take no more.
const LONGEST_SECONDS: f64 = 1_400.0;
/// Whisper takes no less.
const SHORTEST_SECONDS: f64 = 0.1;
/// Largest answer that is cut on purpose.
const CUT_LIMIT: usize = 64 * 1024 * 1024;

pub(super) async fn log(State(desk): Shared, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let entry = Arc::new(desk.requests.begin(Logged {
        at: desk.clock.now(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        status: 0,
        org_id: None,
        had_authorization: request.headers().contains_key(header::AUTHORIZATION),
        range: None,
        bytes_received: 0,
    }));
    request.extensions_mut().insert(Arc::clone(&entry));
    let number = desk.requests.total();
    let allowance = if request.method() == Method::POST { Some(Allowance::take(&desk)) } else { None };
    if let Some(allowance) = allowance {
        request.extensions_mut().insert(allowance);
    }
    let mut answer = next.run(request).await;
    entry.note(|logged| logged.status = answer.status().as_u16());
    let told = [("x-request-id", format!("req_{number:08}")), ("openai-processing-ms", began.elapsed().as_millis().to_string())];
    let headers = told.into_iter().chain(allowance.into_iter().flat_map(Allowance::headers));
    for (name, value) in headers.filter(|_| desk.plan.profile == Profile::OpenAi) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer.map(|body| Body::new(Watched::new(body, entry)))
}

pub(super) async fn health(State(desk): Shared) -> Response {
    // whisper.cpp answers from the same threads that are busy
    let _turn = if desk.faults.strikes(&[], &Fault::SingleFlight) { desk.one_at_a_time.acquire().await.ok() } else { None };
    axum::Json(json!({"status": "ok"})).into_response()
}

pub(super) async fn models(State(desk): Shared) -> Response {
    let models = desk.plan.models.iter().map(String::as_str).chain(["whisper-1"]);
    let list: Vec<_> = models.map(|id| json!({"id": id, "object": "model", "owned_by": "simulator"})).collect();
    axum::Json(json!({"object": "list", "data": list})).into_response()
}

pub(super) async fn transcribe(
    State(desk): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Extension(entry): Extension<Arc<Entry>>,
    Extension(allowance): Extension<Allowance>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let Some(upload) = read(request, !desk.plan.answer_at_once).await else {
        return unreadable(desk.plan.profile, Known::InvalidFileFormat, &no_audio());
    };
    entry.note(|logged| logged.bytes_received = upload.body_bytes);
    if desk.faults.strikes(&[], &Fault::Deadlock) {
        std::future::pending::<()>().await;
    }
    let alone = desk.plan.profile == Profile::WhisperCpp || desk.faults.strikes(&[], &Fault::SingleFlight);
    let _turn = if alone { desk.one_at_a_time.acquire().await.ok() } else { None };
    tokio::time::sleep(desk.plan.takes).await;
    let answer = match allowance.left {
        Some(_) => decide(&desk, &headers, &upload, connection).await,
        None => known(Known::RateLimited(Wait::Absent), &no_audio()),
    };
    if upload.file_name.is_some() {
        desk.note(Ask {
            sha256: upload.sha256.clone(),
            bytes: upload.file_bytes,
            model: upload.field("model").unwrap_or_default().to_owned(),
            language: upload.field("language").map(str::to_owned),
            heard: upload.heard.as_ref().map(Heard::text).unwrap_or_default(),
            status: answer.status().as_u16(),
        });
    }
    answer
}

fn no_audio() -> Told<'static> {
    Told { model: "", format: "json", seconds: 0.0, bytes: 0, limit: OPENAI_LIMIT }
}

async fn decide(desk: &Desk, headers: &HeaderMap, upload: &Upload, connection: Connection) -> Response {
    let profile = desk.plan.profile;
    let model = upload.field("model").unwrap_or_default();
    let format = match (upload.field("response_format").unwrap_or_default(), profile) {
        ("", Profile::LocalAi) => "verbose_json",
        ("" | "diarized_json", Profile::WhisperCpp) | ("", _) => "json",
        (format, _) => format,
    };
    let seconds = upload.heard.as_ref().map_or(0.0, |heard| heard.seconds);
    let told = Told { model, format, seconds, bytes: upload.body_bytes, limit: limit(profile).unwrap_or(OPENAI_LIMIT) };
    let words: BTreeSet<&str> = upload.heard.iter().flat_map(|heard| &heard.words).map(|word| word.text.as_str()).collect();
    let keys: Vec<&str> = words.into_iter().collect();
    if let Some(refused) = refused(desk, headers, upload, &told) {
        return refused;
    }
    if let Some(error) = desk.faults.strike(&keys, |fault| if let Fault::Error(error) = fault { Some(*error) } else { None }) {
        return known(error, &told);
    }
    let cut = desk.faults.strike(&keys, |fault| if let Fault::ConnectionCut { after } = fault { Some(*after) } else { None });
    if let Some(after) = cut {
        tokio::time::sleep(after).await;
        connection.cut();
        return StatusCode::OK.into_response();
    }
    let heard = match &upload.heard {
        Ok(heard) => heard.clone(),
        Err(Unheard::NotWav) => return unreadable(profile, Known::InvalidFileFormat, &told),
        Err(Unheard::Undecodable) => return unreadable(profile, Known::Undecodable, &told),
    };
    let slow = desk.faults.strike(&keys, |fault| if let Fault::Slow { factor } = fault { Some(*factor) } else { None });
    if let Some(factor) = slow {
        tokio::time::sleep(Duration::from_secs_f64((seconds * factor).max(0.0))).await;
    }
    let answer = said(desk, upload, &told, &keys, heard);
    match desk.faults.strike(&keys, |fault| if let Fault::DisconnectAt { byte } = fault { Some(*byte) } else { None }) {
        Some(byte) => {
            let whole = to_bytes(answer.into_body(), CUT_LIMIT).await.unwrap_or_default();
            broken(connection, whole.slice(..byte.min(whole.len())), whole.len())
        }
        None => answer,
    }
}

/// What a healthy server refuses.
fn refused(desk: &Desk, headers: &HeaderMap, upload: &Upload, told: &Told<'_>) -> Option<Response> {
    let profile = desk.plan.profile;
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if profile != Profile::WhisperCpp && desk.plan.api_key.as_deref().is_some_and(|wanted| key != Some(wanted)) {
        return Some(unauthorised(profile, told));
    }
    if let Some(too_large) = too_large(profile, told) {
        return Some(too_large);
    }
    let has_model = told.model == "whisper-1" || desk.plan.models.iter().any(|each| each == told.model);
    if !has_model && matches!(profile, Profile::OpenAi | Profile::Speaches | Profile::Vllm) {
        return Some(no_model(profile, told));
    }
    let name = upload.file_name.as_deref().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    // whisper.cpp decodes no Opus
    let takes_ogg = profile != Profile::WhisperCpp && name.ends_with(".ogg");
    if !name.ends_with(".wav") && !takes_ogg {
        return Some(unreadable(profile, Known::InvalidFileFormat, told));
    }
    if profile != Profile::OpenAi {
        return None;
    }
    let diarizes = told.model.contains("diarize");
    let takes_format = match told.model {
        "whisper-1" => matches!(told.format, "json" | "text" | "srt" | "verbose_json" | "vtt"),
        _ if diarizes => matches!(told.format, "json" | "text" | "diarized_json"),
        _ => matches!(told.format, "json" | "text"),
    };
    let row = if !takes_format {
        Known::FormatNotSupported
    } else if diarizes && upload.field("chunking_strategy").is_none() {
        Known::ChunkingRequired
    } else if upload.heard.is_ok() && told.seconds < SHORTEST_SECONDS {
        Known::TooShort
    } else if told.model != "whisper-1" && told.seconds > LONGEST_SECONDS {
        Known::TooLong
    } else {
        return None;
    };
    Some(known(row, told))
}

/// The answer to audio that was heard, with the faults that change what is told.
fn said(desk: &Desk, upload: &Upload, told: &Told<'_>, keys: &[&str], heard: Heard) -> Response {
    let profile = desk.plan.profile;
    let spoilt = spoilt(desk, keys, heard);
    if upload.field("stream") == Some("true") && told.model != "whisper-1" && profile == Profile::OpenAi {
        return stream_of(&spoilt.heard, !desk.faults.strikes(keys, &Fault::StreamWithoutDone));
    }
    let wrong = desk.faults.strikes(keys, &Fault::WrongLanguage);
    let name = matches!(profile, Profile::OpenAi | Profile::WhisperCpp) != desk.faults.strikes(keys, &Fault::LanguageOtherForm);
    // who is told a language answers in it
    let is_welsh = (upload.field("language") == Some("cy")) != wrong;
    let language = match (is_welsh, name) {
        (false, true) => "english",
        (false, false) => "en",
        (true, true) => "welsh",
        (true, false) => "cy",
    };
    let granularities: Vec<&str> = upload.all("timestamp_granularities").collect();
    let wanted = Wanted {
        profile,
        format: told.format,
        words: granularities.contains(&"word"),
        segments: granularities.is_empty() || granularities.contains(&"segment"),
        by_tokens: told.model != "whisper-1",
        language: language.to_owned(),
        invented: spoilt.invented,
    };
    answer(&wanted, &spoilt.heard)
}

/// An answer whose connection is cut before the `promised` bytes are out.
fn broken(connection: Connection, sent: Bytes, promised: usize) -> Response {
    connection.reset_at_end();
    let pieces = [Ok(sent), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    let paced = stream::iter(pieces).then(|piece| async {
        // what was sent must reach the client before the cut does
        tokio::time::sleep(Duration::from_millis(50)).await;
        piece
    });
    let mut answer = Response::new(Body::from_stream(paced));
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(promised));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
