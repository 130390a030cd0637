//! The bytes of one recording from the vendor's store into ours, in one pass, in bounded memory.
//!
//! What breaks off is taken up where it ended, if the vendor serves the rest of the very same file; if not, from the
//! beginning. Nothing is visible in the bucket until the whole file was there and proved to be a recording.

use std::time::Duration;

use bytes::Bytes;
use callscribe::{
    audio::{Format, WavError},
    blob::{Inflow, ObjectDescription, Upload},
    clock::Clock,
    domain::RecordingOffer,
    sources::{Download, RecordingAnswer, SourceError},
    store::recordings::{StoredCopy, StoredRecording},
};

use crate::{
    content::{Content, Described},
    names,
    plan::Plan,
    sidecar,
    trouble::Trouble,
};

/// Breaks within one run; a source that breaks more often gets a pause, by way of a retry.
const BREAKS: u32 = 5;
/// Links that may end within one run; each lives for an hour, so a second one that ends is somebody's mistake.
const FRESH_LINKS: u32 = 3;
/// The pause after the first break; it grows with every further one.
const PAUSE: Duration = Duration::from_millis(250);
/// A vendor that sends nothing for so long has gone; 1 kB/s is slow, not silent.
const SILENCE: Duration = Duration::from_mins(1);

/// A recording that is in S3.
#[derive(Debug, Clone)]
pub(crate) struct Copied {
    pub(crate) stored: StoredRecording,
}

/// Copies what the plan says, and writes the document beside it.
pub(crate) async fn copy(mut plan: Plan, clock: &dyn Clock) -> Result<Copied, Trouble> {
    let mut transfer = Transfer::new(&plan);
    let (mut breaks, mut ended_links) = (0, 0);
    while let Err(trouble) = transfer.go_on(&plan).await {
        match trouble {
            Trouble::Source(SourceError::LinkExpired { .. }) if ended_links < FRESH_LINKS => {
                ended_links += 1;
                plan.offer = fresh_offer(&plan).await?;
            }
            trouble if trouble.is_a_break() && breaks < BREAKS => {
                breaks += 1;
                tracing::info!(download.bytes = transfer.upload.size(), error = %trouble, "a download broke off: taking it up again");
                pause(&plan, PAUSE * breaks).await?;
            }
            trouble => return Err(transfer.name(trouble)),
        }
    }
    transfer.finish(&plan, clock).await
}

