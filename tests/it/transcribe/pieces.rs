//! Recordings over a provider's limits: cut at pauses, each piece's answer kept and paid for once, joined word by word; and the cap.

use std::time::Duration;

use callscribe::{
    config::{PriceSettings, WhisperSettings},
    domain::{Reason, micros},
};
use callscribe_simulators::{
    When,
    speech::Shape,
    transcriber::{Fault, Known},
};

use super::{
    desk::{call, desk, desk_with, truth, words_of},
    due_again, later, openai, retry,
};

#[tokio::test]
async fn a_recording_over_the_providers_limits_is_sent_in_pieces_and_no_word_is_lost_or_doubled_where_they_meet() {
    for (max_bytes, max_seconds) in [(600_000, None), (26_214_400, Some(40))] {
        let change = |settings: &mut WhisperSettings| {
            settings.max_bytes = max_bytes;
            settings.max_duration = max_seconds.map(Duration::from_secs);
        };
        let desk = desk_with(openai(), change).await;
        let recording = call(25, 150, Shape::ULAW);
        let waiting = desk.put(&recording).await;
        desk.complete().await;
        let document = desk.row(&waiting).await.document();
        assert_eq!(words_of(&document), truth(&recording));
        assert!(desk.asked() >= 4, "{}", desk.asked());
        assert_eq!(document.parameters["pieces"], desk.asked(), "each piece once");
        assert_eq!(desk.count("SELECT count(*) AS count FROM transcript_pieces").await, 0, "nothing is left of them");
    }
}

#[tokio::test]
async fn a_piece_that_failed_is_asked_for_again_and_those_that_were_answered_are_not() {
    let desk = desk_with(openai(), |settings| settings.max_duration = Some(Duration::from_secs(40))).await;
    let recording = call(24, 150, Shape::ULAW);
    let waiting = desk.put(&recording).await;
    desk.server.faults().on(Fault::Error(Known::Overloaded), When::First(1));
    assert_eq!(retry(desk.outcome().await).reason, Reason::ProviderUnavailable);
    let answered = desk.count("SELECT count(*) AS count FROM transcript_pieces WHERE answer IS NOT NULL").await;
    let asked = i64::try_from(desk.asked()).unwrap();
    assert!(answered >= 1 && answered == asked - 1, "{answered} of {asked}");
    due_again(&desk).await;
    desk.complete().await;
    let document = desk.row(&waiting).await.document();
    assert_eq!(words_of(&document), truth(&recording));
    assert_eq!(document.parameters["pieces"], desk.asked() - 1, "one of them twice");
    let costs = "SELECT count(*) AS count FROM transcription_costs WHERE provider = 'whisper' AND seconds > 0 AND piece <> ''";
    assert_eq!(desk.count(costs).await, i64::try_from(desk.asked() - 1).unwrap(), "one line for each answer");
}

#[tokio::test]
async fn what_costs_money_waits_when_the_months_cap_is_reached_and_goes_on_when_it_is_raised() {
    let desk = desk(openai()).await;
    let waiting = desk.put(&call(32, 10, Shape::ULAW)).await;
    desk.sql(
        "INSERT INTO transcription_costs (source, provider, model, piece, seconds, trimmed_seconds, amount_micros, currency)
         VALUES ('webex', 'whisper', 'whisper-1', 'p', 60, 0, 2000000, 'USD')",
    )
    .await;
    let prices = || PriceSettings::default().with_price("whisper", 6_000);
    let capped = desk.with_prices(prices().capped_at(2_000_000));
    let (reason, _) = later(capped.outcome().await);
    assert_eq!((reason, capped.asked()), (Reason::CostCapReached, 0));
    let raised = capped.with_prices(prices().capped_at(3_000_000));
    due_again(&raised).await;
    raised.complete().await;
    let cost = raised.row(&waiting).await.document().cost.unwrap();
    assert_eq!(cost.currency, "USD");
    let sum = "SELECT sum(amount_micros)::bigint AS count FROM transcription_costs WHERE transcript_id IS NOT NULL";
    assert_eq!(micros(&cost.amount), Some(raised.count(sum).await));
}
