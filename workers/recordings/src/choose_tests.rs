//! What is chosen, whatever the order in which a vendor tells it.

use callscribe::domain::{RecordingId, SessionId};
use chrono::DateTime;

use super::*;

fn offer(id: &str, leg: Leg, segment: bool, seconds: Option<i64>) -> RecordingOffer {
    RecordingOffer {
        session_id: SessionId::parse("s").unwrap(),
        recording_id: RecordingId::parse(id).unwrap(),
        leg,
        segment,
        channels: [None, None],
        started_at: seconds.map(|_| DateTime::UNIX_EPOCH),
        stopped_at: seconds.map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)),
        link: "https://example.test/secret".to_owned(),
    }
}

fn chosen(offers: &[RecordingOffer]) -> (String, Vec<&'static str>) {
    let choice = main_recording(offers).unwrap();
    (choice.offer.recording_id.to_string(), choice.flags)
}

/// Every order of the offers.
fn orders(offers: &[RecordingOffer]) -> Vec<Vec<RecordingOffer>> {
    let Some((first, rest)) = offers.split_first() else { return vec![Vec::new()] };
    let places = 0..offers.len();
    orders(rest)
        .into_iter()
        .flat_map(|order| {
            places.clone().map(move |place| {
                let mut order = order.clone();
                order.insert(place, first.clone());
                order
            })
        })
        .collect()
}

/// Every set of up to four recordings out of these: every leg, whole and piece, short and long, with and without times.
fn sets() -> Vec<Vec<RecordingOffer>> {
    let kinds =
        Leg::ALL.iter().flat_map(|leg| [(*leg, false, Some(5)), (*leg, false, Some(900)), (*leg, true, Some(60)), (*leg, true, None)]);
    let all: Vec<_> = kinds.zip(0_u32..).map(|((leg, segment, seconds), id)| offer(&format!("r{id:02}"), leg, segment, seconds)).collect();
    let mut sets = vec![Vec::new()];
    for offer in &all {
        let smaller: Vec<_> = sets.iter().filter(|set| set.len() < 4).cloned().collect();
        sets.extend(smaller.into_iter().map(|mut set| {
            set.push(offer.clone());
            set
        }));
    }
    sets
}

#[test]
fn no_set_of_recordings_in_any_order_makes_a_consultation_the_call() {
    let sets = sets();
    assert!(sets.len() > 6_000, "{}", sets.len());
    for set in &sets {
        let first = main_recording(set).map(|choice| choice.offer.recording_id);
        let has_main = set.iter().any(|offer| offer.leg == Leg::Main);
        assert_eq!(first.is_some(), has_main, "{set:?}");
        // all 24 orders of every set take a minute; the rotations and the reverse show each recording at each place
        let rotations = (0..set.len()).map(|by| {
            let mut order = set.clone();
            order.rotate_left(by);
            order
        });
        for order in rotations.chain([set.iter().rev().cloned().collect()]) {
            let choice = main_recording(&order);
            assert!(choice.as_ref().is_none_or(|choice| choice.offer.leg == Leg::Main), "{order:?}");
            assert_eq!(choice.map(|choice| choice.offer.recording_id), first, "{order:?}");
        }
    }
}

#[test]
fn a_longer_consultation_is_not_taken_for_the_call_in_any_order() {
    let offers = [
        offer("consult", Leg::Consult, false, Some(900)),
        offer("main", Leg::Main, false, Some(5)),
        offer("piece", Leg::Main, true, Some(90)),
        offer("virtual", Leg::VaMain, false, Some(800)),
        offer("other", Leg::Other, false, None),
    ];
    let orders = orders(&offers);
    assert_eq!(orders.len(), 120);
    for order in orders {
        assert_eq!(chosen(&order), ("main".to_owned(), vec![]));
    }
    assert!(main_recording(&[offer("c", Leg::Consult, false, Some(900)), offer("o", Leg::Other, false, None)]).is_none());
}

#[test]
fn of_several_pieces_the_longest_is_taken_and_said_so_whatever_their_order() {
    let offers = [offer("a", Leg::Main, true, Some(10)), offer("b", Leg::Main, true, Some(90)), offer("c", Leg::Main, true, Some(90))];
    for order in orders(&offers) {
        assert_eq!(chosen(&order), ("b".to_owned(), vec![ONLY_SEGMENTS]));
    }
}

fn copied(policy: &LegPolicy, offers: &[RecordingOffer]) -> Vec<String> {
    offers.iter().filter(|offer| is_copied(policy, offers, offer)).map(|offer| offer.recording_id.to_string()).collect()
}

#[test]
fn policy_says_what_is_copied_and_pieces_are_when_there_is_nothing_else() {
    let offers = [
        offer("main", Leg::Main, false, Some(90)),
        offer("piece", Leg::Main, true, Some(30)),
        offer("consult", Leg::Consult, false, Some(30)),
        offer("virtual", Leg::VaMain, false, Some(30)),
    ];
    assert_eq!(copied(&LegPolicy::main_only(), &offers), ["main"]);
    assert_eq!(copied(&LegPolicy { legs: vec![Leg::Main, Leg::Consult], segments: false }, &offers), ["main", "consult"]);
    assert_eq!(copied(&LegPolicy { legs: vec![Leg::Main], segments: true }, &offers), ["main", "piece"]);
    assert_eq!(copied(&LegPolicy::all(), &offers).len(), 4);
    let pieces = [offer("a", Leg::Main, true, Some(30)), offer("b", Leg::Main, true, Some(60))];
    assert_eq!(copied(&LegPolicy::main_only(), &pieces), ["a", "b"]);
}

#[test]
fn each_leg_beside_the_call_has_one_recording_to_transcribe() {
    let offers = [
        offer("main", Leg::Main, false, Some(90)),
        offer("short", Leg::Consult, false, Some(10)),
        offer("long", Leg::Consult, false, Some(30)),
        offer("virtual", Leg::VaMain, false, Some(30)),
    ];
    let ids = |policy: &LegPolicy| side_legs(policy, &offers).iter().map(|side| side.offer.recording_id.to_string()).collect::<Vec<_>>();
    assert!(ids(&LegPolicy::main_only()).is_empty());
    assert_eq!(ids(&LegPolicy::all()), ["long", "virtual"]);
}
