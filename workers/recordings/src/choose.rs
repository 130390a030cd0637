//! Which of the recordings on offer is the call, and which others are copied beside it.

use callscribe::domain::{Leg, LegPolicy, RecordingOffer};
use chrono::TimeDelta;

/// There were only pieces; the longest was taken.
const ONLY_SEGMENTS: &str = "only_segments";
/// Several whole recordings of the leg were on offer; the longest was taken.
const SEVERAL_RECORDINGS: &str = "several_recordings";

/// A recording chosen, and what is odd about the choice.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) offer: RecordingOffer,
    pub(crate) flags: Vec<&'static str>,
}

/// The recording of the whole call if there is one, else the longest piece of it. A consultation is never taken for it.
pub(crate) fn main_recording(offers: &[RecordingOffer]) -> Option<Choice> {
    of_leg(offers, Leg::Main)
}

/// The recording that a leg's transcript is made of: the whole one if there is one, else the longest piece. Among equals the
/// earlier one, then the smaller id: whoever runs this chooses the same, whatever the order of the offers.
pub(crate) fn of_leg(offers: &[RecordingOffer], leg: Leg) -> Option<Choice> {
    let (whole, pieces): (Vec<_>, Vec<_>) = offers.iter().filter(|offer| offer.leg == leg).partition(|offer| !offer.segment);
    let (candidates, odd) = if whole.is_empty() { (pieces, ONLY_SEGMENTS) } else { (whole, SEVERAL_RECORDINGS) };
    // one piece alone may be all of it; several cannot be stitched here, and the flag says that some of it is missing
    let flags = if candidates.len() > 1 { vec![odd] } else { Vec::new() };
    let longest = candidates.into_iter().min_by_key(|offer| {
        let length = offer.stopped_at.zip(offer.started_at).map_or(TimeDelta::zero(), |(stop, start)| stop - start);
        (std::cmp::Reverse(length), offer.started_at, offer.recording_id.clone())
    })?;
    Some(Choice { offer: longest.clone(), flags })
}

/// Whether policy copies an offer. Pieces are copied when policy names them, and when there is nothing else of their leg.
pub(crate) fn is_copied(policy: &LegPolicy, offers: &[RecordingOffer], offer: &RecordingOffer) -> bool {
    let has_whole = || offers.iter().any(|other| other.leg == offer.leg && !other.segment);
    policy.names(offer.leg) && (!offer.segment || policy.segments || !has_whole())
}

/// The legs beside the call that are to be transcribed, each with the recording that stands for it.
pub(crate) fn side_legs(policy: &LegPolicy, offers: &[RecordingOffer]) -> Vec<Choice> {
    let sides = Leg::ALL.iter().filter(|leg| **leg != Leg::Main && policy.names(**leg));
    sides.filter_map(|leg| of_leg(offers, *leg)).collect()
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
