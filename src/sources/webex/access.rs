//! What our access is worth, asked without storing or reading any call: for whoever checks an installation.

use super::{
    LoginError, Webex,
    check::{Checked, TokenCheck},
};
use crate::sources::SourceError;

/// What the data API says about our access.
#[derive(Debug, Clone)]
pub struct AccessSeen {
    /// The organisation, if it is known.
    pub org_id: Option<String>,
    /// The data API itself said so.
    pub verified: bool,
    /// Why the data API did not say.
    pub silent_because: Option<String>,
    /// The data API's clock.
    pub date: Option<std::time::SystemTime>,
}

impl Webex {
    /// Fetches a token as a job would, renewing it when it is due, and asks the data API for one call with it.
    pub async fn access(&self) -> Result<AccessSeen, LoginError> {
        let token = self.api.token().await.map_err(no_token)?;
        let check = TokenCheck {
            http: self.api.http.clone(),
            base: self.api.base.clone(),
            tasks_path: self.listing.path.clone(),
            org_id: self.api.org_id.clone(),
            clock: std::sync::Arc::clone(&self.api.clock),
        };
        let Checked { org_id, verified, date, silent_because } = check.whose(&token.secret).await?;
        Ok(AccessSeen { org_id, verified, silent_because, date })
    }
}

fn no_token(error: SourceError) -> LoginError {
    let trace = error.trace();
    match error {
        SourceError::LoginNeeded { what, .. } => LoginError::Refused { what, trace },
        SourceError::WrongOrg { answered, configured, .. } => LoginError::WrongOrg { answered, configured },
        other => LoginError::Unavailable { what: other.to_string(), trace },
    }
}
