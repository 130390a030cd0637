//! `callscribe api`: health, metrics, and runs on request.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use callscribe::{clock::SystemClock, config::ProcessSettings};
use callscribe_api::{ApiState, app, serve};
use clap::Args;

use super::{Ended, scheduler::configured_sources, worker::listen};
use crate::{
    process::{Engines, Together, start},
    setup,
};

#[derive(Debug, Args)]
#[command(after_help = "GET /healthz                          the process is alive\n\
                        GET /readyz                           it can do work\n\
                        GET /metrics                          figures for Prometheus\n\
                        GET, POST /api/cron/sync-webex-voice  sync now; needs CRON_SECRET\n\
                        POST /api/webhooks/webex              events of Webex; needs WEBEX_CC_WEBHOOK_SECRET\n\
                        POST /hooks/deepgram/{token}          results of Deepgram; needs DEEPGRAM_CALLBACK_SECRET\n\n\
                        Example:\n  callscribe api --listen 0.0.0.0:8080\n  \
                        curl -H \"Authorization: Bearer $CRON_SECRET\" http://127.0.0.1:8080/api/cron/sync-webex-voice")]
pub(crate) struct Arguments {
    /// Address and port, instead of `API_LISTEN`
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run(arguments: &Arguments) -> Ended {
    let environment = setup::environment()?;
    let sources = configured_sources(&environment);
    let (process, settings) = start("api", &environment, |reader| ProcessSettings::read(reader, &[]))?;
    let engines = Engines::new(settings.database, &settings.redis)?;
    let listener = listen(arguments.listen.unwrap_or(settings.api.listen)).await?;
    tracing::info!(http.listen = %listener.local_addr()?, "listening");
    let state = ApiState::new(engines.store, process.registry)
        .with_hints(engines.hints)
        .with_goals(settings.slo, &settings.work)
        .with_cron(settings.api.cron_secret, &sources)
        .with_webhooks(&settings.webhook, Arc::new(SystemClock))
        .with_deepgram(settings.deepgram_callback.as_ref());
    let mut together = Together::new(process.shutdown.clone());
    together.run(serve(listener, app(state), process.shutdown));
    together.ended().await?;
    Ok(ExitCode::SUCCESS)
}
