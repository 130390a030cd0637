//! A look at the server without transcribing anything: whether it answers, takes our key, and has the model.

use http::header::AUTHORIZATION;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{
    Whisper,
    errors::{Head, Refusal, broken},
};
use crate::{asr::TranscribeError, ledger::VendorTrace};

/// The longest list of models read; OpenAI's has a hundred.
const LARGEST_LIST_BYTES: usize = 4 * 1024 * 1024;

/// What a server says of itself.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Its models; `None` from servers that list none.
    pub models: Option<Vec<String>>,
    /// Its clock, as its answer's `Date` has it.
    pub date: Option<std::time::SystemTime>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl Whisper {
    /// Asks for the list of models, which costs nothing. A server without such a list is there all the same.
    pub async fn look(&self) -> Result<Looked, TranscribeError> {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("models");
        }
        let asked = async {
            let mut request = self.client.request(Method::GET, &url)?;
            if let Some(key) = &self.settings.api_key {
                request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose_secret()));
            }
            self.client.send(request).await
        };
        let response = asked.await.map_err(|error| broken(error, VendorTrace::default()))?;
        let date = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let head = Head::read(response.status(), response.headers(), &*self.clock);
        match head.status.as_u16() {
            200..=299 => {
                let body = response.bytes(LARGEST_LIST_BYTES).await.map_err(|error| broken(error, head.trace.clone()))?;
                let models = serde_json::from_slice(&body).ok().map(|List { data }| data.into_iter().map(|model| model.id).collect());
                Ok(Looked { models, date })
            }
            404 | 405 | 501 => Ok(Looked { models: None, date }),
            _ => match head.refusal(&response.error_body().await) {
                Refusal::Error(error) => Err(error),
                Refusal::Format(what) => Err(TranscribeError::Unreadable { what, trace: head.trace }),
            },
        }
    }
}
