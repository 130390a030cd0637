//! What a person asks for with `requeue --provider/--model/--language` reaches the transcriber, or the job says why it does not.

use callscribe::{
    domain::Wishes,
    ledger::{ByHand, JobFilter, requeue},
};

use super::*;

/// `callscribe requeue --again` with these wishes; returns how many jobs moved.
async fn again(desk: &Desk, wishes: Wishes) -> i64 {
    let order = ByHand { again: true, wishes, ..ByHand::new(JobFilter::default(), "ada@desk") };
    let (hints, _) = tokio::sync::mpsc::unbounded_channel();
    requeue(&desk.store, &order, &hints).await.unwrap().jobs
}

fn wishes(provider: Option<&str>, model: Option<&str>, language: Option<&str>) -> Wishes {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Wishes { provider: owned(provider), model: owned(model), language: owned(language) }
}

#[tokio::test]
async fn the_model_and_the_language_asked_for_reach_the_transcriber_and_the_next_requeue_without_any_takes_the_settings() {
    let desk = desk(TranscriberPlan::new(Profile::LocalAi)).await;
    desk.put(&call(50, 8, Shape::ULAW)).await;
    desk.complete().await;
    assert_eq!(again(&desk, wishes(Some("whisper"), Some("large-v3"), Some("cy"))).await, 1);
    desk.complete().await;
    assert_eq!(again(&desk, Wishes::default()).await, 1);
    desk.complete().await;
    let mut asked: Vec<_> = desk.server.asks().into_iter().map(|ask| (ask.model, ask.language)).collect();
    // each side is asked for by itself, in the same way
    asked.dedup();
    let usual = ("whisper-1".to_owned(), None);
    assert_eq!(asked, [usual.clone(), ("large-v3".to_owned(), Some("cy".to_owned())), usual]);
    let kept = "SELECT count(*) AS count FROM call_transcripts WHERE status = 'complete' AND provider = 'whisper'
                AND (version, model) IN ((1, 'whisper-1'), (2, 'large-v3'), (3, 'whisper-1'))";
    assert_eq!(desk.count(kept).await, 3, "each version tells who made it");
}

#[tokio::test]
async fn what_the_worker_makes_on_trial_is_kept_and_found_by_nobody() {
    let desk = desk(TranscriberPlan::new(Profile::LocalAi)).await;
    desk.put(&call(53, 8, Shape::ULAW)).await;
    desk.complete().await;
    let wishes = wishes(None, Some("large-v3"), None);
    let order = ByHand { again: true, trial: true, wishes, ..ByHand::new(JobFilter::default(), "ada@desk") };
    let (hints, _) = tokio::sync::mpsc::unbounded_channel();
    assert_eq!(requeue(&desk.store, &order, &hints).await.unwrap().jobs, 1);
    desk.complete().await;
    let kept = "SELECT count(*) AS count FROM call_transcripts
                WHERE status = 'complete' AND (version, model, counts) IN ((1, 'whisper-1', true), (2, 'large-v3', false))";
    assert_eq!(desk.count(kept).await, 2);
    assert_eq!(desk.count("SELECT count(*) AS count FROM transcript_search WHERE version = 1").await, 1);
    assert_eq!(desk.count("SELECT count(*) AS count FROM current_transcripts WHERE version = 1").await, 1);
    let tied = "SELECT count(*) AS count FROM call_transcripts WHERE version = 2 AND batch_id = (SELECT id FROM requeue_batches)";
    assert_eq!(desk.count(tied).await, 1);
}

#[tokio::test]
async fn a_provider_that_this_worker_has_no_settings_for_waits_and_says_which_it_has() {
    let desk = desk(openai()).await;
    let waiting = desk.put(&call(51, 8, Shape::ULAW)).await;
    desk.complete().await;
    again(&desk, wishes(Some("deepgram"), None, None)).await;
    let Outcome::Later { wait, why } = desk.outcome().await else { panic!("not later") };
    assert_eq!((why.reason, wait), (Reason::ProviderMisconfigured, Duration::from_mins(5)));
    let told = "provider `deepgram` was asked for, and this worker has settings for `whisper` alone";
    assert_eq!(why.chain(), told);
    assert_eq!(desk.asked(), 2, "nobody else is asked instead");
    assert_eq!(desk.row(&waiting).await.call_status, "complete", "the old transcript counts");
}

#[tokio::test]
async fn wishes_of_a_newer_version_stop_the_job_and_are_not_passed_over() {
    let desk = desk(openai()).await;
    desk.put(&call(52, 8, Shape::ULAW)).await;
    desk.sql(r#"UPDATE jobs SET payload = '{"wishes": {"voice": "low"}}'"#).await;
    assert_eq!((stopped(desk.outcome().await).reason, desk.asked()), (Reason::PoisonPayload, 0));
}
