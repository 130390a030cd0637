//! An ordinary client of Webex: no retries, no cleverness.

use callscribe_simulators::webex::{Webex, WebexPlan};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn http() -> Client {
    // a second installation is refused and harmless
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

pub(crate) struct Caller {
    pub(crate) webex: Webex,
    pub(crate) http: Client,
    pub(crate) token: String,
}

impl Caller {
    /// Starts a Webex and logs in.
    pub(crate) async fn of(plan: WebexPlan) -> Self {
        let webex = Webex::start(plan).await.unwrap();
        let mut caller = Self { webex, http: http(), token: String::new() };
        caller.log_in().await;
        caller
    }

    pub(crate) async fn log_in(&mut self) {
        let answer = self.refresh(&self.webex.credentials().refresh_token).await;
        if let Some(token) = answer.1["access_token"].as_str() {
            self.token = token.to_owned();
        }
    }

    /// Status and body of a refresh.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> (u16, Value) {
        let known = self.webex.credentials();
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &known.client_id),
            ("client_secret", &known.client_secret),
            ("refresh_token", refresh_token),
        ];
        read(self.http.post(self.webex.token_url()).form(&form).send().await.unwrap()).await
    }

    pub(crate) fn now(&self) -> i64 {
        self.webex.clock().now_ms()
    }

    pub(crate) fn get_tasks(&self, query: &str) -> RequestBuilder {
        self.http.get(format!("{}/v1/tasks?{query}", self.webex.base_url())).bearer_auth(&self.token)
    }

    pub(crate) async fn tasks(&self, query: &str) -> (u16, Value) {
        read(self.get_tasks(query).send().await.unwrap()).await
    }

    /// The last day's tasks.
    pub(crate) async fn day(&self) -> (u16, Value) {
        self.tasks(&format!("from={}&channelTypes=telephony&pageSize=1000", self.now() - 86_400_000)).await
    }

    pub(crate) async fn captures(&self, query: Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/v1/captures/query", self.webex.base_url())).bearer_auth(&self.token);
        read(request.json(&json!({"query": query})).send().await.unwrap()).await
    }

    /// The recordings of one call.
    pub(crate) async fn recordings(&self, id: Uuid) -> Vec<Value> {
        let (status, body) = self.captures(json!({"orgId": self.webex.org_id(), "urlExpiration": 60, "taskIds": [id]})).await;
        assert_eq!(status, 200, "{body}");
        body["data"][0]["recording"].as_array().cloned().unwrap_or_default()
    }

    /// A fresh link to a call's only recording.
    pub(crate) async fn link(&self, number: u32) -> String {
        let recordings = self.recordings(self.webex.session_id(number)).await;
        recordings[0]["attributes"]["filePath"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn download(&self, number: u32) -> Response {
        self.http.get(self.link(number).await).send().await.unwrap()
    }
}

/// Status and body; the body as a JSON string when it is no JSON.
pub(crate) async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn ids(body: &Value) -> Vec<String> {
    body["data"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap_or("?").to_owned()).collect()
}
