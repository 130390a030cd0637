//! A collector of the test's own: takes OTLP in protobuf over HTTP, as any other, and keeps what it was told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::span::SpanKind,
};
use prost::Message;
use tokio::net::TcpListener;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) trace: String,
    pub(super) id: String,
    /// The span above it in its trace; empty for the first.
    pub(super) parent: String,
    /// Trace and span of everything it follows from.
    pub(super) links: Vec<(String, String)>,
    pub(super) attributes: BTreeMap<String, String>,
    /// 0 unset, 1 good, 2 failed.
    pub(super) status: i32,
    pub(super) message: String,
    /// What is said of the process that it comes from.
    pub(super) resource: BTreeMap<String, String>,
}

impl Told {
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Told>,
    /// Every request, byte for byte.
    bodies: Vec<u8>,
    /// The header `x-tenant` of the last.
    tenant: String,
}

/// What a collector does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Takes,
    /// Accepts the connection and never answers.
    Hangs,
}

#[derive(Debug, Clone)]
pub(super) struct Collector {
    url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let routes = Router::new().route("/v1/traces", post(take)).with_state((manner, kept.clone()));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, kept }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn spans(&self) -> Vec<Told> {
        self.kept.lock().unwrap().spans.clone()
    }

    pub(super) fn tenant(&self) -> String {
        self.kept.lock().unwrap().tenant.clone()
    }

    /// Whether any request held these bytes.
    pub(super) fn was_told(&self, text: &str) -> bool {
        let kept = self.kept.lock().unwrap();
        kept.bodies.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

async fn take(State((manner, kept)): State<(Manner, Arc<Mutex<Kept>>)>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    if manner == Manner::Hangs {
        std::future::pending::<()>().await;
    }
    if headers["content-type"] != "application/x-protobuf" {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, Vec::new());
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else { return (StatusCode::BAD_REQUEST, Vec::new()) };
    let mut kept = kept.lock().unwrap();
    kept.bodies.extend_from_slice(&body);
    kept.tenant = headers.get("x-tenant").map(|tenant| tenant.to_str().unwrap().to_owned()).unwrap_or_default();
    for group in request.resource_spans {
        let resource = texts(&group.resource.unwrap().attributes);
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.clone().unwrap_or_default();
            kept.spans.push(Told {
                kind: span.kind(),
                name: span.name,
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                links: span.links.iter().map(|link| (hex::encode(&link.trace_id), hex::encode(&link.span_id))).collect(),
                attributes: texts(&span.attributes),
                status: status.code,
                message: status.message,
                resource: resource.clone(),
            });
        }
    }
    (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec())
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |each: &KeyValue| match each.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|each| (each.key.clone(), text(each))).collect()
}