async fn pause(plan: &Plan, wait: Duration) -> Result<(), Trouble> {
    tokio::select! {
        () = plan.stop.cancelled() => Err(Trouble::Stopped),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

/// The same recording behind a fresh link.
async fn fresh_offer(plan: &Plan) -> Result<RecordingOffer, Trouble> {
    match plan.source.recordings(&plan.offer.session_id).await? {
        RecordingAnswer::Offered { offers, trace } => {
            offers.into_iter().find(|offer| offer.recording_id == plan.offer.recording_id).ok_or(Trouble::NothingYet(trace))
        }
        RecordingAnswer::Nothing { trace } => Err(Trouble::NothingYet(trace)),
        RecordingAnswer::Purged { trace } => Err(Trouble::Purged(trace)),
    }
}

/// What is on its way, and which version of which file it is.
struct Transfer {
    upload: Upload,
    content: Content,
    is_named: bool,
    etag: Option<String>,
    total_bytes: Option<u64>,
}

impl Transfer {
    fn new(plan: &Plan) -> Self {
        let metadata = [("session-id", plan.offer.session_id.as_str()), ("recording-id", plan.offer.recording_id.as_str())];
        let description = ObjectDescription {
            content_type: None,
            // header values: an id of other characters is in the key and in the document beside
            metadata: metadata
                .into_iter()
                .filter(|(_, id)| id.bytes().all(|byte| byte.is_ascii_graphic()))
                .map(|(name, id)| (name.to_owned(), id.to_owned()))
                .collect(),
        };
        // named once its bytes have told what it is
        let upload = plan.blob.upload(&plan.stem, description);
        Self { upload, content: Content::default(), is_named: false, etag: None, total_bytes: None }
    }

    /// Takes bytes until the file ends or something breaks.
    async fn go_on(&mut self, plan: &Plan) -> Result<(), Trouble> {
        let mut inflow = self.place(plan).await?;
        let download = plan.source.download(&plan.offer, self.upload.size()).await?;
        self.begin(plan, &download)?;
        let mut bytes = download.bytes;
        loop {
            let next = tokio::select! {
                () = plan.stop.cancelled() => return Err(Trouble::Stopped),
                next = tokio::time::timeout(SILENCE, inflow.next(&mut bytes)) => next.map_err(|_| Trouble::Silent(SILENCE))?,
            };
            inflow.take_place().await?;
            match next {
                None => break,
                Some(Ok(chunk)) => self.take(plan, chunk).await?,
                // everything came, and then the connection ended badly
                Some(Err(_)) if self.total_bytes == Some(self.upload.size()) => break,
                Some(Err(error)) => return Err(error.into()),
            }
        }
        match self.total_bytes {
            Some(expected) if self.upload.size() < expected => Err(Trouble::Short { got: self.upload.size(), expected }),
            Some(_) | None => Ok(()),
        }
    }

    /// A place among the recordings that pour in; a worker that must stop does not wait for one.
    async fn place(&self, plan: &Plan) -> Result<Inflow, Trouble> {
        tokio::select! {
            () = plan.stop.cancelled() => Err(Trouble::Stopped),
            inflow = plan.blob.inflow() => Ok(inflow?),
        }
    }

    /// Makes sure that what comes continues what is there, or starts anew.
    fn begin(&mut self, plan: &Plan, download: &Download) -> Result<(), Trouble> {
        let at = self.upload.size();
        if at > 0 && download.from_byte == 0 {
            *self = Self::new(plan);
        } else if at > 0 && (download.from_byte != at || !self.is_same_file(download)) {
            *self = Self::new(plan);
            return Err(Trouble::OtherFile);
        }
        self.etag = download.etag.clone().or(self.etag.take());
        self.total_bytes = download.total_bytes.or(self.total_bytes);
        match self.total_bytes {
            Some(size) if size > plan.largest_bytes => Err(Trouble::TooLarge { size, largest: plan.largest_bytes }),
            Some(_) | None => Ok(()),
        }
    }

    /// Two answers are of one file when their tags agree, or, where there are none, their lengths do.
    fn is_same_file(&self, download: &Download) -> bool {
        let lengths_agree = match (self.total_bytes, download.total_bytes) {
            (Some(one), Some(other)) => Some(one == other),
            (None, _) | (_, None) => None,
        };
        match (&self.etag, &download.etag) {
            (Some(one), Some(other)) => one == other && lengths_agree != Some(false),
            (None, None) => lengths_agree == Some(true),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    async fn take(&mut self, plan: &Plan, chunk: Bytes) -> Result<(), Trouble> {
        let format = self.content.look(&chunk).map_err(Trouble::Content)?;
        self.name_after(plan, format);
        self.upload.push(chunk).await?;
        let size = self.upload.size();
        if size > plan.largest_bytes { Err(Trouble::TooLarge { size, largest: plan.largest_bytes }) } else { Ok(()) }
    }

    /// Gives the object the name and the type of what is in it. Its first bytes tell, long before S3 hears of it.
    fn name_after(&mut self, plan: &Plan, format: Option<Format>) {
        let Some(format) = format.filter(|_| !self.is_named) else { return };
        self.upload.call_it(names::object_key(&plan.stem, format), format.content_type());
        self.is_named = true;
    }

    /// The trouble by its right name: a file that keeps ending early is short, however its connection ended.
    fn name(&self, trouble: Trouble) -> Trouble {
        match self.total_bytes {
            Some(expected) if trouble.is_a_break() && (1..expected).contains(&self.upload.size()) => {
                Trouble::Short { got: self.upload.size(), expected }
            }
            Some(_) | None => trouble,
        }
    }

    async fn finish(mut self, plan: &Plan, clock: &dyn Clock) -> Result<Copied, Trouble> {
        if self.upload.size() == 0 {
            return Err(Trouble::Content(WavError::Empty));
        }
        let described = std::mem::take(&mut self.content).describe(&plan.offer).map_err(Trouble::Content)?;
        let Described { format, codec, sample_rate_hz, channels, duration_ms, flags } = described;
        self.name_after(plan, Some(format));
        let object = self.upload.finish().await?;
        let flags = plan.flags.iter().chain(&flags).map(|flag| (*flag).to_owned()).collect();
        let stored = StoredRecording {
            session_id: plan.offer.session_id.clone(),
            recording_id: plan.offer.recording_id.clone(),
            copy: StoredCopy { object_key: object.key.clone(), size_bytes: object.size, sha256: object.sha256.clone() },
            codec: codec.map(str::to_owned),
            sample_rate_hz,
            channels,
            duration_ms,
            flags,
        };
        sidecar::write(plan, &object, &stored, clock.now()).await?;
        Ok(Copied { stored })
    }
}
