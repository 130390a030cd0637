//! Which of the recordings on offer is the call.

use callscribe::domain::{Leg, RecordingOffer};
use chrono::TimeDelta;

/// There were only pieces; the longest was taken.
const ONLY_SEGMENTS: &str = "only_segments";
/// Several whole recordings of the call were on offer; the longest was taken.
const SEVERAL_RECORDINGS: &str = "several_recordings";

/// A recording chosen, and what is odd about the choice.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) offer: RecordingOffer,
    pub(crate) flags: Vec<&'static str>,
}

/// Whether policy copies it: the customer's call, and never a consultation taken for it.
pub(crate) fn is_of_the_call(offer: &RecordingOffer) -> bool {
    match offer.leg {
        Leg::Main => true,
        Leg::Consult | Leg::VaMain | Leg::VaConsult | Leg::Other => false,
    }
}

/// The recording of the whole call if there is one, else the longest piece of it. Among equals the earlier one, then the
/// smaller id: whoever runs this chooses the same.
pub(crate) fn main_recording(offers: &[RecordingOffer]) -> Option<Choice> {
    let (whole, pieces): (Vec<_>, Vec<_>) = offers.iter().filter(|offer| is_of_the_call(offer)).partition(|offer| !offer.segment);
    let (candidates, odd) = if whole.is_empty() { (pieces, ONLY_SEGMENTS) } else { (whole, SEVERAL_RECORDINGS) };
    // one piece alone may be the call; several cannot be stitched here, and the flag says that some of it is missing
    let flags = if candidates.len() > 1 { vec![odd] } else { Vec::new() };
    let longest = candidates.into_iter().min_by_key(|offer| {
        let length = offer.stopped_at.zip(offer.started_at).map_or(TimeDelta::zero(), |(stop, start)| stop - start);
        (std::cmp::Reverse(length), offer.started_at, offer.recording_id.clone())
    })?;
    Some(Choice { offer: longest.clone(), flags })
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_consultation_is_never_taken_for_the_call() {
        assert!(main_recording(&[offer("c", Leg::Consult, false, Some(900)), offer("o", Leg::Other, false, None)]).is_none());
        let offers = [offer("c", Leg::Consult, false, Some(900)), offer("m", Leg::Main, false, Some(5))];
        assert_eq!(chosen(&offers), ("m".to_owned(), vec![]));
    }

    #[test]
    fn the_whole_call_comes_before_longer_pieces_of_it() {
        let offers = [offer("piece", Leg::Main, true, Some(900)), offer("whole", Leg::Main, false, None)];
        assert_eq!(chosen(&offers), ("whole".to_owned(), vec![]));
    }

    #[test]
    fn of_several_pieces_the_longest_is_taken_and_said_so_whatever_their_order() {
        let mut offers =
            [offer("a", Leg::Main, true, Some(10)), offer("b", Leg::Main, true, Some(90)), offer("c", Leg::Main, true, Some(90))];
        for _ in 0..3 {
            offers.rotate_left(1);
            assert_eq!(chosen(&offers), ("b".to_owned(), vec![ONLY_SEGMENTS]));
        }
    }
}
