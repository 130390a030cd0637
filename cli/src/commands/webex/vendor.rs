//! Webex as these commands ask it, and what helps when it refuses.

use std::sync::Arc;

use callscribe::{
    clock::SystemClock,
    config::{self, DatabaseSettings, RedisSettings, WebexSettings, WebhookSettings},
    domain::{Reason, SourceName},
    hints::Hints,
    sources::{Source, SourceError, webex::Webex},
    store::{Store, settings},
};

use crate::{failure::Failure, setup};

/// Webex, and what is kept of what was arranged with it.
pub(super) struct Vendor {
    pub(super) webex: Webex,
    pub(super) webhook: WebhookSettings,
    /// Whether its API is on this very machine: a simulator.
    pub(super) on_loopback: bool,
    store: Store,
}

impl Vendor {
    /// Webex as the settings have it; asks nobody anything yet.
    pub(super) fn connect() -> Result<Self, Failure> {
        let read = config::read(&setup::environment()?, |reader| {
            let engines = (DatabaseSettings::read(reader), RedisSettings::read(reader));
            if !WebexSettings::is_given(reader) {
                reader.complain("WEBEX_CC_ORG_ID", "is missing: it, and the credentials beside it, say which Webex to ask");
            }
            (engines, WebexSettings::read(reader), WebhookSettings::read(reader))
        })?;
        let ((database, redis), webex, webhook) = read;
        let settings = webex.ok_or_else(|| Failure::with_hint("Webex is not configured", "docs/CONFIGURATION.md lists its settings"))?;
        let store = Store::new(database)?;
        let on_loopback = settings.base_url.scheme() == "http";
        let webex = Webex::new(&settings, &store, &Hints::new(&redis)?, Arc::new(SystemClock))?;
        Ok(Self { webex, webhook, on_loopback, store })
    }

    /// Keeps where events are sent, for the check that switches subscriptions on again.
    pub(super) async fn remember(&self, address: Option<&str>) -> Result<(), Failure> {
        let key = settings::webhook_key(SourceName::Webex, self.webex.org_id());
        settings::put(&mut *self.store.connection().await?, &key, &address).await?;
        Ok(())
    }

    /// Where events are sent, as far as we know.
    pub(super) async fn remembered(&self) -> Result<Option<String>, Failure> {
        let key = settings::webhook_key(SourceName::Webex, self.webex.org_id());
        let kept: Option<Option<String>> = settings::get(&mut *self.store.connection().await?, &key).await?;
        Ok(kept.flatten())
    }
}

/// Why Webex did not do it, and what to do about it.
pub(super) fn refusal(error: SourceError) -> Failure {
    let hint = match error.reason() {
        Reason::Forbidden => {
            "subscriptions need the scopes `cjp:config` and `cjp:config_write`: add them to the integration or service app, have it authorised \
             again, and run `callscribe webex login --webhooks`; a token keeps the scopes it was made with"
        }
        Reason::VendorRejected => "`callscribe webex subscriptions` shows what is there, `callscribe webex unsubscribe ID` makes room",
        other => other.advice(),
    };
    Failure::with_hint(error, hint)
}
