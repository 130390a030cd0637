//! `callscribe webex token`: whose the tokens are, what they allow, when they end, and who brought them. Never a token.

use std::process::ExitCode;

use callscribe::{
    clock::{Clock, SystemClock},
    sources::webex::{SCOPES_FOR_WEBHOOKS, SCOPES_TO_READ},
    store::{
        Store,
        logins::{CredentialSeen, credentials},
    },
};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::{
    commands::Ended,
    failure::Failure,
    output::Output,
    setup,
    times::{relative, stamp},
};

#[derive(Debug, Args)]
#[command(after_help = "Asks nobody but the database and shows no token. Exit status 0 also with warnings.\n\n\
                        Examples:\n  callscribe webex token\n  callscribe webex token --json | jq .refresh_seconds_left")]
pub(crate) struct Arguments {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'c> {
    #[serde(flatten)]
    credential: &'c CredentialSeen,
    access_seconds_left: Option<i64>,
    refresh_seconds_left: Option<i64>,
    login_needed: bool,
    warnings: &'c [String],
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let environment = setup::environment()?;
    let store = setup::store()?;
    show(&store, environment.get("WEBEX_CC_ORG_ID"), arguments.json, output).await?;
    if environment.get("WEBEX_CC_ACCESS_TOKEN").is_some() || environment.get("WEBEX_CC_ACCESS_TOKEN_FILE").is_some() {
        setup::warn_of(&["`WEBEX_CC_ACCESS_TOKEN` is set: processes that have it use it instead of this".to_owned()]);
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the credential as it is kept.
pub(super) async fn show(store: &Store, org_id: Option<&str>, json: bool, output: &mut Output) -> Result<(), Failure> {
    let kept = credentials(&mut *store.connection().await?).await?;
    let Some(credential) = kept.into_iter().find(|credential| credential.name == "webex") else {
        return Err(Failure::with_hint("nobody has logged in to Webex", "run `callscribe webex login`"));
    };
    let now = SystemClock.now();
    let warnings = warnings(&credential, org_id, now);
    if json {
        let left = |ends: Option<DateTime<Utc>>| ends.map(|ends| (ends - now).num_seconds().max(0));
        output.json(&Shown {
            access_seconds_left: left(credential.access_expires_at),
            refresh_seconds_left: left(credential.refresh_expires_at),
            login_needed: credential.login_needed(now),
            warnings: &warnings,
            credential: &credential,
        })?;
        return Ok(());
    }
    lines(&credential, now, output)?;
    setup::warn_of(&warnings);
    Ok(())
}

fn lines(credential: &CredentialSeen, now: DateTime<Utc>, output: &mut Output) -> Result<(), Failure> {
    let until = |ends: Option<DateTime<Utc>>| ends.map(|ends| format!("{} ({})", stamp(ends), relative(ends, now)));
    let login = credential.login_at.map(|at| {
        let way = match credential.login_way.as_deref() {
            Some("browser") => "in a browser",
            Some("headless") => "with a pasted code",
            Some("refresh_token") => "with a refresh token",
            Some("settings") => "WEBEX_CC_REFRESH_TOKEN",
            _ => "in an unknown way",
        };
        let by = credential.login_by.as_deref().map(|by| format!("{by}, ")).unwrap_or_default();
        format!("{by}{way}, {} ({})", stamp(at), relative(at, now))
    });
    let fields = [
        ("organisation", credential.org_id.clone().or_else(|| Some("not told yet".to_owned()))),
        ("scopes", Some(credential.scope.clone().unwrap_or_else(|| "not told by Webex".to_owned()))),
        ("access token", until(credential.access_expires_at).or_else(|| Some("none yet: the first job fetches one".to_owned()))),
        ("refresh token", until(credential.refresh_expires_at).or_else(|| Some("end not told by Webex".to_owned()))),
        ("last renewed", Some(format!("{} ({})", stamp(credential.updated_at), relative(credential.updated_at, now)))),
        ("logged in", login),
        ("webhooks", webhooks(credential)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            output.prose(15, format_args!("{name:<14} {value}"))?;
        }
    }
    Ok(())
}

fn webhooks(credential: &CredentialSeen) -> Option<String> {
    let missing = credential.missing(SCOPES_FOR_WEBHOOKS)?;
    Some(match missing.as_slice() {
        [] => "subscriptions can be managed".to_owned(),
        missing => {
            format!("subscriptions cannot be managed: lacks {}; `callscribe webex login --webhooks` asks for them", missing.join(", "))
        }
    })
}

/// What a person should do something about.
fn warnings(credential: &CredentialSeen, org_id: Option<&str>, now: DateTime<Utc>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(since) = credential.refused_since {
        let why = credential.refused_why.as_deref().unwrap_or("no reason given");
        warnings.push(format!("Webex refuses it since {}: {why}. Run `callscribe webex login`; jobs wait meanwhile", stamp(since)));
    }
    match credential.refresh_expires_at {
        Some(ends) if ends <= now => warnings.push("the refresh token has ended: run `callscribe webex login`".to_owned()),
        Some(ends) if credential.ends_soon(now) => {
            warnings.push(format!("the refresh token ends {}: run `callscribe webex login` before", relative(ends, now)));
        }
        Some(_) | None => {}
    }
    if let Some(missing) = credential.missing(SCOPES_TO_READ).filter(|missing| !missing.is_empty()) {
        warnings.push(format!("it lacks {}: calls cannot be read", missing.join(", ")));
    }
    if let (Some(configured), Some(kept)) = (org_id, credential.org_id.as_deref())
        && !configured.trim().eq_ignore_ascii_case(kept)
    {
        warnings.push(format!("it is of organisation {kept}, `WEBEX_CC_ORG_ID` is {configured}: its answers are refused"));
    }
    warnings
}
