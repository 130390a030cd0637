//! Each provider beside its simulator, and how to get that into trouble.

use std::{any::Any, sync::Arc};

use callscribe::{
    asr::{Transcriber, assemblyai::AssemblyAi, deepgram::Deepgram, whisper::Whisper},
    clock::SystemClock,
    config::{AssemblyAiSettings, DeepgramCallback, DeepgramSettings, WhisperSettings},
};
use callscribe_simulators::{
    When, assemblyai, deepgram,
    services::{ServiceFault, ServicePlan},
    transcriber::{self, Known, Profile, TranscriberPlan, Wait},
};
use secrecy::SecretString;

use super::{WAIT, background, engine};
use crate::harness;

/// What can go wrong at a provider on the net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Key,
    Credit,
    TooMany,
    Failing,
    FailingAsPage,
    Cut,
    HalfAnswer,
}

/// A provider and its simulator.
pub(super) struct Rig {
    pub(super) name: &'static str,
    pub(super) transcriber: Arc<dyn Transcriber>,
    pub(super) key: Option<String>,
    /// Another model that the simulator has.
    pub(super) other_model: &'static str,
    /// Its answers name the request.
    pub(super) names_requests: bool,
    /// It says how long to wait when there are too many requests.
    pub(super) says_wait: bool,
    /// It says how many seconds it charges for.
    pub(super) tells_bill: bool,
    pub(super) switch: Box<dyn Fn(Trouble) -> bool>,
    pub(super) asked: Box<dyn Fn() -> (String, Option<String>)>,
    pub(super) _alive: Box<dyn Any>,
}

impl Rig {
    /// Gets the provider into this trouble alone, for good; false where it cannot be.
    pub(super) fn trouble(&self, trouble: Trouble) -> bool {
        (self.switch)(trouble)
    }

    /// The model and the language of the last request.
    pub(super) fn asked(&self) -> (String, Option<String>) {
        (self.asked)()
    }
}

/// Every provider.
pub(super) async fn rigs() -> Vec<Rig> {
    #[cfg_attr(not(feature = "aws-transcribe"), expect(unused_mut, reason = "one more with the feature"))]
    let mut rigs = vec![whisper().await, deepgram(false).await, deepgram(true).await, assemblyai().await, engine::rig()];
    #[cfg(feature = "aws-transcribe")]
    rigs.push(aws().await);
    rigs
}

fn fault(trouble: Trouble) -> ServiceFault {
    match trouble {
        Trouble::Key => ServiceFault::KeyRefused,
        Trouble::Credit => ServiceFault::NoCredit,
        Trouble::TooMany => ServiceFault::TooMany { retry_after: Some(WAIT.as_secs()) },
        Trouble::Failing => ServiceFault::Failing { status: 500 },
        Trouble::FailingAsPage => ServiceFault::FailingAsPage { status: 502 },
        Trouble::Cut => ServiceFault::Cut,
        Trouble::HalfAnswer => ServiceFault::HalfAnswer,
    }
}

async fn whisper() -> Rig {
    let server = Arc::new(transcriber::Transcriber::start(TranscriberPlan::new(Profile::OpenAi)).await.unwrap());
    let mut settings = WhisperSettings::for_base_url(server.base_url().parse().unwrap());
    settings.api_key = server.api_key().map(|key| key.to_owned().into());
    let (faults, asks) = (Arc::clone(&server), Arc::clone(&server));
    Rig {
        name: "whisper",
        transcriber: Arc::new(Whisper::new(settings, Arc::new(SystemClock)).unwrap()),
        key: server.api_key().map(str::to_owned),
        other_model: "gpt-4o-transcribe",
        names_requests: true,
        says_wait: true,
        tells_bill: true,
        switch: Box::new(move |trouble| {
            let wait = Wait::Seconds(WAIT.as_secs());
            let fault = match trouble {
                Trouble::Key => transcriber::Fault::Error(Known::InvalidKey),
                Trouble::Credit => transcriber::Fault::Error(Known::QuotaExhausted),
                Trouble::TooMany => transcriber::Fault::Error(Known::RateLimited(wait)),
                Trouble::Failing => transcriber::Fault::Error(Known::Overloaded),
                Trouble::FailingAsPage => transcriber::Fault::Error(Known::ServerErrorHtml),
                Trouble::Cut => transcriber::Fault::ConnectionCut { after: std::time::Duration::ZERO },
                Trouble::HalfAnswer => transcriber::Fault::DisconnectAt { byte: 40 },
            };
            faults.faults().clear();
            faults.faults().on(fault, When::Always);
            true
        }),
        asked: Box::new(move || asks.asks().last().map(|ask| (ask.model.clone(), ask.language.clone())).unwrap()),
        _alive: Box::new(server),
    }
}

