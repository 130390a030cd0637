//! What handlers share.

use std::sync::Arc;

use callscribe::{
    asr::deepgram::Callbacks,
    clock::Clock,
    config::{SloSettings, WebhookSettings, WorkSettings},
    domain::SourceName,
    hints::Hints,
    notify,
    outbound::Gate,
    store::Store,
    telemetry::metrics::Registry,
};
use secrecy::SecretString;

use crate::{gauges::Gauges, webhook::Webhooks};

/// What handlers share. Cloning it clones handles.
#[derive(Debug, Clone)]
pub struct ApiState {
    pub(crate) store: Store,
    pub(crate) hints: Option<Hints>,
    pub(crate) services: Arc<[Gate]>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) cron_secret: Option<SecretString>,
    pub(crate) sources: Arc<[SourceName]>,
    pub(crate) webhooks: Option<Webhooks>,
    pub(crate) deepgram: Option<Callbacks>,
    pub(crate) goals: SloSettings,
    pub(crate) work: WorkSettings,
}

impl ApiState {
    /// The state of a process that works with `store` and tells what `registry` holds.
    #[must_use]
    pub fn new(store: Store, registry: Registry) -> Self {
        Self {
            store,
            hints: None,
            services: Arc::new([]),
            gauges: Arc::new(Gauges::new(registry)),
            cron_secret: None,
            sources: Arc::new([]),
            webhooks: None,
            deepgram: None,
            goals: SloSettings::default(),
            work: WorkSettings::default(),
        }
    }

    /// With Redis, so that work asked for starts at once, lanes are measured and circuits are seen.
    #[must_use]
    pub fn with_hints(mut self, hints: Hints) -> Self {
        self.services = notify::gates(&hints).into();
        self.hints = Some(hints);
        self
    }

    /// With what advice on workers aims at: how old work may become, and how many slots a worker has.
    #[must_use]
    pub fn with_goals(mut self, goals: SloSettings, work: &WorkSettings) -> Self {
        self.goals = goals;
        self.work = work.clone();
        self
    }

    /// With the secret of the cron endpoints and the sources they may ask for.
    #[must_use]
    pub fn with_cron(mut self, secret: Option<SecretString>, sources: &[SourceName]) -> Self {
        self.cron_secret = secret;
        self.sources = sources.into();
        self
    }

    /// With the receiver of webhooks, if a secret is set; `clock` says how old an event is.
    #[must_use]
    pub fn with_webhooks(mut self, settings: &WebhookSettings, clock: Arc<dyn Clock>) -> Self {
        self.webhooks = Webhooks::new(settings, clock);
        self
    }

    /// With the receiver of what Deepgram posts, if `DEEPGRAM_CALLBACK_SECRET` is set.
    #[must_use]
    pub fn with_deepgram(mut self, secret: Option<&SecretString>) -> Self {
        self.deepgram = secret.map(Callbacks::new);
        self
    }
}
