//! Several providers: who works in the background holds no worker, who cannot makes way for the next, and what is kept of doubtful answers.

use std::sync::Arc;

use callscribe::{
    asr::{Transcriber, assemblyai::AssemblyAi, deepgram::Deepgram},
    clock::SystemClock,
    config::{AssemblyAiSettings, DeepgramCallback, DeepgramSettings, PriceSettings, TranscribingSettings, WhenDoubtful},
    domain::Reason,
};
use callscribe_simulators::{
    When, assemblyai, deepgram,
    services::{ServiceFault, ServicePlan},
    speech::Shape,
    transcriber::{Fault, Known},
};
use secrecy::SecretString;

use super::{
    desk::{Desk, call, desk, truth},
    due_again, later, openai, retry,
};
use crate::{harness::eventually, providers::background::receiver};

/// A desk with another provider behind its own, and that one's server.
async fn two(first: Order) -> (Desk, assemblyai::AssemblyAi) {
    let server = assemblyai::AssemblyAi::start(ServicePlan::new(&assemblyai::MODELS)).await.unwrap();
    let other = with_key(&server, server.api_key());
    let desk = desk(openai()).await;
    let whisper = desk.whisper();
    let chain = match first {
        Order::WhisperFirst => vec![whisper, other],
        Order::Alone => vec![other],
    };
    (desk.with_chain(chain, TranscribingSettings::default()), server)
}

/// The other provider as it is reached with this key.
fn with_key(server: &assemblyai::AssemblyAi, key: &str) -> Arc<dyn Transcriber> {
    let settings = AssemblyAiSettings::for_base_url(server.base_url().parse().unwrap(), key.to_owned().into());
    Arc::new(AssemblyAi::new(settings, Arc::new(SystemClock)).unwrap())
}

#[derive(Clone, Copy)]
enum Order {
    WhisperFirst,
    Alone,
}

