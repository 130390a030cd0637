//! `callscribe webex login`: sends a person to Webex and keeps what comes back.

mod browser;
mod callback;
mod failed;
mod paste;

use std::{process::ExitCode, sync::Arc, time::Duration};

use callscribe::{
    clock::SystemClock,
    config::{Reader, WebexLoginSettings, WebexSettings},
    sources::webex::{Invitation, LoggedIn, LoginError, LoginWay, SCOPES_FOR_WEBHOOKS, SCOPES_TO_READ, WebexLogin},
    store::Store,
};
use clap::Args;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use self::{
    callback::{Callback, Page},
    failed::{failed, hint},
};
use super::token;
use crate::{
    commands::Ended,
    failure::Failure,
    output::{Output, tell_error},
    setup,
    times::span,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Log in as an administrator or supervisor of the organisation that WEBEX_CC_ORG_ID names; the tokens are sealed and kept \
                  in PostgreSQL, where every process finds them. Jobs that waited for a login go on at once. Nothing is kept of a login \
                  to another organisation, nor of one without the scopes that reading needs. docs/WEBEX.md goes through it step by step.\n\n\
                  Examples:\n  callscribe webex login\n  callscribe webex login --webhooks\n  callscribe webex login --headless\n  \
                  callscribe webex login --refresh-token-stdin < service-app-refresh-token"
)]
pub(crate) struct Arguments {
    /// Print the address, and take the code or the address at which the browser ended from standard input
    #[arg(long)]
    headless: bool,
    /// Take the refresh token of a service app from standard input instead
    #[arg(long, conflicts_with_all = ["headless", "port", "no_browser", "webhooks", "scopes"])]
    refresh_token_stdin: bool,
    /// Ask for the scopes that managing webhook subscriptions needs as well
    #[arg(long)]
    webhooks: bool,
    /// Ask for this scope as well; the integration must have it
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Listen for the browser on this port instead of that of `WEBEX_CC_REDIRECT_URI`; the integration must have it too
    #[arg(long, value_name = "PORT", conflicts_with = "headless")]
    port: Option<u16>,
    /// Leave opening the browser to me
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for the login
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// What a login is done with.
struct Desk {
    login: WebexLogin,
    redirect_uri: Url,
    org_id: String,
    by: String,
    deadline: Instant,
    longest: Duration,
}

pub(super) async fn run(arguments: &Arguments, output: &mut Output) -> Ended {
    let (webex, login) = setup::settings(read)?;
    let (Some(webex), Some(settings)) = (webex, login) else {
        return Err(Failure::with_hint("there are no settings of Webex", "docs/WEBEX.md says which"));
    };
    let store = setup::store()?;
    let login = WebexLogin::new(&webex, settings.authorize_url, &store, Arc::new(SystemClock)).map_err(failed)?;
    login.ready().await.map_err(failed)?;
    let desk = Desk {
        login,
        redirect_uri: settings.redirect_uri,
        org_id: webex.org_id.to_string(),
        by: setup::actor(),
        deadline: Instant::now() + arguments.timeout,
        longest: arguments.timeout,
    };
    let logged_in = if arguments.refresh_token_stdin {
        let token = desk.waited("the refresh token", paste::everything()).await?;
        desk.login.adopt(token, &desk.by).await.map_err(failed)?
    } else if arguments.headless {
        desk.by_paste(arguments).await?
    } else {
        desk.by_browser(arguments).await?
    };
    setup::push_hints(&logged_in.released).await;
    tell(&logged_in, &store, &desk.org_id, arguments.json, output).await
}

fn read(reader: &mut Reader<'_>) -> (Option<WebexSettings>, Option<WebexLoginSettings>) {
    if !WebexSettings::is_given(reader) {
        reader.complain("WEBEX_CC_CLIENT_ID", "is missing: it names the integration or service app to log in with");
    }
    (WebexSettings::read(reader), WebexLoginSettings::read(reader))
}

impl Arguments {
    fn scopes(&self) -> Vec<String> {
        let webhooks = if self.webhooks { SCOPES_FOR_WEBHOOKS } else { &[] };
        let known = SCOPES_TO_READ.iter().chain(webhooks).map(|scope| (*scope).to_owned());
        let mut scopes: Vec<String> = Vec::new();
        for scope in known.chain(self.scopes.iter().cloned()) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }
}

impl Desk {
    async fn waited<T>(&self, what: &str, coming: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        timeout_at(self.deadline, coming).await.unwrap_or_else(|_| {
            let waited = format!("{what} did not come within {}", span(self.longest));
            Err(Failure::with_hint(waited, "run it again; `--timeout` waits longer, `--headless` needs no browser here"))
        })
    }

