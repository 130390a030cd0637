//! The rules of a gate, without Redis.

use super::*;

const CEILING: u16 = 8;

fn leave(state: &mut GateState, who: &str, asker: i64, ending: Ending, now: i64) -> Option<Turned> {
    state.leave(Leaving { who, asker, ending, ceiling: CEILING, in_use: 6 }, now)
}

/// A circuit that opened at 0.
fn opened() -> GateState {
    let mut state = GateState::default();
    for failure in 1..=FAILURES_TO_OPEN {
        let turned = leave(&mut state, "a", i64::from(failure), Ending::Failed, 0);
        assert_eq!(turned, (failure == FAILURES_TO_OPEN).then_some(Turned::Opened));
    }
    state
}

const FIRST_PROBE: i64 = FIRST_SPAN.as_secs().cast_signed() * 1000;

#[test]
fn failures_in_a_row_of_several_askers_open_the_circuit_and_an_answer_between_them_does_not() {
    assert!(opened().is_open());
    let mut state = GateState::default();
    for asker in 0..20 {
        leave(&mut state, "a", asker, Ending::Failed, 0);
        if asker % 4 == 3 {
            assert_eq!(leave(&mut state, "b", asker, Ending::Answered, 0), None);
        }
    }
    assert!(!state.is_open());
}

#[test]
fn one_recording_that_fails_for_ever_opens_nothing() {
    let mut state = GateState::default();
    for _ in 0..100 {
        for asker in [7, 8] {
            assert_eq!(leave(&mut state, "a", asker, Ending::Failed, 0), None);
        }
    }
    assert_eq!(leave(&mut state, "b", 9, Ending::Failed, 0), Some(Turned::Opened), "a third one: it is not the recordings");
}

#[test]
fn nobody_there_is_nobodys_doing_and_opens_for_a_single_asker() {
    let mut state = GateState::default();
    let turned: Vec<_> = (0..FAILURES_TO_OPEN).map(|_| leave(&mut state, "a", 7, Ending::Unreachable, 0)).collect();
    assert_eq!(turned.last(), Some(&Some(Turned::Opened)));
}

#[test]
fn one_probe_at_a_time_closes_it_or_waits_twice_as_long() {
    let mut state = opened();
    assert_eq!(state.admit("a", 11, 0), Err((Why::CircuitOpen, FIRST_SPAN)));
    assert_eq!(state.admit("a", 11, FIRST_PROBE), Ok(true));
    assert_eq!(state.admit("b", 12, FIRST_PROBE), Err((Why::CircuitOpen, BELIEVED)), "one probe at a time");
    assert_eq!(leave(&mut state, "late", 13, Ending::Failed, FIRST_PROBE), None, "it was under way before");
    assert_eq!(leave(&mut state, "a", 11, Ending::Failed, FIRST_PROBE), None, "told once, not with every probe");
    assert_eq!(state.admit("b", 12, FIRST_PROBE), Err((Why::CircuitOpen, FIRST_SPAN * 2)));
    let later = FIRST_PROBE * 3;
    assert_eq!(state.admit("b", 12, later), Ok(true));
    assert_eq!(leave(&mut state, "b", 12, Ending::Answered, later), Some(Turned::Closed));
    assert_eq!(state.admit("c", 13, later), Ok(false));
    assert!(state.is_well());
}

#[test]
fn whose_probe_failed_lets_others_go_first() {
    let mut state = opened();
    state.admit("a", 11, FIRST_PROBE).unwrap();
    leave(&mut state, "a", 11, Ending::Failed, FIRST_PROBE);
    let due = FIRST_PROBE * 3;
    assert_eq!(state.admit("a", 11, due), Err((Why::CircuitOpen, FIRST_SPAN * 2)));
    assert_eq!(state.admit("b", 12, due), Ok(true));
    state.forget("b");
    assert_eq!(state.admit("a", 11, due + FIRST_PROBE * 2), Ok(true), "alone it probes all the same");
}

