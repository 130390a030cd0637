//! How long audio is kept, and the rows of calls, and of which queues longer or shorter.

use std::{str::FromStr, time::Duration};

use super::{Reader, Setting};

/// How long something is kept: of the queues that are named, and of all others. `None`: for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ages {
    /// Of every queue that is not named, and of what reached none.
    pub others: Option<Duration>,
    /// Queues by the names their vendors give them.
    pub queues: Vec<(String, Option<Duration>)>,
}

/// What goes when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionSettings {
    /// `RETENTION_AUDIO`, `RETENTION_AUDIO_QUEUES`: audio, since it was stored.
    pub audio: Ages,
    /// `RETENTION_AUDIO_UNTRANSCRIBED`: audio whose transcript is not complete is kept so long at least; `None`: until it is.
    pub untranscribed: Option<Duration>,
    /// `RETENTION_METADATA`, `RETENTION_METADATA_QUEUES`: calls and conversations with everything that hangs on them, since they began.
    pub metadata: Ages,
    /// `RETENTION_NOTICE`: for so long after the first run nothing goes, and it is told what would.
    pub notice: Duration,
}

/// An age that would delete what was stored an hour ago is a slip: transcripts are still being made of it.
const SHORTEST: Duration = Duration::from_hours(24);
/// PostgreSQL has no date so long ago; who means it says `forever`.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

/// `30d` or `forever`.
struct Kept(Option<Duration>);

impl FromStr for Kept {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" { Ok(Self(None)) } else { humantime::parse_duration(text).map(|age| Self(Some(age))) }
    }
}

/// The last `=` divides: a queue's name may hold one.
fn override_of(text: &str) -> Option<(String, Option<Duration>)> {
    let (queue, age) = text.rsplit_once('=')?;
    let Kept(age) = age.trim().parse().ok()?;
    Some((queue.trim().to_owned(), age)).filter(|(queue, _)| !queue.is_empty())
}

/// An age as proofs and tables tell it: `90d`, `forever`. Not in months and years, which have no length that all agree on.
fn told(age: Option<Duration>) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match age.map(|age| age.as_secs()) {
        None => "forever".to_owned(),
        Some(seconds) if seconds % DAY == 0 => format!("{}d", seconds / DAY),
        Some(seconds) => format!("{seconds}s"),
    }
}

impl Ages {
    /// How long what belongs to `queue` is kept.
    #[must_use]
    pub fn of(&self, queue: Option<&str>) -> Option<Duration> {
        self.own(queue).map_or(self.others, |(_, age)| *age)
    }

    /// The shortest of the ages: nothing younger ever goes. `None`: nothing ever goes.
    #[must_use]
    pub fn shortest(&self) -> Option<Duration> {
        self.queues.iter().map(|(_, age)| *age).chain([self.others]).flatten().min()
    }

    fn own(&self, queue: Option<&str>) -> Option<&(String, Option<Duration>)> {
        self.queues.iter().find(|(name, _)| Some(name.as_str()) == queue)
    }

    /// The setting that decides about a queue, with its value: for proofs of deletion.
    fn policy(&self, queue: Option<&str>, [others, queues]: [&Setting; 2]) -> String {
        let setting = if self.own(queue).is_some() { queues } else { others };
        format!("{} {}", setting.name, told(self.of(queue)))
    }

    fn read(reader: &mut Reader<'_>, others: &Setting, queues: &Setting, default: Option<Duration>) -> Self {
        let mut ages = Self { others: age(reader, others, default), queues: Vec::new() };
        for text in reader.list(queues) {
            match override_of(&text) {
                Some((queue, _)) if ages.own(Some(&queue)).is_some() => {
                    reader.complain(queues.name, format!("is not usable: `{queue}` is named twice"));
                }
                Some(queue) => ages.queues.push(queue),
                None => reader.complain(queues.name, format!("is not usable: `{text}` is not `queue=30d` or `queue=forever`")),
            }
        }
        if ages.queues.iter().any(|(_, age)| age.is_some_and(out_of_bounds)) {
            reader.complain(queues.name, BOUNDS);
        }
        ages
    }
}

const BOUNDS: &str = "is too short or too long: from `1d` to `100y`, or `forever`";

fn out_of_bounds(age: Duration) -> bool {
    !(SHORTEST..=LONGEST).contains(&age)
}

fn age(reader: &mut Reader<'_>, setting: &Setting, default: Option<Duration>) -> Option<Duration> {
    let given: Option<Kept> = reader.parsed(setting, "a span of time such as `30d`, or `forever`");
    let age = given.map_or(default, |Kept(age)| age);
    if age.is_some_and(out_of_bounds) {
        reader.complain(setting.name, BOUNDS);
    }
    age
}

