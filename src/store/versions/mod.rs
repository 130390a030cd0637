//! Versions of transcripts beside each other: what a batch made is compared with what counted before it, and what counts is switched.
//!
//! Whoever switches locks all versions of a leg, in order of call, leg and version, and never a call: whoever locks calls, too, locks
//! them first (`transcripts::lock_calls`), so nobody waits for somebody who waits for him.

mod compare;
mod switch;

use diesel::{QueryableByName, sql_types};

pub use self::{
    compare::{ComparedVersion, Made, Pair, Place, VersionCost, costs_of, made_of, pairs},
    switch::{CallSwitched, NotSwitched, Page, SwitchOfCall, Tallied, overtaken, switch_call, switch_page, tally},
};

/// A leg of a call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, QueryableByName)]
pub struct CallLeg {
    /// The call.
    #[diesel(sql_type = sql_types::Text)]
    pub session_id: String,
    /// Which leg of it.
    #[diesel(sql_type = sql_types::Text)]
    pub leg: String,
}

impl CallLeg {
    /// Calls and legs as two columns of one length.
    pub(in crate::store) fn columns(legs: &[Self]) -> (Vec<&str>, Vec<&str>) {
        legs.iter().map(|leg| (leg.session_id.as_str(), leg.leg.as_str())).unzip()
    }
}