async fn deepgram(posts: bool) -> Rig {
    let server = Arc::new(deepgram::Deepgram::start(ServicePlan::new(&deepgram::MODELS)).await.unwrap());
    let key = server.api_key().to_owned();
    let mut settings = DeepgramSettings::for_base_url(server.base_url().parse().unwrap(), key.clone().into());
    let mut alive: Vec<Box<dyn Any>> = vec![Box::new(Arc::clone(&server))];
    let transcriber = if posts {
        let secret: SecretString = background::SECRET.into();
        let database = harness::database().await;
        let (url, api) = background::receiver(database.store(), &secret).await;
        settings.callback = Some(DeepgramCallback { url, secret });
        let transcriber = Deepgram::new(settings, Arc::new(SystemClock)).unwrap().collecting_from(database.store());
        alive.push(Box::new(database));
        alive.push(Box::new(api));
        transcriber
    } else {
        Deepgram::new(settings, Arc::new(SystemClock)).unwrap()
    };
    let (faults, taken) = (Arc::clone(&server), server);
    Rig {
        name: if posts { "deepgram, posted" } else { "deepgram" },
        transcriber: Arc::new(transcriber),
        key: Some(key),
        other_model: "nova-2",
        names_requests: true,
        says_wait: true,
        tells_bill: true,
        switch: Box::new(move |trouble| {
            faults.faults().clear();
            faults.faults().on(fault(trouble), When::Always);
            // what is posted is read whole or not at all
            !(posts && trouble == Trouble::HalfAnswer)
        }),
        asked: Box::new(move || taken.taken().last().map(|taken| (taken.model.clone(), taken.language.clone())).unwrap()),
        _alive: Box::new(alive),
    }
}

async fn assemblyai() -> Rig {
    let server = Arc::new(assemblyai::AssemblyAi::start(ServicePlan::new(&assemblyai::MODELS)).await.unwrap());
    server.faults().on(ServiceFault::JobLasts { looks: 2 }, When::Always);
    let key = server.api_key().to_owned();
    let settings = AssemblyAiSettings::for_base_url(server.base_url().parse().unwrap(), key.clone().into());
    let (faults, taken) = (Arc::clone(&server), Arc::clone(&server));
    Rig {
        name: "assemblyai",
        transcriber: Arc::new(AssemblyAi::new(settings, Arc::new(SystemClock)).unwrap()),
        key: Some(key),
        other_model: "universal-3-5-pro",
        names_requests: true,
        says_wait: true,
        tells_bill: true,
        switch: Box::new(move |trouble| {
            faults.faults().clear();
            faults.faults().on(fault(trouble), When::Always);
            true
        }),
        asked: Box::new(move || taken.taken().last().map(|taken| (taken.model.clone(), taken.language.clone())).unwrap()),
        _alive: Box::new(server),
    }
}

#[cfg(feature = "aws-transcribe")]
async fn aws() -> Rig {
    let office = super::aws::office().await;
    let (server, transcriber) = (Arc::new(office.server), office.transcriber);
    let (faults, taken) = (Arc::clone(&server), server);
    Rig {
        name: "aws-transcribe",
        transcriber: Arc::new(transcriber),
        key: Some("s3cret".to_owned()),
        other_model: "ours",
        names_requests: true,
        says_wait: false,
        tells_bill: false,
        switch: Box::new(move |trouble| {
            faults.faults().clear();
            faults.faults().on(fault(trouble), When::Always);
            true
        }),
        // the service wants regions
        asked: Box::new(move || {
            let last = taken.taken().pop().unwrap();
            (last.model, last.language.map(|language| language.chars().take(2).collect()))
        }),
        _alive: Box::new(office.s3),
    }
}
