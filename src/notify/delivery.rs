//! Sending messages about alerts: in order per channel, until the receiver takes them.
//!
//! At least once: a process that dies between the answer and the note of it sends again, under the same id.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::{
    clock::Clock,
    config::AlertSettings,
    outbound::{Client, ClientError, Limits},
    store::{
        Store, StoreError,
        alerts::{Notice, notice_failed, notice_sent, take_notice},
    },
    telemetry::chain,
};

/// Slack answers within a second; whoever takes longer is asked again later.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), idle: Duration::from_secs(10), total: Some(Duration::from_secs(15)), decompress: true };
/// Nobody else sends a message that was taken for so long: more than one sending can take.
const HOLD: Duration = Duration::from_mins(1);
/// Wait after the first failure; doubled with each.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// Messages sent to a channel in one go.
const MOST_AT_ONCE: usize = 50;

/// The receivers cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("alerts cannot be sent")]
pub struct ChannelsError(#[from] ClientError);

/// Who is told.
#[derive(Debug)]
pub struct Channels(Vec<Channel>);

struct Channel {
    name: &'static str,
    client: Client,
    address: Url,
    secret: Option<SecretString>,
}

impl std::fmt::Debug for Channel {
    // the address is a secret: whoever knows it may write
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Channels {
    /// The receivers that are configured; there may be none.
    pub fn new(settings: &AlertSettings) -> Result<Self, ChannelsError> {
        let receivers = [("slack", &settings.slack, None), ("webhook", &settings.webhook, settings.webhook_secret.clone())];
        let mut channels = Vec::new();
        for (name, address, secret) in receivers {
            let Some(address) = address.clone() else { continue };
            let client = Client::through(&settings.network, name, LIMITS)?.allowing_plain_http(&address).keeping_paths_secret();
            channels.push(Channel { name, client, address, secret });
        }
        Ok(Self(channels))
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|channel| channel.name).collect()
    }

    /// Sends what is to be sent by now, and says how many messages were taken. A receiver that fails holds up no other.
    pub async fn deliver(&self, store: &Store, clock: &dyn Clock) -> Result<usize, StoreError> {
        let sent = futures_util::future::join_all(self.0.iter().map(|channel| channel.deliver(store, clock))).await;
        sent.into_iter().sum()
    }
}

impl Channel {
    async fn deliver(&self, store: &Store, clock: &dyn Clock) -> Result<usize, StoreError> {
        for sent in 0..MOST_AT_ONCE {
            // asked anew for each: sending takes time, and a message is held and signed from the moment of its own
            let now = clock.now();
            let Some(notice) = take_notice(&mut *store.connection().await?, self.name, HOLD, now).await? else { return Ok(sent) };
            // no connection is held while the receiver is waited for
            let answer = self.send(&notice, now).await;
            let mut connection = store.connection().await?;
            match answer {
                Ok(()) => notice_sent(&mut connection, notice.id, clock.now()).await?,
                Err(why) => {
                    tracing::warn!(alert.channel = self.name, alert.message_id = %notice.message_id, alert.attempts = notice.attempts, error = why,
                        "a message about an alert was not taken; it is sent again");
                    notice_failed(&mut connection, notice.id, &why, clock.now() + wait_after(notice.attempts)).await?;
                    return Ok(sent);
                }
            }
        }
        Ok(MOST_AT_ONCE)
    }

    async fn send(&self, notice: &Notice, now: DateTime<Utc>) -> Result<(), String> {
        let told = if self.name == "slack" { json!({ "text": for_slack(&notice.body) }) } else { with_id(notice) };
        let body = told.to_string();
        let mut request = self
            .client
            .request(Method::POST, &self.address)
            .map_err(|error| chain(&error).to_string())?
            .header("content-type", "application/json")
            .header("x-callscribe-id", notice.message_id.to_string());
        if let Some(secret) = &self.secret {
            let time = now.timestamp();
            request =
                request.header("x-callscribe-timestamp", time.to_string()).header("x-callscribe-signature", signature(secret, time, &body));
        }
        let answer = self.client.send(request.body(body)).await.map_err(|error| chain(&error).to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("the receiver answered {}", answer.status().as_u16())) }
    }
}

fn wait_after(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(10);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// `sha256=` and the HMAC over the time, a dot, and the body as it is sent.
fn signature(secret: &SecretString, time: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, format!("{time}.{body}").as_bytes())))
}

fn with_id(notice: &Notice) -> Value {
    let mut body = notice.body.clone();
    if let Value::Object(fields) = &mut body {
        fields.insert("id".to_owned(), notice.message_id.to_string().into());
    }
    body
}

/// What is the matter, since when, what to run, where to read on. `&`, `<` and `>` mean something to Slack.
fn for_slack(body: &Value) -> String {
    let text = |name: &str| {
        body.get(name).and_then(Value::as_str).unwrap_or_default().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    };
    let since = text("firing_since");
    let since = since.get(..16).unwrap_or(&since).replace('T', " ");
    match text("event").as_str() {
        "resolved" => format!("resolved: {} ({}); it began {since} UTC", text("summary"), text("alert")),
        event => {
            let still = if event == "reminder" { "still " } else { "" };
            format!(
                "*{}* {still}firing since {since} UTC: {}\nnext: `{}`\nwhat to do: {}",
                text("alert"),
                text("summary"),
                text("command"),
                text("runbook")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        assert_eq!([1, 2, 3, 40].map(|attempts| wait_after(attempts).as_secs()), [15, 30, 60, 900]);
    }
}
