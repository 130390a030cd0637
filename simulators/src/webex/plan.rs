//! What a simulated Webex holds: its tenant, its calls and the faults that are on from the start.

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::fault::Fault;
use super::ids::session_id;
use crate::clock::SimulatedClock;
use crate::faults::When;
use crate::speech::{DataSize, Length, Shape};

/// What a client must present.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The integration's id.
    pub client_id: String,
    /// The integration's secret.
    pub client_secret: String,
    /// The refresh token that is good at the start.
    pub refresh_token: String,
    /// An authorisation code that can be exchanged, any number of times.
    pub authorization_code: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// `attributes.direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A customer called.
    Inbound,
    /// A campaign called.
    Outbound,
    /// An agent dialled.
    Outdial,
}

impl Direction {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Outdial => "outdial",
        }
    }
}

/// One call to be simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSpec {
    /// When it begins, seen from the clock's time when the simulator starts; negative is the past.
    pub begins: TimeDelta,
    /// From its beginning to its end.
    pub lasts: Duration,
    /// Which way it goes.
    pub direction: Direction,
    /// `telephony`, or another channel.
    pub channel: &'static str,
    /// Whether the caller gives up: `abandoned` in place of `completed`.
    pub abandoned: bool,
    /// Whether an agent takes it, who is then its `owner`.
    pub answered: bool,
    /// Whether it reaches a queue.
    pub queued: bool,
    /// `captureRequested` once the call has ended.
    pub capture_requested: Option<bool>,
    /// Whether a recording is ever offered.
    pub recorded: bool,
    /// When the recording is offered, from the end of the call.
    pub ready_after: Duration,
    /// What is on the recording.
    pub audio: Length,
    /// The form of its file.
    pub shape: Shape,
    /// When Webex's own transcript is offered, from the end of the call; `None`: the tenant has none.
    pub transcript_after: Option<Duration>,
    /// How many messages were written; only in channels that are not spoken.
    pub messages: u32,
    /// When somebody writes again, from its end: it then goes on, with one message more, for as long as it lasted. Only in channels that
    /// are not spoken.
    pub reopened_after: Option<Duration>,
    /// Whether the AI assistant summarised it.
    pub summarised: bool,
    /// When `lastUpdatedTime` changes again after the end, if it does.
    pub touched_after: Option<Duration>,
    /// What the agent says it was about, if one took the call.
    pub wrap_up: Option<&'static str>,
    /// When that is written, from the end of the call.
    pub wrapped_after: Duration,
    /// `csatScore`.
    pub csat: Option<u8>,
    /// `contactReason`, and the reason that its summary notes.
    pub contact_reason: Option<&'static str>,
    /// Global variables of the flow, names and values.
    pub variables: Vec<(&'static str, String)>,
}

impl CallSpec {
    /// An answered call of ten seconds that began this long ago and is recorded in two channels of µ-law.
    #[must_use]
    pub fn ago(began: Duration) -> Self {
        Self {
            begins: -TimeDelta::from_std(began).unwrap_or(TimeDelta::MAX),
            lasts: Duration::from_secs(10),
            direction: Direction::Inbound,
            channel: "telephony",
            abandoned: false,
            answered: true,
            queued: true,
            capture_requested: Some(true),
            recorded: true,
            // the one measured case of the contract: 1.893 s after `ended`
            ready_after: Duration::from_secs(2),
            audio: Length::Spoken(Duration::from_secs(10)),
            shape: Shape::ULAW,
            transcript_after: None,
            messages: 0,
            reopened_after: None,
            summarised: false,
            touched_after: None,
            wrap_up: Some("Resolved"),
            wrapped_after: Duration::from_mins(2),
            csat: None,
            contact_reason: None,
            variables: Vec::new(),
        }
    }

    /// The same call with a transcript by Webex two minutes after its end.
    #[must_use]
    pub fn transcribed(self) -> Self {
        Self { transcript_after: Some(Duration::from_mins(2)), ..self }
    }

    /// A chat of five minutes with so many messages, whose file is there two seconds after its end.
    #[must_use]
    pub fn chat(began: Duration, messages: u32) -> Self {
        let transcript_after = Some(Duration::from_secs(2));
        let lasts = Duration::from_mins(5);
        Self { channel: "chat", lasts, recorded: false, messages, transcript_after, ..Self::ago(began) }
    }

    /// The same call with so much speech in it.
    #[must_use]
    pub fn speaking(self, length: Duration) -> Self {
        Self { lasts: length, audio: Length::Spoken(length), ..self }
    }
}

/// The calls of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Calls {
    /// These. They are numbered by their beginning, the first being 0.
    Listed(Vec<CallSpec>),
    /// So many like one, made when they are asked for.
    Many {
        /// How many; the last one began `spacing` before the start.
        count: u32,
        /// From the beginning of one to the beginning of the next.
        spacing: Duration,
        /// What each is like; its own `begins` does not count.
        like: Box<CallSpec>,
    },
}

