//! The spoken words: one clip per word and voice, 8 kHz µ-law, as `fixtures/make.py` made them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

static AGENT_BYTES: &[u8] = include_bytes!("../../fixtures/agent.ulaw");
static CUSTOMER_BYTES: &[u8] = include_bytes!("../../fixtures/customer.ulaw");

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let agent = Voice::read(AGENT_BYTES, include_str!("../../fixtures/agent.json"));
    let customer = Voice::read(CUSTOMER_BYTES, include_str!("../../fixtures/customer.json"));
    let longest = agent.clips.iter().chain(&customer.clips).map(|clip| clip.samples.len()).max().unwrap_or(0);
    Vocabulary { agent, customer, longest: u64::try_from(longest).unwrap_or(u64::MAX) }
});

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Speaker {
    /// The contact centre's agent: the left channel, `channel1`.
    Agent,
    /// The customer: the right channel, `channel2`.
    Customer,
}

/// One spoken word.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) word: String,
    /// 8 kHz µ-law.
    pub(crate) samples: &'static [u8],
}

#[derive(Deserialize)]
struct Entry {
    word: String,
    start: usize,
    samples: usize,
}

#[derive(Debug)]
pub(crate) struct Voice {
    pub(crate) clips: Vec<Clip>,
    by_word: HashMap<String, u16>,
}

impl Voice {
    #[expect(clippy::expect_used, reason = "the fixtures are part of the program; a test reads them all")]
    fn read(bytes: &'static [u8], index: &str) -> Self {
        let entries: Vec<Entry> = serde_json::from_str(index).expect("the index of a voice is JSON");
        let clips: Vec<Clip> = entries
            .into_iter()
            .map(|entry| Clip {
                samples: bytes.get(entry.start..entry.start + entry.samples).expect("a clip lies inside its file"),
                word: entry.word,
            })
            .collect();
        let by_word = (0_u16..).zip(&clips).map(|(number, clip)| (clip.word.clone(), number)).collect();
        Self { clips, by_word }
    }

    /// The number of a word's clip.
    pub(crate) fn number(&self, word: &str) -> Option<u16> {
        self.by_word.get(word).copied()
    }

    pub(crate) fn clip(&self, number: u16) -> Option<&Clip> {
        self.clips.get(usize::from(number))
    }
}

/// All clips of both voices.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    agent: Voice,
    customer: Voice,
    longest: u64,
}

impl Vocabulary {
    pub(crate) fn get() -> &'static Self {
        &VOCABULARY
    }

    /// Samples of the longest clip.
    pub(crate) fn longest(&self) -> u64 {
        self.longest
    }

    pub(crate) fn voice(&self, speaker: Speaker) -> &Voice {
        match speaker {
            Speaker::Agent => &self.agent,
            Speaker::Customer => &self.customer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_voices_know_the_same_words() {
        let words = |speaker| Vocabulary::get().voice(speaker).clips.iter().map(|clip| clip.word.clone()).collect::<Vec<_>>();
        assert_eq!(words(Speaker::Agent), words(Speaker::Customer));
        assert!(words(Speaker::Agent).len() > 80);
    }
}
