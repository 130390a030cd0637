//! The client: what every request we make has in common.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use reqwest::{Certificate, Method, NoProxy, Proxy, RequestBuilder, Url, redirect, retry};
use secrecy::ExposeSecret;
use tracing::{Instrument, field};

use super::Response;
use crate::{
    config::NetworkSettings,
    telemetry::{metrics, traces},
};

/// How long a request may take. A vendor that hangs must not hold a job for ever.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Opening the connection, TLS included.
    pub connect: Duration,
    /// Silence between two reads, the wait for the answer's head included.
    pub idle: Duration,
    /// The whole exchange; `None` for downloads, whose length nobody knows.
    pub total: Option<Duration>,
    /// Whether to ask for gzip and undo it; wrong for files fetched by range.
    pub decompress: bool,
}

impl Limits {
    /// For APIs that answer with JSON: the slowest vendor answers seen take 10–60 s.
    pub const API: Self =
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(60), total: Some(Duration::from_mins(2)), decompress: true };
    /// For files: as long as bytes keep coming.
    pub const DOWNLOAD: Self = Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30), total: None, decompress: false };
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for {vendor} cannot be built")]
pub struct ClientError {
    /// For whom.
    vendor: &'static str,
    /// Why.
    #[source]
    why: reqwest::Error,
}

/// A request that got no answer, or lost it half way. No variant tells a URL: queries hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Plain http to a host that is neither loopback nor configured.
    #[error("plain http to `{host}` is refused: only loopback and configured addresses may do without TLS")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// The request could not be put together.
    #[error("the request cannot be built")]
    Request(#[source] reqwest::Error),
    /// No certificates to check TLS against.
    #[error("TLS is not available on this machine: {why}; install `ca-certificates`")]
    NoTls {
        /// What the TLS library said.
        why: String,
    },
    /// No connection.
    #[error("cannot connect to `{host}`")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        #[source]
        why: reqwest::Error,
    },
    /// Nobody we trust vouches for the other side.
    #[error(
        "the certificate of `{host}` is not trusted: {why}; if it is that of your proxy or of a server of your own, \
         name its authority's certificate in `CALLSCRIBE_CA_BUNDLE`"
    )]
    Untrusted {
        /// The host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The answer did not come in time.
    #[error("`{host}` did not answer in time")]
    TimedOut {
        /// The host.
        host: String,
        /// Which of the limits.
        #[source]
        why: reqwest::Error,
    },
    /// The connection broke.
    #[error("the exchange with `{host}` broke off")]
    Broken {
        /// The host.
        host: String,
        /// Why.
        #[source]
        why: reqwest::Error,
    },
    /// The answer is larger than we take.
    #[error("the answer of `{host}` is larger than {most} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The bound.
        most: usize,
    },
}

impl OutboundError {
    pub(super) fn of(host: &str, why: reqwest::Error) -> Self {
        let host = host.to_owned();
        let why = why.without_url();
        if why.is_builder() {
            Self::Request(why)
        } else if let Some(why) = distrust(&why) {
            Self::Untrusted { host, why }
        } else if why.is_connect() {
            Self::Connect { host, why }
        } else if why.is_timeout() {
            Self::TimedOut { host, why }
        } else {
            Self::Broken { host, why }
        }
    }

    /// `what failed: why: why that`, for errors of others that hold only text.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Nobody was there to ask, so that nothing of the request had a part in it.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        match self {
            Self::NoTls { .. } | Self::PlainHttp { .. } | Self::Connect { .. } | Self::Untrusted { .. } => true,
            Self::Request(_) | Self::TimedOut { .. } | Self::Broken { .. } | Self::TooLarge { .. } => false,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::PlainHttp { .. } | Self::Request(_) => "refused",
            Self::NoTls { .. } | Self::Connect { .. } => "connect",
            Self::Untrusted { .. } => "untrusted",
            Self::TimedOut { .. } => "timeout",
            Self::Broken { .. } => "broken",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// The client for one vendor. Cloning it clones a handle; connections are shared.
#[derive(Debug, Clone)]
pub struct Client {
    vendor: &'static str,
    /// For loopback: no proxy, no certificates.
    direct: reqwest::Client,
    /// For everyone else. A machine without certificates can still run the demo, so the failure is kept until it matters.
    public: Result<reqwest::Client, String>,
    plain_hosts: Vec<String>,
    paths_are_secret: bool,
    is_counted: bool,
}

impl Client {
    /// A client whose requests are counted under `vendor`; the process's own environment says through which proxy they go.
    pub fn new(vendor: &'static str, limits: Limits) -> Result<Self, ClientError> {
        Self::through(&NetworkSettings::default(), vendor, limits)
    }

    /// The same with the way out that the settings say. Loopback is asked directly, whatever they say.
    pub fn through(network: &NetworkSettings, vendor: &'static str, limits: Limits) -> Result<Self, ClientError> {
        // an error means that a provider is there already, which is all we want
        let _ = rustls::crypto::ring::default_provider().install_default();
        let direct = builder(limits).no_proxy().tls_certs_only([]).build().map_err(|why| ClientError { vendor, why })?;
        let public = routed(builder(limits), network).and_then(reqwest::ClientBuilder::build).map_err(|error| chain(&error));
        Ok(Self { vendor, direct, public, plain_hosts: Vec::new(), paths_are_secret: false, is_counted: true })
    }

    /// Allows plain http to the host of `base`, because someone configured it by name.
    #[must_use]
    pub fn allowing_plain_http(mut self, base: &Url) -> Self {
        self.plain_hosts.extend(base.host_str().map(str::to_owned));
        self
    }

    /// Keeps paths out of the logs: whoever knows the address of an incoming webhook may write to it.
    #[must_use]
    pub fn keeping_paths_secret(mut self) -> Self {
        self.paths_are_secret = true;
        self
    }