/// A Webex to start.
#[derive(Debug, Clone)]
pub struct WebexPlan {
    /// From which everything follows.
    pub seed: u64,
    /// The tenant.
    pub org_id: Uuid,
    /// Its calls.
    pub calls: Calls,
    /// The time; share one with other simulators, or keep a clone to move it.
    pub clock: SimulatedClock,
    /// What clients must present.
    pub credentials: Credentials,
    /// Faults that are on from the start.
    pub faults: Vec<(Fault, When)>,
    /// Takes plain-http destinations on this machine for webhooks; off, they are refused as by the real service.
    pub loopback_hooks: bool,
    /// How long a receiver of webhooks has to answer, in real time.
    pub hook_patience: Duration,
}

/// The contract's.
const HOOK_PATIENCE: Duration = Duration::from_secs(5);

impl WebexPlan {
    /// A tenant with these calls and no faults.
    #[must_use]
    pub fn new(seed: u64, calls: Vec<CallSpec>) -> Self {
        Self {
            seed,
            org_id: Uuid::from_u128(0x1111_1111_2222_4333_8444_5555_5555_5555),
            calls: Calls::Listed(calls),
            clock: SimulatedClock::real(),
            credentials: Credentials {
                client_id: "simulated-client".into(),
                client_secret: "simulated-secret".into(),
                refresh_token: format!("simulated-refresh-{seed}"),
                authorization_code: "simulated-code".into(),
            },
            faults: Vec::new(),
            loopback_hooks: false,
            hook_patience: HOOK_PATIENCE,
        }
    }

    /// The same plan with webhooks sent to this machine.
    #[must_use]
    pub fn with_loopback_hooks(self) -> Self {
        Self { loopback_hooks: true, ..self }
    }

    /// `count` ordinary short calls, one a minute, the last a few minutes ago.
    #[must_use]
    pub fn ordinary(seed: u64, count: u32) -> Self {
        Self::new(seed, (0..count).map(|number| demo_call(number, count)).collect())
    }

    /// The calls of `callscribe demo`: mostly ordinary ones, and from ten calls on one of each trouble that a day brings.
    #[must_use]
    pub fn demo(seed: u64, count: u32) -> Self {
        let mut calls: Vec<CallSpec> = (0..count).map(|number| demo_call(number, count)).collect();
        let mut plan = Self::new(seed, Vec::new());
        let troubles: &[Trouble] = &[
            |call, _| {
                *call = CallSpec { abandoned: true, answered: false, capture_requested: Some(false), recorded: false, ..call.clone() };
                None
            },
            |_, id| Some((Fault::NeverRecorded, When::sessions([id]))),
            |_, id| Some((Fault::NotReadyFor { polls: 2 }, When::sessions([id]))),
            |_, id| Some((Fault::HtmlInsteadOfWav, When::sessions_first([id], 1))),
            |_, id| Some((Fault::TruncatedBody, When::sessions_first([id], 1))),
            |_, id| Some((Fault::SeveralLegs, When::sessions([id]))),
            |call, _| {
                *call = CallSpec { answered: false, queued: false, direction: Direction::Outdial, ..call.clone() };
                None
            },
            |call, _| {
                call.shape.data_size = DataSize::Max;
                None
            },
        ];
        if count >= 10 {
            // every third call, so that the ordinary ones between show that trouble does not spread
            for (number, trouble) in (1..count).step_by(if count >= 25 { 3 } else { 1 }).zip(troubles) {
                let id = session_id(seed, number);
                if let Some(call) = usize::try_from(number).ok().and_then(|place| calls.get_mut(place)) {
                    plan.faults.extend(trouble(call, id));
                }
            }
        }
        plan.calls = Calls::Listed(calls);
        plan
    }

    /// `count` calls with half a second of audio each, made when asked for: for benchmarks.
    #[must_use]
    pub fn bench(count: u32) -> Self {
        let like = CallSpec::ago(Duration::ZERO).speaking(Duration::from_millis(500));
        let calls = Calls::Many { count, spacing: Duration::from_secs(1), like: Box::new(like) };
        Self { calls, ..Self::new(1, Vec::new()) }
    }

    /// The session id of a call by its number.
    #[must_use]
    pub fn session_id(&self, number: u32) -> Uuid {
        session_id(self.seed, number)
    }

    /// Adds a fault that is on from the start.
    #[must_use]
    pub fn with(mut self, fault: Fault, when: When) -> Self {
        self.faults.push((fault, when));
        self
    }
}

/// Changes a call, or gives the fault that strikes it.
type Trouble = fn(&mut CallSpec, Uuid) -> Option<(Fault, When)>;

/// An ordinary call: 4 to 15 seconds, µ-law and PCM in turn, one a minute, the last one five minutes ago.
fn demo_call(number: u32, count: u32) -> CallSpec {
    let began = Duration::from_mins(u64::from(count.saturating_sub(number)) + 5);
    let length = Duration::from_secs(4 + u64::from(number * 7 % 12));
    let call = CallSpec::ago(began).speaking(length);
    CallSpec {
        shape: if number % 3 == 2 { Shape::PCM } else { Shape::ULAW },
        direction: if number % 8 == 5 { Direction::Outdial } else { Direction::Inbound },
        wrap_up: if number % 4 == 1 { Some("Callback promised") } else { Some("Resolved") },
        csat: number.is_multiple_of(5).then_some(4),
        variables: vec![("CaseNumber", format!("CS{:07}", 1_000_000 + number))],
        ..call
    }
}
