//! The filters that `jobs`, `requeue` and `jobs cancel` share.

use std::time::Duration;

use callscribe::{
    clock::{Clock, SystemClock},
    domain::{JobId, JobKind, JobState, Reason, SessionId, SourceName},
    ledger::JobFilter,
};
use chrono::TimeDelta;
use clap::Args;

use crate::{failure::Failure, times::moment};

/// Heading of the filters in help texts.
const FILTERS: &str = "Filters, which must all hold";

/// Which jobs.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArguments {
    /// Jobs by id
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Kind of job: `sync`, `recording`, `transcription`; may be repeated
    #[arg(long, help_heading = FILTERS, value_name = "KIND")]
    kind: Vec<String>,
    /// State: `ready`, `running`, `done`, `dead`, `cancelled`; may be repeated
    #[arg(long, help_heading = FILTERS, value_name = "STATE")]
    state: Vec<JobState>,
    /// Reason code, as `status` and docs/REASONS.md show it; may be repeated
    #[arg(long, help_heading = FILTERS, value_name = "REASON")]
    reason: Vec<String>,
    /// Vendor: `webex`
    #[arg(long, help_heading = FILTERS, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// Call, by its session id
    #[arg(long, help_heading = FILTERS, value_name = "SESSION")]
    session: Option<String>,
    /// Ended (if still open: created) at this time or later: a date, a time in UTC, or `2h` for two hours ago
    #[arg(long, help_heading = FILTERS, value_name = "TIME")]
    since: Option<String>,
    /// Ended (if still open: created) before this time
    #[arg(long, help_heading = FILTERS, value_name = "TIME")]
    until: Option<String>,
    /// Text that the last error contains, in whatever case
    #[arg(long, help_heading = FILTERS, value_name = "TEXT")]
    error: Option<String>,
    /// Provider of the transcript: `whisper`, `webex`
    #[arg(long, help_heading = FILTERS, value_name = "PROVIDER")]
    of_provider: Option<String>,
    /// Queue that the call was in, by its name
    #[arg(long, help_heading = FILTERS, value_name = "NAME")]
    queue: Option<String>,
    /// Created at least so long ago, such as `2h`
    #[arg(long, help_heading = FILTERS, value_name = "SPAN", value_parser = humantime::parse_duration)]
    min_age: Option<Duration>,
    /// Created at most so long ago
    #[arg(long, help_heading = FILTERS, value_name = "SPAN", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
    /// At least so many attempts used up
    #[arg(long, help_heading = FILTERS, value_name = "N")]
    min_attempts: Option<u16>,
    /// Made due last by the requeue batch of this name
    #[arg(long, help_heading = FILTERS, value_name = "NAME")]
    in_batch: Option<String>,
}

impl FilterArguments {
    /// The filter they make.
    pub(crate) fn filter(&self) -> Result<JobFilter, Failure> {
        let now = SystemClock.now();
        let time = |text: &Option<String>| {
            let wrong = |error| Failure::wrong_use(error, "times are UTC unless they name a zone");
            text.as_ref().map(|text| moment(text, now).map_err(wrong)).transpose()
        };
        let ago = |span: Duration| TimeDelta::from_std(span).ok().and_then(|span| now.checked_sub_signed(span));
        let ago = |span: Option<Duration>| {
            let wrong = || Failure::wrong_use("nothing is so old", "give a span such as `2h` or `30d`");
            span.map(|span| ago(span).ok_or_else(wrong)).transpose()
        };
        let session = self.session.as_ref().map(|text| SessionId::parse(text.as_str())).transpose();
        Ok(JobFilter {
            kinds: self.kind.clone(),
            states: self.state.clone(),
            reasons: self.reason.clone(),
            source: self.source,
            session: session.map_err(|error| Failure::wrong_use(error, "`callscribe calls list` shows session ids"))?,
            since: time(&self.since)?,
            until: time(&self.until)?,
            ids: self.ids.iter().copied().map(JobId).collect(),
            error: self.error.clone(),
            provider: self.of_provider.clone(),
            queue: self.queue.clone(),
            created_since: ago(self.max_age)?,
            created_before: ago(self.min_age)?,
            min_attempts: self.min_attempts,
            batch: self.in_batch.clone(),
        })
    }

    /// Whether nothing narrows the choice.
    pub(crate) fn is_everything(&self) -> bool {
        self.ids.is_empty()
            && self.kind.is_empty()
            && self.reason.is_empty()
            && self.source.is_none()
            && self.session.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.error.is_none()
            && self.of_provider.is_none()
            && self.queue.is_none()
            && self.min_age.is_none()
            && self.max_age.is_none()
            && self.min_attempts.is_none()
            && self.in_batch.is_none()
    }

    /// Words that this version does not know: a slip of the finger, or a newer version's.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let kinds = self.kind.iter().filter_map(|word| word.parse::<JobKind>().err());
        let reasons = self.reason.iter().filter_map(|word| word.parse::<Reason>().err());
        kinds
            .map(|error| error.to_string())
            .chain(reasons.map(|error| format!("`{}` is not a reason of this version", error.word)))
            .collect()
    }
}
