//! Logging in: an address for a person's browser, the code that comes back, and a pair of tokens that is kept only when it is of the
//! right organisation and may read what we read.
//!
//! A service app has no person: its refresh token is taken as it is and goes the same way. How the browser is opened and how the code
//! comes back is the command's; refreshing is `vault.rs`'s.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel_async::AsyncConnection;
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::{
    TOKEN_LIMITS, WebexError,
    check::{Checked, TokenCheck},
    oauth::{RefreshError, TokenEndpoint, TokenPair},
    shelf::{LoginNotKept, LoginNote, Shelf},
    vault::fingerprint,
};
use crate::{
    clock::Clock,
    config::{WebexAccess, WebexSettings},
    domain::SourceName,
    ledger::{self, Hint, VendorTrace},
    outbound::Client,
    sources::SourceError,
    store::{Sealer, Store, StoreError, logins::credentials},
};

/// Without this scope nothing can be read.
pub const SCOPES_TO_READ: &[&str] = &["cjp:config_read"];
/// Needed beside it to manage webhook subscriptions.
pub const SCOPES_FOR_WEBHOOKS: &[&str] = &["cjp:config", "cjp:config_write"];
/// Bytes of a state and of a verifier: 256 bits, 43 characters, the least that RFC 7636 allows.
const RANDOM_BYTES: usize = 32;

/// How a credential came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginWay {
    /// The browser brought the code to a local port.
    Browser,
    /// A person pasted it.
    Headless,
    /// The refresh token of a service app.
    RefreshToken,
}