    fn invite(&self, redirect_uri: &Url, arguments: &Arguments) -> Result<Invitation, Failure> {
        let invitation = self.login.invite(redirect_uri, arguments.scopes()).map_err(failed)?;
        tell_error(&format!(
            "Open this address and log in to organisation {}. A private window makes sure that no older session answers:\n\n{}\n",
            self.org_id, invitation.url
        ));
        Ok(invitation)
    }

    async fn by_paste(&self, arguments: &Arguments) -> Result<LoggedIn, Failure> {
        let invitation = self.invite(&self.redirect_uri, arguments)?;
        tell_error("The browser ends at a page that may not load. Paste its address here, or the code in it, and press Enter:");
        let pasted = self.waited("the code", paste::line()).await?;
        let code = invitation.code_in(&pasted).map_err(failed)?;
        self.login.finish(&invitation, &code, LoginWay::Headless, &self.by).await.map_err(failed)
    }

    async fn by_browser(&self, arguments: &Arguments) -> Result<LoggedIn, Failure> {
        let (port, given) = match (arguments.port, is_here(&self.redirect_uri)) {
            (Some(port), true) => (port, true),
            (None, true) => (self.redirect_uri.port_or_known_default().unwrap_or_default(), false),
            (_, false) => {
                let what = format!("`WEBEX_CC_REDIRECT_URI` leads to another machine: `{}`", self.redirect_uri);
                return Err(Failure::wrong_use(what, "use `--headless` and paste the address at which the browser ends"));
            }
        };
        let mut server = callback::Server::listen(port, self.redirect_uri.path()).await?;
        let mut redirect_uri = self.redirect_uri.clone();
        if given && redirect_uri.set_port(Some(server.port)).is_err() {
            return Err(Failure::wrong_use("the redirect address takes no port", "leave out `--port`"));
        }
        let invitation = self.invite(&redirect_uri, arguments)?;
        let opened = !arguments.no_browser && browser::open(&invitation.url);
        let browser = if opened { "It was sent to your browser. " } else { "" };
        tell_error(&format!("{browser}Waiting for the browser on port {} for {}.", server.port, span(self.longest)));
        let ended = self.await_browser(&mut server, &invitation).await;
        server.close().await;
        ended
    }

    /// Answers the browser until one answer is of this login.
    async fn await_browser(&self, server: &mut callback::Server, invitation: &Invitation) -> Result<LoggedIn, Failure> {
        loop {
            let Callback { parameters, page } = self.waited("the browser", server.next()).await?;
            let code = match invitation.code_of(&parameters) {
                Err(error @ LoginError::StateMismatch) => {
                    // an old tab, or somebody else's doing: neither may end the login that the person is at
                    tell_error(&format!("ignored: {error}"));
                    page.show(Page::failure(&error, "Go back to the terminal and open the address that it shows."));
                    continue;
                }
                code => code,
            };
            let logged_in = match code {
                Ok(code) => self.login.finish(invitation, &code, LoginWay::Browser, &self.by).await,
                Err(error) => Err(error),
            };
            page.show(match &logged_in {
                Ok(_) => Page::success(&self.org_id),
                Err(error) => Page::failure(error, hint(error).unwrap_or("The terminal says more.")),
            });
            return logged_in.map_err(failed);
        }
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn tell(logged_in: &LoggedIn, store: &Store, org_id: &str, json: bool, output: &mut Output) -> Ended {
    if !json {
        output.line(format_args!("logged in to Webex organisation {org_id}"))?;
        if !logged_in.released.is_empty() {
            output.line(format_args!("{} jobs that waited for it go on now", logged_in.released.len()))?;
        }
    }
    if !logged_in.verified {
        tell_error("warning: the data API could not be asked whose token it is; every answer is checked when it comes");
    }
    if !logged_in.missing.is_empty() {
        let missing = logged_in.missing.join("`, `");
        tell_error(&format!("warning: asked for and not granted: `{missing}`: add it to the integration, then log in again"));
    }
    token::show(store, Some(org_id), json, output).await?;
    Ok(ExitCode::SUCCESS)
}
