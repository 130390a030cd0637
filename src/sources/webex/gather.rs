//! One request for several calls: whoever asks what there is of a call while a request is on its way shares the next one.
//! The shared budget counts requests, so ten calls in one of them are nine requests saved.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, oneshot};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::{
    api::Api,
    captures::{Capture, MOST_IDS, query},
};
use crate::{
    domain::{SessionId, SourceName},
    ledger::VendorTrace,
    outbound::{Asker, Urgency},
    sources::SourceError,
};

type Answer = Result<Capture, SourceError>;

/// Requests on their way at once; the fewer, the fuller.
const REQUESTS: usize = 2;
/// Jobs that start together arrive within this.
const GATHER: Duration = Duration::from_millis(5);

struct Waiting {
    session: SessionId,
    urgency: Urgency,
    trace: Span,
    asker: Asker,
    answer: oneshot::Sender<Answer>,
}

/// Gathers questions about recordings and transcripts.
pub(super) struct Gatherer {
    api: Arc<Api>,
    waiting: Mutex<VecDeque<Waiting>>,
    requests: Semaphore,
}

impl std::fmt::Debug for Gatherer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gatherer").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Gatherer {
    pub(super) fn new(api: Arc<Api>) -> Arc<Self> {
        Arc::new(Self { api, waiting: Mutex::default(), requests: Semaphore::new(REQUESTS) })
    }

    /// What there is of one call.
    pub(super) async fn capture(self: &Arc<Self>, session: &SessionId) -> Answer {
        // the API refuses a whole request for one id that is no UUID
        if Uuid::try_parse(session.as_str()).is_err() {
            return self.alone(session).await;
        }
        let (answer, answered) = oneshot::channel();
        let (urgency, trace, asker) = (Urgency::current(), Span::current(), Asker::current());
        self.queue(|waiting| waiting.push_back(Waiting { session: session.clone(), urgency, trace, asker, answer }));
        let gatherer = Arc::clone(self);
        // not awaited by one asker, because it answers others too; it ends with the request's own time-outs
        tokio::spawn(async move { gatherer.next_request().await });
        match answered.await {
            Ok(Err(SourceError::Rejected { .. })) => self.alone(session).await,
            Ok(answer) => answer,
            Err(_) => Err(SourceError::Unavailable {
                source_name: SourceName::Webex,
                what: "the request that this call shared ended early".to_owned(),
                trace: VendorTrace::default(),
            }),
        }
    }

    async fn alone(&self, session: &SessionId) -> Answer {
        let mut captures = query(&self.api, std::slice::from_ref(session)).await?;
        Ok(captures.remove(session.as_str()).unwrap_or_default())
    }

    /// Asks for those who wait, if any are left.
    async fn next_request(&self) {
        let Ok(_permit) = self.requests.acquire().await else { return };
        tokio::time::sleep(GATHER).await;
        let askers = self.queue(take_request);
        let Some((first, _)) = askers.split_first() else { return };
        let mut sessions = vec![first.session.clone()];
        for asker in &askers {
            if !sessions.contains(&asker.session) {
                sessions.push(asker.session.clone());
            }
        }
        // those who can wait ride along with one who cannot
        let urgency = askers.iter().map(|asker| asker.urgency).min().unwrap_or(Urgency::Fresh);
        // one request answers several runs: it is told as that of the run which waited first, and speaks for that one's job
        let (trace, asker) = (first.trace.clone(), first.asker);
        let found = asker.during(urgency.during(query(&self.api, &sessions))).instrument(trace).await;
        for asker in askers {
            let answer = found.as_ref().map(|found| found.get(asker.session.as_str()).cloned().unwrap_or_default()).map_err(Clone::clone);
            // an asker that went away needs no answer
            let _ = asker.answer.send(answer);
        }
    }

    fn queue<T>(&self, change: impl FnOnce(&mut VecDeque<Waiting>) -> T) -> T {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The askers that fit one request, the fresh ones first and then the longest-waiting, without those that went away.
fn take_request(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    waiting.retain(|asker| !asker.answer.is_closed());
    waiting.make_contiguous().sort_by_key(|asker| asker.urgency);
    let most = waiting.len().min(MOST_IDS);
    waiting.drain(..most).collect()
}