#[test]
fn a_probe_that_learnt_nothing_leaves_its_turn_to_the_next() {
    let mut state = opened();
    state.admit("a", 11, FIRST_PROBE).unwrap();
    assert_eq!(leave(&mut state, "a", 11, Ending::Unknown, FIRST_PROBE), None);
    assert_eq!(state.admit("b", 12, FIRST_PROBE), Err((Why::CircuitOpen, FIRST_SPAN)), "no longer than before");
    assert_eq!(state.admit("b", 12, FIRST_PROBE * 2), Ok(true));
}

#[test]
fn a_prober_that_dies_leaves_its_turn_to_another_and_one_that_lives_keeps_it() {
    let mut state = opened();
    state.admit("dies", 11, FIRST_PROBE).unwrap();
    let gone = FIRST_PROBE + milliseconds(BELIEVED);
    assert_eq!(state.admit("lives", 12, gone), Ok(true));
    state.stay("dies", gone);
    state.stay("lives", gone + milliseconds(BELIEVED) - 1);
    assert!(state.admit("third", 13, gone + milliseconds(BELIEVED)).is_err());
}

#[test]
fn the_longer_it_is_down_the_longer_the_refused_stay_away() {
    let mut state = opened();
    state.admit("prober", 11, 600_000).unwrap();
    assert_eq!(state.admit("b", 12, 600_000), Err((Why::CircuitOpen, Duration::from_secs(150))));
    state.stay("prober", 86_400_000);
    assert_eq!(state.admit("b", 12, 86_400_000), Err((Why::CircuitOpen, LONGEST_REFUSAL)));
}

#[test]
fn slow_down_halves_what_was_borne_once_a_round_and_answers_raise_it_again() {
    let mut state = GateState::default();
    let wait = Duration::from_secs(20);
    leave(&mut state, "a", 1, Ending::SlowDown(wait), 10_000);
    leave(&mut state, "b", 2, Ending::SlowDown(wait), 10_001);
    assert_eq!(state.bears(CEILING), 3, "six were in; told twice, halved once");
    assert_eq!(state.admit("g", 3, 10_002), Err((Why::Blocked, Duration::from_millis(19_999))));
    assert_eq!(state.admit("g", 3, 30_001), Ok(false));
    for _ in 0..3 {
        leave(&mut state, "c", 4, Ending::Answered, 30_001);
    }
    assert_eq!(state.bears(CEILING), 3, "a round of three raises it by nearly one");
    for _ in 0..50 {
        leave(&mut state, "c", 4, Ending::Answered, 30_001);
    }
    assert_eq!((state.bears(CEILING), state.limit), (CEILING, None), "grown to the ceiling");
    for round in 4..20 {
        leave(&mut state, "a", 1, Ending::SlowDown(Duration::ZERO), round * 10_000);
    }
    assert_eq!(state.bears(CEILING), 1, "one is always borne");
}

#[test]
fn nothing_left_holds_everyone_back_and_halves_nothing() {
    let mut state = GateState::default();
    leave(&mut state, "a", 1, Ending::Exhausted(Duration::from_secs(6)), 1_000);
    assert_eq!(state.admit("b", 2, 1_000), Err((Why::Blocked, Duration::from_secs(6))));
    assert_eq!((state.bears(CEILING), state.admit("b", 2, 7_000)), (CEILING, Ok(false)));
}

#[test]
fn times_of_another_clock_hold_nobody_up() {
    let mut state = opened();
    leave(&mut state, "a", 1, Ending::SlowDown(Duration::from_hours(100)), 1_000);
    assert_eq!(state.blocked_for(1_000), LONGEST_BLOCK, "no header is believed for longer");
    let (mut blocked, mut open, year) = (state.clone(), opened(), 365 * 86_400_000);
    assert_eq!(blocked.admit("b", 2, -year), Ok(false), "Redis moved to a machine whose clock is behind");
    assert_eq!(open.admit("b", 2, -year), Ok(true));
}

#[test]
fn it_is_kept_as_json_without_what_says_nothing() {
    assert_eq!(serde_json::to_string(&GateState::default()).unwrap(), "{}");
    let state = opened();
    assert_eq!(serde_json::from_str::<GateState>(&serde_json::to_string(&state).unwrap()).unwrap(), state);
    assert!(serde_json::from_str::<GateState>("{\"limit\":2.5,\"of_a_newer_version\":1}").unwrap().bears(CEILING) == 2);
}