#[tokio::test]
async fn a_provider_that_works_in_the_background_is_asked_once_and_waited_for_without_a_worker() {
    let (desk, server) = two(Order::Alone).await;
    server.faults().on(ServiceFault::JobLasts { looks: 2 }, When::Always);
    let recording = call(60, 20, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    let mut waited = 0;
    while let Some(why) = desk.step().await {
        assert_eq!(why.reason, Reason::ProviderWorking, "{why:?}");
        waited += 1;
        assert_eq!(desk.count("SELECT count(*) AS count FROM transcript_pieces WHERE provider_job IS NOT NULL").await, 2);
        due_again(&desk).await;
    }
    assert!(waited >= 2, "{waited}");
    assert_eq!(server.taken().len(), 2, "each side was ordered once");
    assert_eq!(desk.row(&waiting).await.words(), truth(&recording));
}

#[tokio::test]
async fn who_refuses_a_recording_makes_way_for_the_next_and_the_transcript_says_so() {
    let (desk, server) = two(Order::WhisperFirst).await;
    desk.server.faults().on(Fault::Error(Known::Undecodable), When::Always);
    let recording = call(61, 15, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    while let Some(why) = desk.step().await {
        assert_eq!(why.reason, Reason::ProviderWorking, "{why:?}");
        due_again(&desk).await;
    }
    let row = desk.row(&waiting).await;
    assert_eq!((row.words(), row.document().provider.as_str()), (truth(&recording), "assemblyai"));
    assert_eq!((row.flags.first().map(String::as_str), server.taken().len()), (Some("fell_back"), 2));
}

#[tokio::test]
async fn a_doubtful_answer_is_kept_with_its_fault_where_that_is_wished_and_never_otherwise() {
    let desk = desk(openai()).await;
    desk.server.faults().on(Fault::TailLost, When::Always);
    let waiting = desk.put(&call(62, 60, Shape::ULAW)).await;
    assert_eq!(retry(desk.outcome().await).reason, Reason::LowCoverage);
    assert_eq!(desk.count("SELECT count(*) AS count FROM transcript_pieces").await, 0, "no bad answer is met again");
    due_again(&desk).await;
    let (chain, settings) = (vec![desk.whisper()], TranscribingSettings { when_doubtful: WhenDoubtful::Keep, ..Default::default() });
    let keeping = desk.with_chain(chain, settings);
    keeping.complete().await;
    let row = keeping.row(&waiting).await;
    assert_eq!(row.status, "complete");
    assert!(row.flags.contains(&"low_coverage".to_owned()) && row.flags.contains(&"asked_twice".to_owned()), "{:?}", row.flags);
}

#[tokio::test]
async fn a_doubtful_answer_waits_for_a_provider_that_may_hear_better_and_is_not_paid_for_again() {
    for when_doubtful in [WhenDoubtful::Keep, WhenDoubtful::Error] {
        let (desk, server) = two(Order::WhisperFirst).await;
        desk.server.faults().on(Fault::TailLost, When::Always);
        let settings = || TranscribingSettings { when_doubtful, ..Default::default() };
        let locked_out = vec![desk.whisper(), with_key(&server, "old-key")];
        let recording = call(63, 30, Shape::ULAW);
        let waiting = desk.put(&recording).await;
        let desk = desk.with_chain(locked_out, settings());
        for _ in 0..2 {
            assert_eq!(later(desk.outcome().await).0, Reason::ProviderMisconfigured);
            due_again(&desk).await;
        }
        let (asked, chain) = (desk.asked(), vec![desk.whisper(), with_key(&server, server.api_key())]);
        assert!(asked <= 4, "each side once as usual and once otherwise, in two runs: {asked}");
        let desk = desk.with_chain(chain, settings());
        while let Some(why) = desk.step().await {
            assert_eq!(why.reason, Reason::ProviderWorking, "{why:?}");
            due_again(&desk).await;
        }
        assert_eq!((desk.row(&waiting).await.words(), desk.asked()), (truth(&recording), asked));
    }
}

#[tokio::test]
async fn the_last_attempt_asks_the_next_provider_before_it_gives_up() {
    let (desk, server) = two(Order::WhisperFirst).await;
    desk.server.faults().on(Fault::Error(Known::Overloaded), When::Always);
    let recording = call(64, 10, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    assert_eq!(retry(desk.outcome().await).reason, Reason::ProviderUnavailable);
    assert_eq!(server.taken().len(), 0, "what may pass is tried again first");
    let last = async || {
        let near_the_end = "attempt = max_attempts - 1, run = run + max_attempts";
        desk.sql(&format!("UPDATE jobs SET state = 'ready', {near_the_end}, lease_id = NULL, run_at = now()")).await;
    };
    last().await;
    while let Some(why) = desk.step().await {
        assert_eq!(why.reason, Reason::ProviderWorking, "{why:?}");
        last().await;
    }
    assert_eq!(desk.row(&waiting).await.words(), truth(&recording));
}

#[tokio::test]
async fn killed_before_the_transcript_is_kept_nothing_is_asked_again_not_even_over_the_cap() {
    let desk = desk(openai()).await;
    let recording = call(65, 20, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    let prices = || PriceSettings::default().with_price("whisper", 6_000);
    let desk = desk.with_prices(prices());
    // its effect is never written
    drop(desk.outcome().await);
    let asked = desk.asked();
    let desk = desk.with_prices(prices().capped_at(1));
    due_again(&desk).await;
    desk.complete().await;
    assert_eq!((desk.row(&waiting).await.words(), desk.asked()), (truth(&recording), asked));
}

#[tokio::test]
async fn a_kept_answer_that_cannot_be_read_is_asked_for_anew() {
    let desk = desk(openai()).await;
    let recording = call(66, 20, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    drop(desk.outcome().await);
    let asked = desk.asked();
    desk.sql("UPDATE transcript_pieces SET answer = '{\"text\": 5}'").await;
    due_again(&desk).await;
    desk.complete().await;
    assert_eq!((desk.row(&waiting).await.words(), desk.asked()), (truth(&recording), 2 * asked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_posts_is_taken_though_the_cap_is_reached_meanwhile_and_nothing_of_it_stays() {
    let server = deepgram::Deepgram::start(ServicePlan::new(&deepgram::MODELS)).await.unwrap();
    let desk = desk(openai()).await;
    let secret: SecretString = "s3cret".into();
    let (url, _api) = receiver(desk.store.clone(), &secret).await;
    let mut settings = DeepgramSettings::for_base_url(server.base_url().parse().unwrap(), server.api_key().to_owned().into());
    settings.callback = Some(DeepgramCallback { url, secret });
    let posting = Deepgram::new(settings, Arc::new(SystemClock)).unwrap().collecting_from(desk.store.clone());
    let chain: Vec<Arc<dyn Transcriber>> = vec![Arc::new(posting)];
    let recording = call(67, 20, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    let desk = desk.with_chain(chain.clone(), TranscribingSettings::default());
    assert_eq!(later(desk.outcome().await).0, Reason::ProviderWorking);
    let posted = "SELECT count(*) AS count FROM provider_answers";
    eventually("both sides are posted", async || desk.count(posted).await == 2).await;
    desk.sql(
        "INSERT INTO transcription_costs (source, provider, model, piece, seconds, trimmed_seconds, amount_micros, currency)
         VALUES ('webex', 'deepgram', 'nova-3', 'p', 60, 0, 5, 'USD')",
    )
    .await;
    let prices = PriceSettings::default().with_price("deepgram", 6_000).capped_at(5);
    let desk = desk.with_chain(chain, TranscribingSettings { prices, ..TranscribingSettings::default() });
    due_again(&desk).await;
    desk.complete().await;
    assert_eq!((desk.row(&waiting).await.words(), server.taken().len()), (truth(&recording), 2));
    assert_eq!(desk.count(posted).await, 0, "words of a call lie nowhere but in its transcript");
}

#[tokio::test]
async fn who_began_and_then_refuses_gives_those_before_it_another_chance() {
    let (desk, server) = two(Order::WhisperFirst).await;
    desk.server.faults().on(Fault::Error(Known::Undecodable), When::Always);
    let reason = "File type is not supported".to_owned();
    server.faults().on(ServiceFault::JobFails { reason }, When::Always);
    let recording = call(68, 10, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    assert_eq!(later(desk.outcome().await).0, Reason::ProviderWorking);
    desk.server.faults().clear();
    due_again(&desk).await;
    // once for each side at most: then nothing is under way any more, and the chain starts at its beginning
    let mut refused = 0;
    while let Some(why) = desk.step().await {
        refused += 1;
        assert!(why.reason == Reason::AudioUndecodable && refused <= 2, "{why:?}");
        due_again(&desk).await;
    }
    assert!(refused > 0);
    assert_eq!((desk.row(&waiting).await.words(), server.taken().len()), (truth(&recording), 2));
}
