//! What a login that came to nothing means for the person at the terminal.

use callscribe::sources::webex::LoginError;

use crate::failure::Failure;

/// The failure as the command tells it.
pub(super) fn failed(error: LoginError) -> Failure {
    match (hint(&error), error) {
        // the database has hints of its own
        (_, LoginError::Store(error)) => error.into(),
        (Some(hint), error) => Failure::with_hint(told(&error), hint),
        (None, error) => error.into(),
    }
}

/// The error with its causes and, where there is one, the id that Webex's support asks for.
fn told(error: &LoginError) -> String {
    let text = callscribe::telemetry::chain(error).to_string();
    let trace = match error {
        LoginError::Refused { trace, .. } | LoginError::Forbidden { trace, .. } | LoginError::Unavailable { trace, .. } => {
            trace.request_id.as_deref()
        }
        _ => None,
    };
    trace.map_or_else(|| text.clone(), |id| format!("{text} (request id {id})"))
}

/// What to do about it.
pub(super) fn hint(error: &LoginError) -> Option<&'static str> {
    Some(match error {
        LoginError::StateMismatch => "run `callscribe webex login` again and use the address that it prints, once",
        LoginError::Denied { .. } => {
            "log in as an administrator or supervisor, and agree; an `invalid_scope` or `redirect_uri` error means that the integration lacks it"
        }
        LoginError::NoCode => "paste the whole address at which the browser ended, or what follows `code=` in it",
        LoginError::Refused { .. } => {
            "a code works once and for minutes: run it again; if that fails too, check WEBEX_CC_CLIENT_ID, WEBEX_CC_CLIENT_SECRET and WEBEX_CC_REDIRECT_URI"
        }
        LoginError::WrongOrg { .. } => {
            "nothing was kept; open the address in a private window and log in to the right organisation, or correct WEBEX_CC_ORG_ID"
        }
        LoginError::ScopesMissing { .. } => {
            "nothing was kept; add them to the integration or service app, have it authorised again, and run `callscribe webex login` again"
        }
        LoginError::Forbidden { .. } => {
            "nothing was kept; the person needs the role administrator or supervisor and a licence for the contact centre"
        }
        LoginError::NoRefreshToken => "nothing was kept; use an integration or a service app, not a personal access token",
        LoginError::Unavailable { .. } => "nothing was kept; run it again when Webex answers; behind a proxy, set HTTPS_PROXY",
        LoginError::FixedToken => "unset it: a login is renewed by itself, a token given by hand is not",
        LoginError::Seal(_) => "docs/OPERATIONS.md says how keys are changed and what to do when one was lost",
        LoginError::NoRandom | LoginError::Store(_) | LoginError::Build(_) => return None,
    })
}
