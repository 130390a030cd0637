//! Traces on their way to a collector: batches of spans as OTLP, in protobuf over HTTP, sent behind the back of all work.
//!
//! Nothing here can hold up or fail a run: spans wait in a bounded queue, what does not fit is dropped and counted, and a collector that is
//! away is told of once, not once a batch. What does not live here: which spans there are, which is `telemetry::traces`' to say.

mod batch;
mod exchange;

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use opentelemetry_sdk::trace::SpanData;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{
    batch::encode,
    exchange::{Exchange, Trouble},
};
use crate::{
    config::TraceSettings,
    outbound::ClientError,
    telemetry::{chain, metrics, traces::SpanQueue},
};

/// A process that ends waits so long for its last spans to be taken.
const LAST_SPANS: Duration = Duration::from_secs(5);
/// Between two tries of one batch.
const RETRY: Duration = Duration::from_secs(1);
/// A batch is tried so often while the collector seems to be there; once it is away, each is tried once.
const TRIES: u32 = 3;

/// Sends spans until it is told to finish.
#[derive(Debug)]
pub struct Delivery {
    finish: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Delivery {
    /// Starts sending what comes out of the queue.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn start(queue: SpanQueue, settings: &TraceSettings) -> Result<Self, ClientError> {
        let finish = CancellationToken::new();
        let sender = Sender {
            exchange: Exchange::new(settings)?,
            queue,
            batch: Vec::new(),
            in_flight: 0,
            most: settings.batch,
            delay: settings.delay,
            lost: None,
            finish: finish.clone(),
        };
        Ok(Self { finish, task: Mutex::new(Some(tokio::spawn(sender.run()))) })
    }

    /// Sends what there still is, for [`LAST_SPANS`] at most.
    pub async fn finish(&self) {
        self.finish.cancel();
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::warn!(error = %chain(&error), "sending spans broke");
        }
    }
}

/// Asks the collector to take a batch without a span; the error says why it does not.
///
/// # Errors
/// When it is away or refuses.
pub async fn look(settings: &TraceSettings) -> Result<(), String> {
    let exchange = Exchange::new(settings).map_err(|error| chain(&error).to_string())?;
    exchange.send(Bytes::new()).await.map(|_| ()).map_err(|trouble| trouble.to_string())
}

struct Sender {
    exchange: Exchange,
    queue: SpanQueue,
    batch: Vec<SpanData>,
    /// Spans of the request that is under way.
    in_flight: usize,
    most: usize,
    delay: Duration,
    /// Spans lost since the collector was last told to be away; `None` while it is there.
    lost: Option<usize>,
    finish: CancellationToken,
}

impl Sender {
    async fn run(mut self) {
        let finish = self.finish.clone();
        let too_late = async {
            finish.cancelled().await;
            tokio::time::sleep(LAST_SPANS).await;
        };
        tokio::select! {
            () = self.deliver() => {}
            () = too_late => self.give_up().await,
        }
    }

    /// Sends batch after batch, and what is left when it is told to finish.
    async fn deliver(&mut self) {
        let finish = self.finish.clone();
        loop {
            tokio::select! {
                more = self.gather() => if !more { return },
                () = finish.cancelled() => break,
            }
            self.send().await;
        }
        self.send().await;
        self.queue.close();
        while self.queue.take(&mut self.batch, self.most).await > 0 {
            self.send().await;
        }
    }

    async fn give_up(&mut self) {
        self.queue.close();
        let mut left = self.in_flight + std::mem::take(&mut self.batch).len();
        while self.queue.take(&mut self.batch, self.most).await > 0 {
            left += std::mem::take(&mut self.batch).len();
        }
        metrics::spans("late", left);
        tracing::warn!(spans.count = left, collector.host = self.exchange.host(), "the last spans were not taken in time");
    }

    /// Fills the batch: until it is full, or its first span has waited long enough. `false`: no span will come any more.
    async fn gather(&mut self) -> bool {
        if self.batch.is_empty() && self.queue.take(&mut self.batch, self.most).await == 0 {
            return false;
        }
        let until = Instant::now() + self.delay;
        while self.batch.len() < self.most {
            let room = self.most - self.batch.len();
            match timeout_at(until, self.queue.take(&mut self.batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    /// Sends the batch, or drops it: whatever comes of it, it is empty afterwards.
    async fn send(&mut self) {
        let spans = self.batch.len();
        if spans == 0 {
            return;
        }
        let body = encode(std::mem::take(&mut self.batch), &self.queue.resource);
        self.in_flight = spans;
        let mut tries = 1;
        let trouble = loop {
            match self.exchange.send(body.clone()).await {
                Ok(refused) => return self.arrived(spans, refused),
                Err(Trouble::Passing { wait, .. }) if tries < TRIES && self.lost.is_none() => {
                    let pause = wait.unwrap_or(RETRY).min(self.delay.max(RETRY));
                    tokio::select! { () = tokio::time::sleep(pause) => {}, () = self.finish.cancelled() => {} }
                    tries += 1;
                }
                Err(trouble) => break trouble,
            }
        };
        self.did_not_arrive(spans, &trouble);
    }

    fn arrived(&mut self, spans: usize, refused: usize) {
        self.in_flight = 0;
        metrics::spans("refused", refused);
        metrics::spans("sent", spans.saturating_sub(refused));
        if let Some(lost) = self.lost.take() {
            tracing::info!(spans.count = lost, collector.host = self.exchange.host(), "the collector takes spans again; these were lost");
        }
    }

    fn did_not_arrive(&mut self, spans: usize, trouble: &Trouble) {
        self.in_flight = 0;
        metrics::spans(trouble.outcome(), spans);
        if self.lost.is_none() {
            tracing::warn!(
                error = %trouble, collector.host = self.exchange.host(),
                hint = "work goes on and spans are dropped until it does; `callscribe_trace_spans_total` counts them",
                "the collector does not take spans"
            );
        }
        self.lost = Some(self.lost.unwrap_or(0).saturating_add(spans));
    }
}
