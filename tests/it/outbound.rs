//! The shared budget on a real Redis: one bucket for everyone, and a way to go on without it.

use std::time::Duration;

use callscribe::{
    config::RedisSettings,
    hints::Hints,
    outbound::{Budget, Urgency},
};

use crate::harness;

/// 60 a minute: one a second, ten at once.
const PER_MINUTE: u32 = 60;

async fn two_handles() -> (Budget, Budget, Hints) {
    let redis = harness::redis().await;
    let hints = || Hints::new(&redis).unwrap();
    (Budget::new(hints(), "vendor", PER_MINUTE), Budget::new(hints(), "vendor", PER_MINUTE), hints())
}

/// How many are granted at once.
async fn granted(budget: &Budget, tries: usize) -> usize {
    let mut granted = 0;
    for _ in 0..tries {
        granted += usize::from(budget.acquire(Duration::ZERO).await.is_ok());
    }
    granted
}

#[tokio::test]
async fn two_handles_share_one_budget() {
    let (one, two, _) = two_handles().await;
    assert_eq!(granted(&one, 6).await, 6);
    let rest = granted(&two, 8).await;
    assert!((4..=5).contains(&rest), "{rest} of the 4 left, or one more when a second passed");
    assert!(one.remaining().await < 1.5 && two.remaining().await < 1.5);
}

#[tokio::test]
async fn those_sent_away_come_back_one_after_the_other() {
    let (one, two, _) = two_handles().await;
    granted(&one, 12).await;
    let mut waits = Vec::new();
    for budget in [&one, &two, &one, &two] {
        let refused = budget.acquire(Duration::ZERO).await.unwrap_err();
        assert!(!refused.blocked);
        waits.push(refused.wait);
    }
    for pair in waits.windows(2) {
        assert!(pair[1] > pair[0] + Duration::from_millis(500), "{waits:?}");
    }
}

#[tokio::test]
async fn a_short_wait_is_waited_and_granted() {
    let (one, two, _) = two_handles().await;
    granted(&one, 11).await;
    let started = std::time::Instant::now();
    two.acquire(Duration::from_secs(3)).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_block_is_seen_by_everyone_and_a_shorter_one_does_not_lift_it() {
    let (one, two, _) = two_handles().await;
    one.block_for(Duration::from_secs(30)).await;
    two.block_for(Duration::from_secs(1)).await;
    for budget in [&one, &two] {
        let refused = budget.acquire(Duration::from_secs(2)).await.unwrap_err();
        assert!(refused.blocked && refused.wait > Duration::from_secs(28), "{refused:?}");
        assert!(budget.remaining().await < 0.5);
    }
}

#[tokio::test]
async fn losing_the_bucket_costs_one_burst_at_most() {
    let (one, two, hints) = two_handles().await;
    granted(&one, 11).await;
    redis::cmd("DEL").arg(hints.key("budget", "vendor")).query_async::<()>(&mut hints.connection()).await.unwrap();
    let again = granted(&two, 15).await;
    assert!((10..=12).contains(&again), "{again}");
}

#[tokio::test]
async fn without_redis_a_process_goes_on_with_a_tenth() {
    // nothing listens on the discard port
    let hints = Hints::new(&RedisSettings::new("redis://127.0.0.1:9/0", "it")).unwrap();
    let budget = Budget::new(hints, "vendor", 600);
    let granted = granted(&budget, 40).await;
    assert!((10..=14).contains(&granted), "{granted} of a burst of 10");
    budget.block_for(Duration::from_secs(30)).await;
    assert!(budget.acquire(Duration::ZERO).await.unwrap_err().blocked);
}

#[tokio::test]
async fn a_backfill_never_takes_the_last_quarter() {
    let (one, two, _) = two_handles().await;
    let taken = Urgency::Backfill.during(granted(&one, 20)).await;
    assert!((7..=8).contains(&taken), "{taken} of 10");
    let fresh = granted(&two, 10).await;
    assert!((2..=4).contains(&fresh), "{fresh}: what was left is there for fresh work at once");
}

#[tokio::test]
async fn a_crowd_that_waits_for_its_turn_at_a_backfill_holds_up_no_fresh_request() {
    let (one, two, _) = two_handles().await;
    let waiting = (0..20).map(|_| {
        let budget = one.clone();
        tokio::spawn(Urgency::Backfill.during(async move { budget.acquire(Duration::from_secs(2)).await.is_ok() }))
    });
    let waiting: Vec<_> = waiting.collect();
    let mut taken = 0;
    for crowd in waiting {
        taken += usize::from(crowd.await.unwrap());
    }
    assert!((7..=11).contains(&taken), "{taken}: some waited up to two seconds and got theirs");
    assert_eq!(granted(&two, 2).await, 2, "fresh requests do not wait");
    let refused = Urgency::Backfill.during(one.acquire(Duration::ZERO)).await.unwrap_err();
    assert!(!refused.blocked && refused.wait > Duration::ZERO);
}

#[tokio::test]
async fn a_budget_of_a_few_a_minute_still_serves_a_backfill() {
    let redis = harness::redis().await;
    let budget = Budget::new(Hints::new(&redis).unwrap(), "small", 5);
    assert_eq!(Urgency::Backfill.during(granted(&budget, 1)).await, 1);
}
