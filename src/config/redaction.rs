//! What is taken out of transcripts before they are stored.

use regex::Regex;

use super::{Reader, Setting};
use crate::transcript::Policy;

/// What becomes of audio in which something was said that is taken out of transcripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedactedAudio {
    /// It stays as it was recorded.
    #[default]
    Untouched,
    /// A muted copy is made, and the original lies apart.
    Apart,
    /// A muted copy is made, and the original is deleted.
    Deleted,
}

impl RedactedAudio {
    /// Whether copies are made in which something is muted.
    #[must_use]
    pub fn mutes(self) -> bool {
        self != Self::Untouched
    }
}

/// What is taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedactionSettings {
    /// `REDACTION`.
    kinds: Vec<String>,
    /// `REDACTION_PATTERNS`: names and patterns, each of which was read as one.
    patterns: Vec<(String, String)>,
    /// `REDACTION_AUDIO`: what becomes of the audio.
    pub audio: RedactedAudio,
}

const KINDS: [&str; 4] = ["cards", "national_ids", "phones", "emails"];

impl RedactionSettings {
    const REDACTION: Setting = Setting::optional(
        "REDACTION",
        "What is taken out of transcripts before they are stored, text, words and exports alike: any of `cards,national_ids,phones,emails`. What was \
         said stays in the recording alone, as long as that is kept: see `REDACTION_AUDIO`",
    );
    const PATTERNS: Setting = Setting::optional(
        "REDACTION_PATTERNS",
        "Regular expressions for what else is taken out, by name, separated by `;`: `policy=\\bP-[0-9]{6}\\b;member=\\bM[0-9]+\\b`",
    );
    const AUDIO: Setting = Setting::new(
        "REDACTION_AUDIO",
        "untouched",
        "What becomes of the audio. `untouched`: it stays as it was recorded. `apart`: recordings are stored under `originals/`, and a copy in which what \
         was taken out is muted, padded by a quarter of a second, where they would lie otherwise; give few people a right to `originals/*`. `deleted`: the \
         original is deleted once the copy is there, unless the call is on legal hold. The same for all processes",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::REDACTION, Self::PATTERNS, Self::AUDIO];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let mut settings = Self::default();
        for kind in reader.list(&Self::REDACTION) {
            if KINDS.contains(&kind.as_str()) {
                settings.kinds.push(kind);
            } else {
                reader.complain(Self::REDACTION.name, format!("is not usable: `{kind}` is none of `{}`", KINDS.join("`, `")));
            }
        }
        let patterns = reader.text(&Self::PATTERNS).unwrap_or_default();
        for text in patterns.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            match text.split_once('=') {
                Some((name, pattern)) if is_name(name) && Regex::new(pattern).is_ok() => {
                    settings.patterns.push((name.to_owned(), pattern.to_owned()));
                }
                Some((name, _)) => reader.complain(
                    Self::PATTERNS.name,
                    format!(
                        "is not usable: what `{name}` stands for is no regular expression, or its name has other letters than a-z and _"
                    ),
                ),
                None => reader.complain(Self::PATTERNS.name, "is not usable: write `name=pattern`, more of them separated by `;`"),
            }
        }
        settings.audio = match reader.text(&Self::AUDIO).as_deref() {
            Some("untouched") | None => RedactedAudio::Untouched,
            Some("apart") => RedactedAudio::Apart,
            Some("deleted") => RedactedAudio::Deleted,
            Some(other) => {
                reader.complain(Self::AUDIO.name, format!("is not usable: `{other}` is none of `untouched`, `apart` and `deleted`"));
                RedactedAudio::Untouched
            }
        };
        if settings.audio.mutes() && settings.takes_nothing_out() {
            reader.complain(Self::AUDIO.name, "has nothing to mute: name it with `REDACTION` or `REDACTION_PATTERNS`");
        }
        settings
    }

    fn takes_nothing_out(&self) -> bool {
        self.kinds.is_empty() && self.patterns.is_empty()
    }

    /// The policy, if anything is taken out.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        let names = |kind: &str| self.kinds.iter().any(|known| known == kind);
        let custom = self.patterns.iter().filter_map(|(name, pattern)| Some((name.clone(), Regex::new(pattern).ok()?)));
        let policy = Policy {
            cards: names("cards"),
            national_ids: names("national_ids"),
            phones: names("phones"),
            emails: names("emails"),
            custom: custom.collect(),
        };
        (!self.takes_nothing_out()).then_some(policy)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<RedactionSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = RedactionSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_is_taken_out_unless_it_is_named() {
        assert!(read(&[]).unwrap().policy().is_none());
        let policy =
            read(&[("REDACTION", "cards, emails"), ("REDACTION_PATTERNS", "policy=P-[0-9]{6};member=M=1")]).unwrap().policy().unwrap();
        assert_eq!((policy.cards, policy.emails, policy.phones, policy.national_ids), (true, true, false, false));
        assert_eq!(
            policy.custom.iter().map(|(name, pattern)| (name.as_str(), pattern.as_str())).collect::<Vec<_>>(),
            [("policy", "P-[0-9]{6}"), ("member", "M=1")]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        assert!(read(&[("REDACTION", "card")]).unwrap_err().contains("`card` is none of"));
        for bad in ["policy", "policy=(", "Policy=x", "=x"] {
            assert!(read(&[("REDACTION_PATTERNS", bad)]).unwrap_err().contains("REDACTION_PATTERNS"), "{bad}");
        }
        for lone in [[("REDACTION_AUDIO", "muted"), ("REDACTION", "cards")], [("REDACTION_AUDIO", "apart"), ("REDACTION", "")]] {
            assert!(read(&lone).unwrap_err().contains("REDACTION_AUDIO"), "{lone:?}");
        }
        assert_eq!(read(&[("REDACTION_AUDIO", "deleted"), ("REDACTION", "cards")]).unwrap().audio, RedactedAudio::Deleted);
    }
}
