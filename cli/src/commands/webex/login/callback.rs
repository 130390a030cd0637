//! The local end of a login: a server on loopback that the browser comes back to, and the pages it shows.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// How long the last page may take to reach the browser.
const FAREWELL: Duration = Duration::from_secs(2);
/// Answers of browsers that wait for theirs; more are nonsense.
const WAITING: usize = 16;

/// A browser that came back, and waits for its page.
pub(super) struct Callback {
    /// What the address carried.
    pub(super) parameters: HashMap<String, String>,
    /// Where to show what came of it.
    pub(super) page: Browser,
}

/// A browser that waits.
pub(super) struct Browser(oneshot::Sender<Page>);

impl Browser {
    /// Shows the page; a person who closed the window reads the terminal.
    pub(super) fn show(self, page: Page) {
        let _ = self.0.send(page);
    }
}

/// What the person sees.
pub(super) struct Page {
    status: StatusCode,
    title: &'static str,
    text: String,
    advice: String,
}

impl Page {
    pub(super) fn success(org_id: &str) -> Self {
        let text = format!("Callscribe may now read the calls of organisation {org_id}.");
        Self { status: StatusCode::OK, title: "Logged in", text, advice: "You can close this window.".to_owned() }
    }

    pub(super) fn failure(what: &impl std::fmt::Display, advice: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "Not logged in", text: what.to_string(), advice: advice.to_owned() }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let body = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · Callscribe</title><style>body{{font:16px/1.5 \
             system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}}p{{color:#444}}</style></head><body><h1>{title}</h1>\
             <p>{text}</p><p>{advice}</p></body></html>\n",
            title = self.title,
            text = escaped(&self.text),
            advice = escaped(&self.advice),
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
            (header::CONNECTION, "close"),
        ];
        (self.status, headers, body).into_response()
    }
}

/// What Webex wrote into the address is shown as text and never as markup.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
        escaped
    })
}

struct Desk {
    path: String,
    came: mpsc::Sender<Callback>,
}

/// The server.
pub(super) struct Server {
    /// The port it listens on.
    pub(super) port: u16,
    callbacks: mpsc::Receiver<Callback>,
    stop: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Server {
    /// Listens on `port` of 127.0.0.1 and, where there is one, of ::1: browsers take `localhost` for either.
    pub(super) async fn listen(port: u16, path: &str) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
            let what = format!("cannot listen on port {port} of this machine: {error}");
            Failure::with_hint(what, "end what holds the port, take another that the integration has with `--port`, or use `--headless`")
        })?;
        let port = listener.local_addr()?.port();
        let (came, callbacks) = mpsc::channel(WAITING);
        let router = Router::new().fallback(callback).with_state(Arc::new(Desk { path: path.to_owned(), came }));
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let other = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await.ok();
        for listener in [Some(listener), other].into_iter().flatten() {
            let (router, stop) = (router.clone(), stop.clone());
            tasks.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await });
        }
        Ok(Self { port, callbacks, stop, tasks })
    }

    /// The next browser that comes back.
    pub(super) async fn next(&mut self) -> Result<Callback, Failure> {
        let gone = || Failure::with_hint("the local server ended", "use `--headless`");
        self.callbacks.recv().await.ok_or_else(gone)
    }

    /// Lets the last page out and ends.
    pub(super) async fn close(mut self) {
        self.stop.cancel();
        // a browser that does not read its page is not waited for
        let _ = timeout(FAREWELL, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

async fn callback(State(desk): State<Arc<Desk>>, uri: Uri, query: Result<Query<HashMap<String, String>>, impl Sized>) -> Response {
    if uri.path() != desk.path {
        return StatusCode::NOT_FOUND.into_response();
    }
    let parameters = query.map(|Query(parameters)| parameters).unwrap_or_default();
    let (page, shown) = oneshot::channel();
    if desk.came.send(Callback { parameters, page: Browser(page) }).await.is_err() {
        return StatusCode::GONE.into_response();
    }
    shown.await.map_or_else(|_| StatusCode::GONE.into_response(), Page::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_the_address_is_never_markup() {
        assert_eq!(escaped("<script>\"a&b\"</script>"), "&lt;script&gt;&quot;a&amp;b&quot;&lt;/script&gt;");
    }
}