impl LoginWay {
    /// The word in `oauth_tokens.login_way`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Headless => "headless",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The answer is not to our question: an old tab, or a forgery.
    #[error("the answer belongs to another login: its `state` is not the one of this login")]
    StateMismatch,
    /// The person or the administrator said no.
    #[error("Webex did not log you in: {what}")]
    Denied {
        /// What Webex said.
        what: String,
    },
    /// What came back holds no code.
    #[error("there is no code in what came back")]
    NoCode,
    /// Webex does not take the code or refresh token.
    #[error("Webex does not take it: {what}")]
    Refused {
        /// What Webex said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Another organisation's token.
    #[error("this login is of organisation `{answered}`, `WEBEX_CC_ORG_ID` is `{configured}`")]
    WrongOrg {
        /// Whose it is.
        answered: String,
        /// Whose it should be.
        configured: String,
    },
    /// The token lacks scopes that we cannot do without.
    #[error("the token lacks the scope{} `{}`", if missing.len() == 1 { "" } else { "s" }, missing.join("`, `"))]
    ScopesMissing {
        /// Which.
        missing: Vec<String>,
    },
    /// The token may not read, though its scopes would allow it.
    #[error("Webex does not let this login read calls: {what}")]
    Forbidden {
        /// What Webex said.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Webex gave an access token alone, which would end in days.
    #[error("Webex gave no refresh token: the login would end with its first access token")]
    NoRefreshToken,
    /// Webex could not be asked.
    #[error("Webex cannot be asked: {what}")]
    Unavailable {
        /// Why.
        what: String,
        /// Its trace.
        trace: VendorTrace,
    },
    /// Tokens given by hand leave no place for a login.
    #[error("`WEBEX_CC_ACCESS_TOKEN` is set and would be used instead of this login")]
    FixedToken,
    /// The machine gives no random numbers.
    #[error("this machine gives no random numbers")]
    NoRandom,
    /// The tokens could not be stored.
    #[error("the login could not be stored")]
    Store(#[from] StoreError),
    /// The tokens could not be sealed.
    #[error("the login could not be sealed")]
    Seal(#[source] SourceError),
    /// The login cannot begin.
    #[error("the login cannot begin")]
    Build(#[from] WebexError),
}

impl From<LoginNotKept> for LoginError {
    fn from(error: LoginNotKept) -> Self {
        match error {
            LoginNotKept::Store(error) => Self::Store(error),
            LoginNotKept::Seal(error) => Self::Seal(error),
        }
    }
}

impl From<RefreshError> for LoginError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused { what, trace } => Self::Refused { what, trace },
            RefreshError::Failed { what, trace, .. } => Self::Unavailable { what, trace },
        }
    }
}

/// A login that has begun: the address to send the person to, and what only we know of it.
#[derive(Debug)]
pub struct Invitation {
    /// Where the person's browser must go.
    pub url: Url,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    redirect_uri: Url,
    state: String,
    verifier: SecretString,
}

impl Invitation {
    /// The code out of the parameters that the browser brought. The state is checked before anything is believed, errors too.
    pub fn code_of(&self, parameters: &HashMap<String, String>) -> Result<String, LoginError> {
        let told = |name: &str| parameters.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        if told("state") != Some(self.state.as_str()) {
            return Err(LoginError::StateMismatch);
        }
        if let Some(error) = told("error") {
            let why = told("error_description").map_or_else(|| error.to_owned(), |why| format!("{error}: {why}"));
            return Err(LoginError::Denied { what: crate::outbound::scrub(&why, LONGEST_WHY) });
        }
        told("code").map(str::to_owned).ok_or(LoginError::NoCode)
    }

    /// The code out of what a person pasted: the code alone, or the whole address at which the browser ended, whose state is checked.
    pub fn code_in(&self, pasted: &str) -> Result<String, LoginError> {
        let pasted = pasted.trim();
        let query = match Url::parse(pasted) {
            Ok(url) => url.query().map(str::to_owned).ok_or(LoginError::NoCode)?,
            Err(_) if pasted.contains("code=") || pasted.contains("error=") => pasted.trim_start_matches('?').to_owned(),
            Err(_) if pasted.is_empty() || pasted.contains(char::is_whitespace) => return Err(LoginError::NoCode),
            Err(_) => return Ok(pasted.to_owned()),
        };
        self.code_of(&url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }
}

/// Characters of Webex's own words that are kept.
const LONGEST_WHY: usize = 300;

/// What came of a login.
#[derive(Debug)]
pub struct LoggedIn {
    /// Whose tokens they are, if anything told.
    pub org_id: Option<String>,
    /// The data API itself answered for this organisation; otherwise it could not be asked and every answer is checked later.
    pub verified: bool,
    /// Scopes granted, if Webex said.
    pub scopes: Option<Vec<String>>,
    /// Scopes asked for that were not granted and that reading can do without.
    pub missing: Vec<String>,
    /// When the access token ends.
    pub access_expires_at: chrono::DateTime<chrono::Utc>,
    /// When the refresh token ends, if Webex said.
    pub refresh_expires_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Jobs that waited for this and are due now; their hints are to be pushed.
    pub released: Vec<Hint>,
}

/// Who logs in to Webex on behalf of one organisation.
#[derive(Debug)]
pub struct WebexLogin {
    endpoint: TokenEndpoint,
    shelf: Shelf,
    check: TokenCheck,
    authorize_url: Url,
    older_seed: Option<String>,
}

impl WebexLogin {
    /// Prepares logging in; asks nobody anything yet.
    pub fn new(settings: &WebexSettings, authorize_url: Url, store: &Store, clock: Arc<dyn Clock>) -> Result<Self, LoginError> {
        let WebexAccess::Refreshed { client_id, client_secret, refresh_token, vault } = &settings.access else {
            return Err(LoginError::FixedToken);
        };
        let http = |name, url| {
            let client = Client::through(&settings.network, name, TOKEN_LIMITS).map_err(WebexError::Client);
            client.map(|client| client.allowing_plain_http(url))
        };
        let endpoint = TokenEndpoint {
            http: http("webex-tokens", &settings.token_url)?,
            url: settings.token_url.clone(),
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            clock: Arc::clone(&clock),
        };
        let sealer = Sealer::new(vault).map_err(WebexError::Seal)?;
        Ok(Self {
            check: TokenCheck::new(http("webex", &settings.base_url)?, settings, Arc::clone(&clock)),
            older_seed: refresh_token.as_ref().map(|seed| fingerprint(client_id, seed)),
            shelf: Shelf::new(store.clone(), sealer, clock),
            endpoint,
            authorize_url,
        })
    }

    /// Makes sure, before a person is troubled, that what they bring can be stored.
    pub async fn ready(&self) -> Result<(), LoginError> {
        let mut connection = self.shelf.database().connection().await?;
        credentials(&mut connection).await?;
        Ok(())
    }

    /// Begins a login that comes back to `redirect_uri`.
    pub fn invite(&self, redirect_uri: &Url, scopes: Vec<String>) -> Result<Invitation, LoginError> {
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut url = self.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.endpoint.client_id)
            .append_pair("redirect_uri", redirect_uri.as_str())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Invitation { url, scopes, redirect_uri: redirect_uri.clone(), state, verifier: verifier.into() })
    }

    /// Exchanges the code, checks whose tokens come, and keeps them.
    pub async fn finish(&self, invitation: &Invitation, code: &str, way: LoginWay, by: &str) -> Result<LoggedIn, LoginError> {
        let pair = self.endpoint.exchange(code, &invitation.verifier, invitation.redirect_uri.as_str()).await?;
        self.keep(pair, None, &invitation.scopes, way, by).await
    }

    /// Takes the refresh token of a service app: exchanges it once, checks whose tokens come, and keeps them.
    pub async fn adopt(&self, refresh_token: SecretString, by: &str) -> Result<LoggedIn, LoginError> {
        let pair = self.endpoint.refresh(&refresh_token).await?;
        let scopes: Vec<String> = SCOPES_TO_READ.iter().map(|scope| (*scope).to_owned()).collect();
        self.keep(pair, Some(refresh_token), &scopes, LoginWay::RefreshToken, by).await
    }

    async fn keep(
        &self,
        pair: TokenPair,
        given: Option<SecretString>,
        asked: &[String],
        way: LoginWay,
        by: &str,
    ) -> Result<LoggedIn, LoginError> {
        let scopes: Option<Vec<String>> = pair.scope.as_ref().map(|scope| scope.split_whitespace().map(str::to_owned).collect());
        let lacks = |wanted: &str| scopes.as_ref().is_some_and(|scopes| !scopes.iter().any(|scope| scope == wanted));
        let Checked { org_id, verified, .. } = self.check.whose(&pair.access_token).await?;
        let needed: Vec<String> = SCOPES_TO_READ.iter().filter(|scope| lacks(scope)).map(|scope| (*scope).to_owned()).collect();
        if !needed.is_empty() {
            return Err(LoginError::ScopesMissing { missing: needed });
        }
        let refresh_token = pair.refresh_token.clone().or(given).ok_or(LoginError::NoRefreshToken)?;
        let released = self.store(&pair, &refresh_token, org_id.as_deref(), way, by).await?;
        Ok(LoggedIn {
            missing: asked.iter().filter(|scope| lacks(scope)).cloned().collect(),
            access_expires_at: pair.access_expires_at,
            refresh_expires_at: pair.refresh_expires_at,
            org_id,
            verified,
            scopes,
            released,
        })
    }

    /// Keeps the login and its entry in the audit log in one transaction; then releases the jobs that waited for it. Killed in
    /// between, the scheduler sees the new version and releases them.
    async fn store(
        &self,
        pair: &TokenPair,
        refresh_token: &SecretString,
        org_id: Option<&str>,
        way: LoginWay,
        by: &str,
    ) -> Result<Vec<Hint>, LoginError> {
        let note = LoginNote { org_id, way: way.as_str(), by, older_seed: self.older_seed.as_deref() };
        let details = json!({ "source": SourceName::Webex.as_str(), "org_id": org_id, "way": way.as_str(), "scope": pair.scope });
        let mut connection = self.shelf.database().connection().await?;
        connection
            .transaction(async |transaction| {
                self.shelf.keep_login(transaction, pair, refresh_token, &note).await?;
                Ok::<_, LoginNotKept>(ledger::audit(transaction, by, "webex login", &details).await?)
            })
            .await?;
        Ok(ledger::release_held(&mut connection, SourceName::Webex.as_str()).await?)
    }
}

fn random() -> Result<String, LoginError> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| LoginError::NoRandom)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        let url = Url::parse("http://localhost:8089/callback").unwrap();
        Invitation { url: url.clone(), scopes: Vec::new(), redirect_uri: url, state: "ours".to_owned(), verifier: "v".to_owned().into() }
    }

    #[test]
    fn a_code_is_found_alone_and_in_an_address_and_in_its_query() {
        for pasted in [" abc \n", "http://localhost:8089/callback?code=abc&state=ours", "?state=ours&code=abc", "code=abc&state=ours"] {
            assert_eq!(invitation().code_in(pasted).unwrap(), "abc", "{pasted}");
        }
        for nothing in ["", "  ", "what is a code", "http://localhost:8089/callback"] {
            assert!(matches!(invitation().code_in(nothing), Err(LoginError::NoCode)), "{nothing}");
        }
    }

    #[test]
    fn another_state_is_refused_before_anything_is_believed() {
        for pasted in ["http://localhost/?code=abc&state=theirs", "code=abc", "http://localhost/?error=access_denied&state=theirs"] {
            assert!(matches!(invitation().code_in(pasted), Err(LoginError::StateMismatch)), "{pasted}");
        }
        let denied = invitation().code_in("http://localhost/?error=access_denied&error_description=not+you&state=ours").unwrap_err();
        assert_eq!(denied.to_string(), "Webex did not log you in: access_denied: not you");
    }
}
