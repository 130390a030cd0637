//! Sending events: signed, to loopback, with everything that goes wrong on the way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use url::Url;

use super::checks::is_loopback;
use super::events::{Event, between};
use super::{Delivery, Subscription};
use crate::webex::Site;
use crate::webex::fault::Fault;

/// How often the clock is looked at, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// No answer's head that matters here is longer.
const LONGEST_HEAD: usize = 512;

/// Sends events as they happen until it is dropped.
#[derive(Debug)]
pub(in crate::webex) struct Poster(JoinHandle<()>);

impl Poster {
    pub(in crate::webex) fn start(site: Arc<Site>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Some((from_ms, to_ms)) = site.hooks.advance(site.now_ms()) {
                    send_all(&site, &between(&site, from_ms, to_ms)).await;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }))
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Every subscription gets its events in order and waits for nobody else's.
async fn send_all(site: &Site, events: &[Event]) {
    if events.is_empty() {
        return;
    }
    let lanes = site.hooks.active().into_iter().map(|subscription| async move {
        for event in events.iter().filter(|event| wants(&subscription, event)) {
            let still_active = site.hooks.active().iter().any(|each| each.id == subscription.id);
            if !still_active {
                return;
            }
            send(site, &subscription, event).await;
        }
    });
    futures_util::future::join_all(lanes).await;
}

fn wants(subscription: &Subscription, event: &Event) -> bool {
    subscription.created_ms <= event.at_ms && subscription.event_types.iter().any(|each| each == event.kind)
}

/// What is sent: signed bytes, and the bytes that go out in their place when something changes them on the way.
struct Letter {
    body: String,
    signature: String,
    timestamp: Option<String>,
}

async fn send(site: &Site, subscription: &Subscription, event: &Event) {
    let keys = event.keys();
    let [call, kind] = &keys;
    let keys = [call.as_str(), kind.as_str()];
    if site.faults.strikes(&keys, &Fault::HookMissing) {
        return;
    }
    let times = if site.faults.strikes(&keys, &Fault::HookDuplicated) { 2 } else { 1 };
    for _ in 0..times {
        let letter = letter(site, subscription, event, &keys);
        let repeats = site.faults.lasting_for(call, |fault| if let Fault::HookRepeated { times } = fault { Some(*times) } else { None });
        let mut delivered = false;
        for _ in 0..=repeats.unwrap_or(0) {
            let status = tokio::time::timeout(site.hook_patience, post(&subscription.destination, &letter)).await;
            let status = status.ok().and_then(Result::ok);
            site.hooks.note(Delivery {
                event_id: event.id,
                event_type: event.kind,
                session_id: event.call.id,
                subscription_id: subscription.id,
                status,
            });
            delivered = status.is_some_and(|status| status < 500);
            if delivered {
                break;
            }
        }
        if !delivered {
            let now_ms = site.now_ms();
            site.hooks.change(subscription.id, |held| {
                held.active = false;
                held.updated_ms = now_ms;
            });
            return;
        }
    }
}

fn letter(site: &Site, subscription: &Subscription, event: &Event, keys: &[&str]) -> Letter {
    let old = site.faults.strike(keys, |fault| if let Fault::HookStale { age } = fault { Some(*age) } else { None });
    let sent_ms = site.now_ms() - old.map_or(0, |age| i64::try_from(age.as_millis()).unwrap_or(0));
    let sent_ms = subscription.resource_version.as_ref().map(|_| sent_ms);
    let body = event.body(site, subscription.id, sent_ms);
    let key =
        if site.faults.strikes(keys, &Fault::HookBadSignature) { "not the secret of this subscription" } else { &subscription.secret };
    let signature = signature(key, body.as_bytes());
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(read) if site.faults.strikes(keys, &Fault::HookReserialised) => serde_json::to_string_pretty(&read).unwrap_or(body),
        Ok(_) | Err(_) => body,
    };
    Letter { body, signature, timestamp: sent_ms.map(|sent| sent.to_string()) }
}

/// HMAC-SHA256 in lower-case hexadecimal.
fn signature(key: &str, body: &[u8]) -> String {
    Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        },
    )
}

/// Sends one request over a connection of its own and reads the status of the answer.
async fn post(destination: &str, letter: &Letter) -> io::Result<u16> {
    let url = Url::parse(destination).map_err(io::Error::other)?;
    if !is_loopback(&url) {
        return Err(io::Error::other("simulated events leave no machine"));
    }
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let mut stream = TcpStream::connect((host, port)).await?;
    let version_2 = letter
        .timestamp
        .as_ref()
        .map_or_else(String::new, |timestamp| format!("X-WebExCC-Timestamp: {timestamp}\r\nX-WebexCC-Webhook-Version: 2.0.0\r\n"));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-WebexCC-Signature: {}\r\n{version_2}Connection: close\r\n\r\n",
        url.path(),
        letter.body.len(),
        letter.signature,
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(letter.body.as_bytes()).await?;
    status_of(&mut stream).await
}

async fn status_of(stream: &mut TcpStream) -> io::Result<u16> {
    let mut head = Vec::new();
    while !head.contains(&b'\n') && head.len() < LONGEST_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // test case 2 of RFC 4231
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
    }
}
