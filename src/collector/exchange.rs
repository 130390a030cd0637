//! One request to the collector and what its answer means.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use reqwest::Method;
use url::Url;

use super::batch::refused;
use crate::{
    config::TraceSettings,
    outbound::{Client, ClientError, Limits, OutboundError, Response},
    telemetry::chain,
};

/// A collector that is there takes a connection at once.
const CONNECT: Duration = Duration::from_secs(5);
/// Answers have a few bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// The way to the collector.
#[derive(Debug)]
pub(super) struct Exchange {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be taken later.
    Passing {
        /// What happened.
        what: String,
        /// How long the collector asks for, if it does.
        wait: Option<Duration>,
    },
    /// It will never be.
    Refused {
        /// What happened.
        what: String,
    },
}

impl Trouble {
    /// The word in the figures.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Passing { .. } => "unreachable",
            Self::Refused { .. } => "refused",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing { what, .. } | Self::Refused { what } => f.write_str(what),
        }
    }
}

impl Exchange {
    pub(super) fn new(settings: &TraceSettings) -> Result<Self, ClientError> {
        let limits =
            Limits { connect: CONNECT.min(settings.timeout), idle: settings.timeout, total: Some(settings.timeout), decompress: false };
        let client = Client::through(&settings.network, "collector", limits)?.allowing_plain_http(&settings.endpoint).uncounted();
        let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-protobuf"));
        Ok(Self { client, endpoint: settings.endpoint.clone(), headers })
    }

    pub(super) fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }

    /// Sends a batch once; returns how many of its spans the collector refused.
    pub(super) async fn send(&self, body: Bytes) -> Result<usize, Trouble> {
        let answer = self.ask(body).await.map_err(|error| Trouble::Passing { what: chain(&error).to_string(), wait: None })?;
        let status = answer.status();
        if status.is_success() {
            // it has the spans, whatever becomes of the rest of its answer
            return Ok(answer.bytes(LARGEST_ANSWER).await.map_or(0, |answer| refused(&answer)));
        }
        let what = format!("it answered {status}");
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                let wait = answer.header("retry-after").and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
                Err(Trouble::Passing { what, wait })
            }
            _ => Err(Trouble::Refused { what }),
        }
    }

    async fn ask(&self, body: Bytes) -> Result<Response, OutboundError> {
        let request = self.client.request(Method::POST, &self.endpoint)?.headers(self.headers.clone()).body(body);
        self.client.send(request).await
    }
}
