//! Whose a fresh token is and whether it may read: asked of the data API, which knows, before the token is kept.

use std::sync::Arc;

use chrono::TimeDelta;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

use super::{
    api::told_tenant,
    login::{LoginError, SCOPES_TO_READ},
    shelf::told_org,
};
use crate::{
    clock::Clock,
    config::WebexSettings,
    domain::OrgId,
    ledger::VendorTrace,
    outbound::{Client, ErrorBody, Response},
};

/// How far back the one call that is asked for may lie; whether there is one does not matter.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);
/// The end of that hour lies as far in the past, against clocks that differ.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);
/// One call has about a kilobyte.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Asks the data API about tokens.
#[derive(Debug)]
pub(super) struct TokenCheck {
    pub(super) http: Client,
    pub(super) base: Url,
    pub(super) tasks_path: String,
    pub(super) org_id: OrgId,
    pub(super) clock: Arc<dyn Clock>,
}

/// A token that is not of another organisation, as far as anyone could tell.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) org_id: Option<String>,
    /// The data API said so.
    pub(super) verified: bool,
    /// The data API's clock, as its answer's `Date` has it.
    pub(super) date: Option<std::time::SystemTime>,
    /// Why the data API did not say.
    pub(super) silent_because: Option<String>,
}

impl TokenCheck {
    pub(super) fn new(http: Client, settings: &WebexSettings, clock: Arc<dyn Clock>) -> Self {
        let WebexSettings { base_url, tasks_path, org_id, .. } = settings;
        Self { http, base: base_url.clone(), tasks_path: tasks_path.clone(), org_id: org_id.clone(), clock }
    }

    /// Whose the token is. An API that cannot be reached is no reason to lose a login whose code or refresh token is spent: every
    /// later answer is checked as well.
    pub(super) async fn whose(&self, token: &SecretString) -> Result<Checked, LoginError> {
        let hinted = told_org(token.expose_secret());
        if let Some(hinted) = &hinted {
            self.compare(hinted)?;
        }
        let mut date = None;
        let answered = match self.ask(token).await {
            Ok(response) => {
                date = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
                self.read(response).await?
            }
            Err(what) => Err(what),
        };
        let (answered, silent_because) = match answered {
            Ok(answered) => (answered, None),
            Err(what) => {
                tracing::warn!(error = what, "the data API did not say whose the token is");
                (None, Some(what))
            }
        };
        if let Some(answered) = &answered {
            self.compare(answered)?;
        }
        Ok(Checked { verified: answered.is_some(), org_id: answered.or(hinted), date, silent_because })
    }

    fn compare(&self, answered: &str) -> Result<(), LoginError> {
        if answered.eq_ignore_ascii_case(self.org_id.as_str()) {
            return Ok(());
        }
        Err(LoginError::WrongOrg { answered: answered.to_owned(), configured: self.org_id.to_string() })
    }

    /// Asks for one call without naming the organisation, so that the token's own answers.
    async fn ask(&self, token: &SecretString) -> Result<Response, String> {
        let to = self.clock.now() - CLOCKS_DIFFER;
        let mut url = self.base.join(&self.tasks_path).map_err(|error| error.to_string())?;
        url.query_pairs_mut()
            .append_pair("from", &(to - LOOK_BACK).timestamp_millis().to_string())
            .append_pair("to", &to.timestamp_millis().to_string())
            .append_pair("pageSize", "1");
        let request = self.http.request(Method::GET, &url).map_err(|error| error.chain())?;
        let request = request.bearer_auth(token.expose_secret()).header("TrackingId", format!("CALLSCRIBE_{}", Uuid::new_v4()));
        self.http.send(request).await.map_err(|error| error.chain())
    }

    /// The organisation that answered; `None` when it did not name itself, an error within when the answer is none.
    async fn read(&self, response: Response) -> Result<Result<Option<String>, String>, LoginError> {
        let (status, request_id) = (response.status(), response.header("trackingid").map(str::to_owned));
        if status.is_success() {
            return Ok(response.bytes(LARGEST_ANSWER).await.map(|body| told_tenant(&body)).map_err(|error| error.chain()));
        }
        let body: ErrorBody = response.error_body().await;
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let id = request_id.as_deref().unwrap_or("none");
            return Ok(Err(format!("{}: {} (tracking id {id})", status.as_u16(), body.summary())));
        }
        match SCOPES_TO_READ.iter().filter(|scope| body.says(scope)).map(|scope| (*scope).to_owned()).collect::<Vec<_>>() {
            missing if missing.is_empty() => {
                let what = format!("{}: {}", status.as_u16(), body.summary());
                let trace = VendorTrace { status: Some(status.as_u16()), request_id: body.tracking_id.or(request_id) };
                Err(LoginError::Forbidden { what, trace })
            }
            missing => Err(LoginError::ScopesMissing { missing }),
        }
    }
}