    /// Leaves its requests out of the figures of vendors, because it asks none.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.is_counted = false;
        self
    }

    /// Allows plain http to `host`, because someone configured it by name.
    #[must_use]
    pub fn allowing_plain_host(mut self, host: &str) -> Self {
        self.plain_hosts.push(host.to_owned());
        self
    }

    /// Why nobody but loopback can be asked, if so: no certificates to check TLS against, a proxy that is none.
    #[must_use]
    pub fn tls_trouble(&self) -> Option<&str> {
        self.public.as_ref().err().map(String::as_str)
    }

    /// Begins a request; `send` ends it.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, OutboundError> {
        let host = url.host_str().unwrap_or_default();
        let plain = url.scheme() == "http";
        if plain && is_loopback(url) {
            return Ok(self.direct.request(method, url.clone()));
        }
        if plain && !self.plain_hosts.iter().any(|known| known == host) {
            return Err(OutboundError::PlainHttp { host: host.to_owned() });
        }
        match &self.public {
            Ok(client) => Ok(client.request(method, url.clone())),
            Err(why) => Err(OutboundError::NoTls { why: why.clone() }),
        }
    }

    /// Sends the request once and waits for the head of the answer. Any status is an answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, OutboundError> {
        let (http, request) = request.build_split();
        let request = request.map_err(|why| OutboundError::Request(why.without_url()))?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let open_path = (!self.paths_are_secret).then(|| request.url().path());
        let path = open_path.unwrap_or("[secret]");
        let trace = traces::sent(self.vendor, request.method().as_str(), request.url(), open_path);
        let span = tracing::debug_span!(
            "outbound", vendor = self.vendor, http.method = %request.method(), http.host = %host, http.path = path,
            http.status = field::Empty, duration_ms = field::Empty,
        );
        let started = Instant::now();
        let sending = http.execute(request).instrument(trace.clone()).instrument(span.clone());
        let answer = sending.await.map_err(|why| OutboundError::of(&host, why));
        let status = answer.as_ref().map(|answer| answer.status().as_u16());
        traces::sent_status(&trace, status.map_err(|error| (error.word(), error)));
        self.tell(&span, started.elapsed(), &answer);
        Ok(Response::new(host, answer?))
    }

    fn tell(&self, span: &tracing::Span, took: Duration, answer: &Result<reqwest::Response, OutboundError>) {
        let status = match answer {
            Ok(answer) => answer.status().as_str().to_owned(),
            Err(error) => error.word().to_owned(),
        };
        span.record("http.status", status.as_str());
        span.record("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        span.in_scope(|| tracing::debug!("vendor answered"));
        if self.is_counted {
            metrics::vendor_answered(self.vendor, status, took);
        }
    }
}

/// Connections kept open per host: more than any worker's concurrency makes no difference, none costs a handshake per request.
const IDLE_CONNECTIONS: usize = 32;
/// Shorter than the idle time-out of usual load balancers (60 s), so that we close before they do.
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(45);

fn builder(limits: Limits) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("callscribe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .read_timeout(limits.idle)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_CONNECTION_LIFE)
        .redirect(redirect::Policy::none())
        // retries belong to the ledger, where they are counted
        .retry(retry::never())
        .referer(false)
        .gzip(limits.decompress);
    match limits.total {
        Some(total) => builder.timeout(total),
        None => builder,
    }
}

/// What no proxy is asked for, beside `NO_PROXY`.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The builder with proxies and authorities. Without proxies in the settings the system's are left as they are.
fn routed(mut builder: reqwest::ClientBuilder, network: &NetworkSettings) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let direct = network.no_proxy.as_ref().map_or_else(|| THIS_MACHINE.to_owned(), |hosts| format!("{hosts},{THIS_MACHINE}"));
    let direct = NoProxy::from_string(&direct);
    if let Some(proxy) = &network.https_proxy {
        builder = builder.proxy(Proxy::https(proxy.expose_secret())?.no_proxy(direct.clone()));
    }
    if let Some(proxy) = &network.http_proxy {
        builder = builder.proxy(Proxy::http(proxy.expose_secret())?.no_proxy(direct));
    }
    match &network.authorities {
        Some(pem) => Ok(builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?)),
        None => Ok(builder),
    }
}

/// What is wrong with the other side's certificate, if that is what went wrong.
fn distrust(error: &reqwest::Error) -> Option<String> {
    const MARK: &str = "invalid peer certificate: ";
    let text = chain(error);
    text.split_once(MARK).map(|(_, why)| why.to_owned())
}

/// Whether the URL points at this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(why) = next {
        text = format!("{text}: {why}");
        next = why.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client::new("test", Limits::API).unwrap()
    }

    #[test]
    fn plain_http_is_for_loopback_and_for_hosts_named_in_the_settings() {
        let elsewhere = Url::parse("http://vendor.example/v1").unwrap();
        assert!(matches!(client().request(Method::GET, &elsewhere), Err(OutboundError::PlainHttp { host }) if host == "vendor.example"));
        for local in ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"] {
            assert!(client().request(Method::GET, &Url::parse(local).unwrap()).is_ok(), "{local}");
        }
        let named = client().allowing_plain_http(&elsewhere).request(Method::GET, &elsewhere);
        assert!(!matches!(named, Err(OutboundError::PlainHttp { .. })));
    }

    #[tokio::test]
    async fn an_error_never_tells_the_query() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/x?token=s3cret", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        let error = client().send(client().request(Method::GET, &url).unwrap()).await.unwrap_err();
        assert!(matches!(error, OutboundError::Connect { .. }), "{error:?}");
        assert!(!format!("{error:?} {}", chain(&error)).contains("s3cret"));
    }
}
