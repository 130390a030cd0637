//! Asks for a call's summary until there is one, or nobody would be waiting for it any more.

use std::time::Duration;

use callscribe::{
    domain::Reason,
    ledger::{hold, times_put_off_for},
    sources::SourceError,
    store::summaries::keep_summary,
};
use diesel_async::AsyncConnection;
use futures_util::FutureExt;

use crate::{
    answer::{UpkeepError, UpkeepTrouble},
    handler::Run,
};

/// Waits before a summary that is not there is asked for again; after the last one the call has none.
const SCHEDULE: [Duration; 4] = [Duration::from_mins(10), Duration::from_hours(1), Duration::from_hours(6), Duration::from_hours(18)];

/// Keeps the summary of the job's call. A call without one, or a tenant without any, is no error.
pub(crate) async fn run(run: &Run<'_>) -> Result<(), UpkeepError> {
    let source = run.source()?;
    let session = run.job.session_id.as_ref().ok_or(UpkeepError::Nameless)?;
    let summary = match source.summary(session).await {
        Ok(summary) => summary,
        // a tenant that has no assistant, or an API that has no summaries yet, may say so in any way
        Err(error @ (SourceError::Forbidden { .. } | SourceError::Rejected { .. } | SourceError::WrongShape { .. })) => {
            tracing::info!(call.session_id = %session, error = %error, "the vendor tells no summary");
            None
        }
        Err(error) => return Err(error.into()),
    };
    let connection = &mut *run.connection().await?;
    let Some(summary) = summary else {
        let times = times_put_off_for(connection, run.job.id, Reason::SummaryNotReady).await?;
        return match usize::try_from(times).ok().and_then(|times| SCHEDULE.get(times)) {
            Some(wait) => Err(UpkeepError::own(UpkeepTrouble::NoSummaryYet(*wait))),
            None => Ok(()),
        };
    };
    let (job, source) = (run.job, source.name());
    let kept = connection.transaction(async |transaction| {
        hold(transaction, job).await?;
        Ok::<(), UpkeepError>(keep_summary(transaction, session, source, &summary).await?)
    });
    kept.boxed().await
}
