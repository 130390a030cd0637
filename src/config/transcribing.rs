//! How recordings are made ready for transcribers, and what follows from what they answer.

use std::path::PathBuf;

use super::{PriceSettings, Reader, RedactionSettings, Setting};

/// What becomes of a transcript that failed its checks wherever it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenDoubtful {
    /// It is tried again until the attempts are used up, and then dead.
    #[default]
    Error,
    /// The best answer is kept, with flags that say what is wrong with it.
    Keep,
}

/// Who speaks on the first and on the second channel of recordings whose vendor does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelSpeakers {
    others: Option<[String; 2]>,
    queues: Vec<(String, [String; 2])>,
}

impl ChannelSpeakers {
    /// Who speaks on the channels of a queue's recordings, if that was set.
    #[must_use]
    pub fn of(&self, queue: Option<&str>) -> Option<&[String; 2]> {
        let own = self.queues.iter().find(|(name, _)| Some(name.as_str()) == queue).map(|(_, speakers)| speakers);
        own.or(self.others.as_ref())
    }
}

/// How recordings are transcribed, whoever does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscribingSettings {
    /// `CHANNEL_SPEAKERS`, `CHANNEL_SPEAKERS_QUEUES`.
    pub speakers: ChannelSpeakers,
    /// `TRANSCRIPTION_TRIM_SILENCE`: long pauses are not sent.
    pub trim_silence: bool,
    /// `TRANSCRIPTION_WHEN_DOUBTFUL`.
    pub when_doubtful: WhenDoubtful,
    /// `TRANSCRIPTION_SCRATCH_DIR`; `None`: the system's own folder for such files.
    pub scratch: Option<PathBuf>,
    /// What is taken out of transcripts.
    pub redaction: RedactionSettings,
    /// What transcription costs and may cost.
    pub prices: PriceSettings,
}

impl Default for TranscribingSettings {
    fn default() -> Self {
        Self {
            speakers: ChannelSpeakers::default(),
            trim_silence: true,
            when_doubtful: WhenDoubtful::Error,
            scratch: None,
            redaction: RedactionSettings::default(),
            prices: PriceSettings::default(),
        }
    }
}

impl TranscribingSettings {
    const SPEAKERS: Setting = Setting::optional(
        "CHANNEL_SPEAKERS",
        "Who speaks on the first and on the second channel where the vendor does not tell: `agent/customer` or `customer/agent`",
    );
    const SPEAKERS_QUEUES: Setting = Setting::optional(
        "CHANNEL_SPEAKERS_QUEUES",
        "Queues whose channels are otherwise, by name: `Sales=customer/agent,Complaints=agent/customer`",
    );
    const TRIM: Setting = Setting::new(
        "TRANSCRIPTION_TRIM_SILENCE",
        "true",
        "`true`: pauses of more than two seconds are cut to one before audio is sent, and times are mapped back; `false`: all is sent",
    );
    const WHEN_DOUBTFUL: Setting = Setting::new(
        "TRANSCRIPTION_WHEN_DOUBTFUL",
        "error",
        "When every provider's answer fails its checks: `error` tries again and then ends as an error with its reason, `keep` keeps the best answer with flags",
    );
    const SCRATCH: Setting = Setting::optional(
        "TRANSCRIPTION_SCRATCH_DIR",
        "Folder for the recording and its pieces while they are transcribed, up to about 130 MB per hour of audio and transcription at once, and as much again with `REDACTION_AUDIO`; the system's own when it is not given",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::SPEAKERS, Self::SPEAKERS_QUEUES, Self::TRIM, Self::WHEN_DOUBTFUL, Self::SCRATCH];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let when_doubtful = match reader.text(&Self::WHEN_DOUBTFUL).as_deref() {
            Some("error") | None => WhenDoubtful::Error,
            Some("keep") => WhenDoubtful::Keep,
            Some(other) => {
                reader.complain(Self::WHEN_DOUBTFUL.name, format!("is not usable: `{other}` is neither `error` nor `keep`"));
                WhenDoubtful::Error
            }
        };
        Self {
            speakers: Self::speakers(reader),
            trim_silence: reader.parsed(&Self::TRIM, "`true` or `false`").unwrap_or(true),
            when_doubtful,
            scratch: reader.text(&Self::SCRATCH).map(PathBuf::from),
            redaction: RedactionSettings::read(reader),
            prices: PriceSettings::read(reader),
        }
    }

    fn speakers(reader: &mut Reader<'_>) -> ChannelSpeakers {
        let others = reader.text(&Self::SPEAKERS).and_then(|text| {
            let pair = pair(&text);
            if pair.is_none() {
                reader.complain(Self::SPEAKERS.name, format!("is not usable: `{text}` is not two speakers such as `agent/customer`"));
            }
            pair
        });
        let mut queues: Vec<(String, [String; 2])> = Vec::new();
        for text in reader.list(&Self::SPEAKERS_QUEUES) {
            let read = text.rsplit_once('=').and_then(|(queue, speakers)| Some((queue.trim().to_owned(), pair(speakers)?)));
            match read.filter(|(queue, _)| !queue.is_empty()) {
                Some((queue, _)) if queues.iter().any(|(known, _)| *known == queue) => {
                    reader.complain(Self::SPEAKERS_QUEUES.name, format!("is not usable: `{queue}` is named twice"));
                }
                Some(queue) => queues.push(queue),
                None => {
                    reader.complain(Self::SPEAKERS_QUEUES.name, format!("is not usable: `{text}` is not `queue=agent/customer`"));
                }
            }
        }
        ChannelSpeakers { others, queues }
    }
}

fn pair(text: &str) -> Option<[String; 2]> {
    let (one, other) = text.split_once('/')?;
    let named = |name: &str| Some(name.trim().to_lowercase()).filter(|name| !name.is_empty() && !name.contains('/'));
    let pair = [named(one)?, named(other)?];
    (pair[0] != pair[1]).then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<TranscribingSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = TranscribingSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_queue_may_have_its_channels_the_other_way_round() {
        let settings =
            read(&[("CHANNEL_SPEAKERS", "Agent/Customer"), ("CHANNEL_SPEAKERS_QUEUES", "a=b=customer/agent, Sales=agent/bot")]).unwrap();
        let of = |queue| settings.speakers.of(queue).map(|pair| pair.join("+"));
        assert_eq!(of(None).as_deref(), Some("agent+customer"));
        assert_eq!(of(Some("a=b")).as_deref(), Some("customer+agent"));
        assert_eq!(of(Some("Sales")).as_deref(), Some("agent+bot"));
        assert_eq!(read(&[]).unwrap(), TranscribingSettings::default());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (name, value) in [
            ("CHANNEL_SPEAKERS", "agent"),
            ("CHANNEL_SPEAKERS", "agent/agent"),
            ("CHANNEL_SPEAKERS_QUEUES", "=agent/customer"),
            ("CHANNEL_SPEAKERS_QUEUES", "q=agent/customer,q=customer/agent"),
            ("TRANSCRIPTION_WHEN_DOUBTFUL", "maybe"),
            ("TRANSCRIPTION_TRIM_SILENCE", "1"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().contains(name), "{name}={value}");
        }
    }
}
