//! Looks whether the vendor still sends us what we subscribed, and switches on again what it switched off.
//!
//! Only what is sent to the address that `callscribe webex subscribe` left is ours: other applications and other installations of the
//! tenant are left alone. What was removed at the vendor is told, and not made again: someone may have meant it.

use callscribe::{
    sources::{Source, SourceError, Webhook},
    store::settings,
    telemetry::metrics,
};
use tracing::{error, info};

use crate::{answer::UpkeepError, handler::Run};

/// Looks, tells, and switches on again. Killed anywhere, the next look does the rest.
pub(crate) async fn run(run: &Run<'_>) -> Result<(), UpkeepError> {
    let source = run.source()?;
    let key = settings::webhook_key(source.name(), source.org_id());
    let kept: Option<Option<String>> = settings::get(&mut *run.connection().await?, &key).await?;
    // never subscribed, or no more: nothing to look after
    let Some(destination) = kept.flatten() else { return Ok(()) };
    let found = stoppable(run, source.webhooks(&destination)).await?;
    for resource in resources(&found) {
        metrics::webhook_active(source.name(), resource, is_active(&found, resource));
    }
    for webhook in found.iter().filter(|webhook| !webhook.active) {
        tend(run, source, webhook, &destination).await?;
    }
    Ok(())
}

async fn tend(run: &Run<'_>, source: &dyn Source, webhook: &Webhook, destination: &str) -> Result<(), UpkeepError> {
    let Some(id) = &webhook.id else {
        error!(
            call.source = %source.name(),
            webhook.resource = webhook.resource,
            webhook.destination = destination,
            hint = "run `callscribe webex subscribe --url …` again; until then calls are found by polling alone",
            "a webhook is no longer subscribed"
        );
        return Ok(());
    };
    error!(
        call.source = %source.name(),
        webhook.resource = webhook.resource,
        webhook.id = id,
        webhook.destination = destination,
        hint = "it was slow or failed: see whether `callscribe api` can be reached from outside and answers within five seconds",
        "the vendor switched a webhook off: switching it on again"
    );
    stoppable(run, source.reactivate_webhook(id)).await?;
    metrics::webhook_reactivated(source.name(), webhook.resource);
    metrics::webhook_active(source.name(), webhook.resource, true);
    info!(call.source = %source.name(), webhook.resource = webhook.resource, webhook.id = id, "webhook switched on again");
    Ok(())
}

/// Asks the vendor, and gives up at once when the worker must stop.
async fn stoppable<T>(run: &Run<'_>, asked: impl Future<Output = Result<T, SourceError>>) -> Result<T, UpkeepError> {
    tokio::select! {
        biased;
        () = run.context.stop.cancelled() => Err(UpkeepError::ShutDown),
        answer = asked => Ok(answer?),
    }
}

fn resources(found: &[Webhook]) -> Vec<&'static str> {
    let mut resources: Vec<_> = found.iter().map(|webhook| webhook.resource).collect();
    resources.dedup();
    resources
}

fn is_active(found: &[Webhook], resource: &str) -> bool {
    found.iter().any(|webhook| webhook.resource == resource && webhook.active)
}
