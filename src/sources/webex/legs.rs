//! Which leg of a call a recording is. Old data name none; what is not named is found out by what a call is, never by place.

use chrono::{DateTime, Utc};

use crate::domain::{Leg, RecordingOffer};

/// A recording, and the leg that Webex names for it, if it names one.
pub(super) struct Labelled {
    pub(super) named: Option<Leg>,
    pub(super) offer: RecordingOffer,
}

/// The leg in Webex's words.
pub(super) fn leg(word: &str) -> Leg {
    word.to_ascii_lowercase().parse().unwrap_or(Leg::Other)
}

/// The offers of one call, each with its leg, the whole call first.
pub(super) fn resolved(mut recordings: Vec<Labelled>) -> Vec<RecordingOffer> {
    let main = unnamed_main(&recordings);
    for recording in &mut recordings {
        let offer = &mut recording.offer;
        offer.leg = match recording.named {
            Some(leg) => leg,
            // a consultation is never recorded in pieces
            None if offer.segment => Leg::Main,
            None if main.as_ref() == Some(&offer.recording_id) => Leg::Main,
            None => Leg::Other,
        };
    }
    let mut offers: Vec<_> = recordings.into_iter().map(|recording| recording.offer).collect();
    offers.sort_by_key(|offer| {
        (offer.segment, offer.leg != Leg::Main, std::cmp::Reverse(offer.stopped_at.zip(offer.started_at).map(|(stop, start)| stop - start)))
    });
    offers
}

/// Which of the whole recordings without a name is the call: the only one; else the one of the call's own id; else the one
/// within whose time all others lie, as every consultation lies within its call. None when that is not certain.
fn unnamed_main(recordings: &[Labelled]) -> Option<crate::domain::RecordingId> {
    let whole = |recording: &&Labelled| !recording.offer.segment;
    if recordings.iter().filter(whole).any(|recording| recording.named == Some(Leg::Main)) {
        return None;
    }
    let unnamed: Vec<&RecordingOffer> =
        recordings.iter().filter(whole).filter(|recording| recording.named.is_none()).map(|recording| &recording.offer).collect();
    if let [only] = unnamed.as_slice() {
        return Some(only.recording_id.clone());
    }
    let own_id = unnamed.iter().find(|offer| offer.recording_id.as_str() == offer.session_id.as_str());
    let around = || unnamed.iter().find(|one| unnamed.iter().all(|other| one.recording_id == other.recording_id || holds(one, other)));
    own_id.or_else(around).map(|offer| offer.recording_id.clone())
}

/// Whether the time of `one` holds the time of `other` and more.
fn holds(one: &RecordingOffer, other: &RecordingOffer) -> bool {
    let span = |offer: &RecordingOffer| -> Option<(DateTime<Utc>, DateTime<Utc>)> { offer.started_at.zip(offer.stopped_at) };
    match (span(one), span(other)) {
        (Some(one), Some(other)) => one.0 <= other.0 && other.1 <= one.1 && one != other,
        (_, None) | (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::{RecordingId, SessionId};

    fn recording(id: &str, named: Option<Leg>, segment: bool, seconds: std::ops::Range<i64>) -> Labelled {
        let at = |second| Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(second));
        let offer = RecordingOffer {
            session_id: SessionId::parse("call").unwrap(),
            recording_id: RecordingId::parse(id).unwrap(),
            leg: Leg::Other,
            segment,
            channels: [None, None],
            started_at: at(seconds.start),
            stopped_at: at(seconds.end),
            link: String::new(),
        };
        Labelled { named, offer }
    }

    fn main_of(recordings: Vec<Labelled>) -> Vec<String> {
        let offers = resolved(recordings).into_iter().filter(|offer| offer.leg == Leg::Main);
        offers.map(|offer| offer.recording_id.to_string()).collect()
    }

    #[test]
    fn a_single_recording_without_a_name_is_the_call() {
        assert_eq!(main_of(vec![recording("a", None, false, 0..9)]), ["a"]);
        assert_eq!(main_of(vec![recording("c", Some(Leg::Consult), false, 0..99), recording("a", None, false, 0..9)]), ["a"]);
    }

    #[test]
    fn of_several_without_a_name_the_call_is_the_one_of_its_own_id_or_the_one_around_the_others() {
        assert_eq!(main_of(vec![recording("consult", None, false, 0..99), recording("call", None, false, 0..9)]), ["call"]);
        assert_eq!(main_of(vec![recording("b", None, false, 3..6), recording("a", None, false, 0..9)]), ["a"]);
    }

    #[test]
    fn what_is_not_certain_is_never_taken_for_the_call() {
        assert!(main_of(vec![recording("a", None, false, 0..9), recording("b", None, false, 0..9)]).is_empty());
        assert!(main_of(vec![recording("a", None, false, 0..9), recording("b", None, false, 5..12)]).is_empty());
        assert_eq!(main_of(vec![recording("m", Some(Leg::Main), false, 0..5), recording("a", None, false, 0..9)]), ["m"]);
        assert!(main_of(vec![recording("c", Some(Leg::Consult), false, 0..9)]).is_empty());
    }

    #[test]
    fn pieces_without_a_name_are_pieces_of_the_call() {
        assert_eq!(main_of(vec![recording("p", None, true, 0..3), recording("q", None, true, 3..9)]).len(), 2);
    }
}
