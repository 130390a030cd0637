//! Webex: a token as jobs would use it, whose it is, what it may do, and when the login behind it ends.

use std::sync::Arc;

use callscribe::{
    clock::{Clock, SystemClock},
    config::WebexSettings,
    hints::Hints,
    sources::webex::{LoginError, SCOPES_TO_READ, Webex},
    store::{
        Store, StoreError,
        logins::{CredentialSeen, credentials},
    },
    telemetry::chain,
};

use super::{clock, finding::Finding};
use crate::times::relative;

pub(super) async fn check(settings: &WebexSettings, store: &Store, hints: &Hints) -> Vec<Finding> {
    let webex = match Webex::new(settings, store, hints, Arc::new(SystemClock)) {
        Ok(webex) => webex,
        Err(error) => return vec![Finding::fail("webex", chain(&error), "docs/CONFIGURATION.md lists the settings of Webex")],
    };
    let mut findings: Vec<Finding> = settings.warnings.iter().map(|warning| Finding::warn("webex settings", warning, WARNED)).collect();
    let host = settings.base_url.host_str().unwrap_or_default();
    match webex.access().await {
        Ok(seen) => {
            match (seen.verified, seen.silent_because) {
                (true, _) => findings.push(Finding::ok("webex", format!("{host} answers for organisation {}", settings.org_id))),
                (false, Some(why)) => {
                    findings.push(Finding::fail("webex", format!("there is a token, but {host} did not answer: {why}"), REACH))
                }
                (false, None) => findings.push(Finding::warn(
                    "webex",
                    format!("{host} answers, without naming an organisation"),
                    "compare `WEBEX_CC_ORG_ID` with the organisation in Control Hub",
                )),
            }
            findings.extend(clock::against_date("webex clock", "Webex", seen.date));
        }
        Err(error) => findings.push(Finding::fail("webex", chain(&error), fix(&error))),
    }
    findings.extend(login(store).await);
    findings
}

const WARNED: &str = "docs/CONFIGURATION.md says what it is for";
const REACH: &str = "is `WEBEX_CC_REGION` the data centre of this organisation, and does a firewall or proxy let us through?";

fn fix(error: &LoginError) -> &'static str {
    match error {
        LoginError::Refused { .. } => "run `callscribe webex login`, and compare `WEBEX_CC_CLIENT_ID` and its secret with the app's",
        LoginError::WrongOrg { .. } => "set `WEBEX_CC_ORG_ID` to the organisation meant, or log in to it with `callscribe webex login`",
        LoginError::ScopesMissing { .. } | LoginError::Forbidden { .. } => {
            "add the scope `cjp:config_read` to the app, have it authorised again, and run `callscribe webex login`; the person who logs in \
             must be an administrator of the contact centre"
        }
        LoginError::Unavailable { .. } => REACH,
        LoginError::Store(_) | LoginError::Seal(_) => {
            "is PostgreSQL well and migrated, and is `CALLSCRIBE_ENCRYPTION_KEY` the key that the tokens were kept with?"
        }
        LoginError::StateMismatch
        | LoginError::Denied { .. }
        | LoginError::NoCode
        | LoginError::NoRefreshToken
        | LoginError::FixedToken
        | LoginError::NoRandom
        | LoginError::Build(_) => "run `callscribe webex login`",
    }
}

/// What is kept of the login, beside whether it works now.
async fn login(store: &Store) -> Option<Finding> {
    const CHECK: &str = "webex login";
    const FIX: &str = "run `callscribe webex login`";
    let kept = async {
        let kept = credentials(&mut store.dedicated().await?).await?;
        Ok::<_, StoreError>(kept.into_iter().find(|credential| credential.name == "webex"))
    };
    // a database that does not answer is told by its own check, and a token from the settings leaves nothing to keep
    let credential: CredentialSeen = kept.await.ok().flatten()?;
    let now = SystemClock.now();
    if let Some(since) = credential.refused_since {
        let why = credential.refused_why.as_deref().unwrap_or("no reason given");
        return Some(Finding::fail(CHECK, format!("Webex refuses it since {}: {why}", relative(since, now)), FIX));
    }
    if let Some(missing) = credential.missing(SCOPES_TO_READ).filter(|missing| !missing.is_empty()) {
        return Some(Finding::fail(CHECK, format!("it lacks {}: calls cannot be read", missing.join(", ")), FIX));
    }
    Some(match credential.refresh_expires_at {
        Some(ends) if ends <= now => Finding::fail(CHECK, format!("the refresh token ended {}", relative(ends, now)), FIX),
        Some(ends) if credential.ends_soon(now) => {
            Finding::warn(CHECK, format!("the refresh token ends {}", relative(ends, now)), "run `callscribe webex login` before")
        }
        Some(ends) => Finding::ok(CHECK, format!("the refresh token ends {}", relative(ends, now))),
        None => Finding::ok(CHECK, "Webex does not say when the refresh token ends"),
    })
}