impl RetentionSettings {
    const AUDIO: Setting = Setting::new(
        "RETENTION_AUDIO",
        "30d",
        "Audio stored longer ago than this is DELETED from the bucket, unless its call is held; `forever`: none is. At least `1d`. \
         See first what would go: `callscribe retention`",
    );
    const AUDIO_QUEUES: Setting =
        Setting::optional("RETENTION_AUDIO_QUEUES", "Queues whose audio is kept otherwise, by name: `Sales=90d,Complaints=forever`");
    const UNTRANSCRIBED: Setting = Setting::new(
        "RETENTION_AUDIO_UNTRANSCRIBED",
        "forever",
        "Audio whose transcript is not complete is kept at least so long, whatever RETENTION_AUDIO says; `forever`: until it is complete",
    );
    const METADATA: Setting = Setting::new(
        "RETENTION_METADATA",
        "365d",
        "Calls and conversations that began longer ago than this are DELETED from the database, with their transcripts, once their audio is gone \
         and unless they are held; `forever`: none is. What is older is not synced either. At least `1d`",
    );
    const METADATA_QUEUES: Setting =
        Setting::optional("RETENTION_METADATA_QUEUES", "Queues whose calls are kept otherwise, by name: `Sales=2y,Complaints=forever`");
    const NOTICE: Setting =
        Setting::new("RETENTION_NOTICE", "7d", "For so long after its first daily run, retention deletes nothing and logs what it would");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] =
        &[Self::AUDIO, Self::AUDIO_QUEUES, Self::UNTRANSCRIBED, Self::METADATA, Self::METADATA_QUEUES, Self::NOTICE];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        Self {
            audio: Ages::read(reader, &Self::AUDIO, &Self::AUDIO_QUEUES, default.audio.others),
            untranscribed: age(reader, &Self::UNTRANSCRIBED, default.untranscribed),
            metadata: Ages::read(reader, &Self::METADATA, &Self::METADATA_QUEUES, default.metadata.others),
            notice: reader.duration(&Self::NOTICE).unwrap_or(default.notice),
        }
    }

    /// The setting that decides about a queue's audio, with its value: for proofs of deletion.
    #[must_use]
    pub fn audio_policy(&self, queue: Option<&str>) -> String {
        self.audio.policy(queue, [&Self::AUDIO, &Self::AUDIO_QUEUES])
    }

    /// The same about a queue's calls.
    #[must_use]
    pub fn metadata_policy(&self, queue: Option<&str>) -> String {
        self.metadata.policy(queue, [&Self::METADATA, &Self::METADATA_QUEUES])
    }

    /// Nothing ever goes.
    #[must_use]
    pub fn keeping_everything() -> Self {
        Self { audio: Ages::default(), metadata: Ages::default(), ..Self::default() }
    }

    /// Whether anything is ever deleted.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.audio.shortest().is_some() || self.metadata.shortest().is_some()
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(24 * days);
        let after = |age: u64| Ages { others: Some(days(age)), queues: Vec::new() };
        Self { audio: after(30), untranscribed: None, metadata: after(365), notice: days(7) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<RetentionSettings, crate::config::Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, RetentionSettings::read)
    }

    fn days(days: u64) -> Duration {
        Duration::from_hours(24 * days)
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(read(&[]).unwrap(), RetentionSettings::default());
        assert_eq!(read(&[]).unwrap().audio.of(Some("any")), Some(days(30)));
    }

    #[test]
    fn it_can_be_switched_off_and_on_for_one_queue_alone() {
        let off = read(&[("RETENTION_AUDIO", "forever"), ("RETENTION_AUDIO_QUEUES", "Sales=forever"), ("RETENTION_METADATA", "forever")])
            .unwrap();
        assert!(!off.deletes() && !RetentionSettings::keeping_everything().deletes());
        let sales = read(&[("RETENTION_AUDIO", "forever"), ("RETENTION_AUDIO_QUEUES", "Sales=1d")]).unwrap();
        assert!(sales.deletes());
        assert!(read(&[("RETENTION_AUDIO", "forever")]).unwrap().deletes(), "rows of calls have an age of their own");
        assert_eq!((sales.audio.of(Some("Sales")), sales.audio.of(None)), (Some(days(1)), None));
    }

    #[test]
    fn a_queue_is_named_as_the_vendor_names_it_and_a_slip_is_told() {
        let settings =
            read(&[("RETENTION_AUDIO_QUEUES", "Tier = 2=90d, Legal=forever"), ("RETENTION_AUDIO_UNTRANSCRIBED", "180d")]).unwrap();
        assert_eq!(settings.audio.queues, [("Tier = 2".to_owned(), Some(days(90))), ("Legal".to_owned(), None)]);
        assert_eq!(settings.untranscribed, Some(days(180)));
        assert_eq!(settings.audio_policy(Some("Legal")), "RETENTION_AUDIO_QUEUES forever");
        assert_eq!(settings.audio_policy(None), "RETENTION_AUDIO 30d");
        let text = read(&[("RETENTION_AUDIO", "23h"), ("RETENTION_AUDIO_QUEUES", "Sales"), ("RETENTION_AUDIO_UNTRANSCRIBED", "900y")]);
        let text = text.unwrap_err().to_string();
        assert!(text.contains("`RETENTION_AUDIO` is too short") && text.contains("`Sales` is not `queue=30d`"), "{text}");
        assert!(text.contains("`RETENTION_AUDIO_UNTRANSCRIBED` is too short or too long"), "{text}");
    }
}
