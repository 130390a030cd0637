//! What needs a person, most pressing first: one sentence each, the same on the dashboard and in the text.

use callscribe::domain::JobKind;

use super::picture::Picture;
use crate::{
    commands::queue,
    times::{relative, span},
};

/// How pressing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Work stands still or goes missing.
    Alert,
    /// It will, or somebody waits too long.
    Warning,
}

/// One thing that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) urgency: Urgency,
    pub(super) text: String,
}

impl Alert {
    /// The word that stands before the text, so that colour is never alone.
    pub(super) const fn word(&self) -> &'static str {
        match self.urgency {
            Urgency::Alert => "ALERT",
            Urgency::Warning => "warning",
        }
    }
}

/// Everything in the picture that needs a person.
pub(super) fn alerts(picture: &Picture) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = [
        logins(picture),
        down(picture),
        found(picture),
        untold(picture),
        paused(picture),
        missing(picture),
        idle(picture),
        late(picture),
        bound(picture),
    ]
    .concat();
    alerts.sort_by_key(|alert| alert.urgency == Urgency::Warning);
    alerts
}

fn alert(text: String) -> Alert {
    Alert { urgency: Urgency::Alert, text }
}

fn warning(text: String) -> Alert {
    Alert { urgency: Urgency::Warning, text }
}

/// Nothing else matters as much: without a login no job of the vendor does anything.
fn logins(picture: &Picture) -> Vec<Alert> {
    let of = |credential: &callscribe::store::logins::CredentialSeen| {
        let name = &credential.name;
        if let Some(since) = credential.refused_since {
            let ago = relative(since, picture.at);
            return Some(alert(format!("LOG IN AGAIN: {name} refuses our tokens, since {ago}: `callscribe webex login`; its jobs wait")));
        }
        let ends = credential.refresh_expires_at.filter(|_| credential.ends_soon(picture.at))?;
        Some(warning(format!("the login to {name} ends {}: `callscribe webex login` before", relative(ends, picture.at))))
    };
    picture.credentials.iter().filter_map(of).collect()
}

/// Alerts of the schedulers that the rest of the picture tells better and of this very moment.
const TOLD_ELSEWHERE: &[&str] = &[
    "CallscribeLoginNeeded",
    "CallscribeLoginEndsSoon",
    "CallscribeGaps",
    "CallscribeBehind",
    "CallscribeCircuitOpen",
    "CallscribeNoWorkers",
];

/// What the schedulers found and the rest of the picture does not tell: too many dead jobs, a sync that does not succeed.
fn found(picture: &Picture) -> Vec<Alert> {
    let of = |seen: &callscribe::store::alerts::AlertSeen| {
        alert(format!("{}, since {}: `{}`", seen.summary, relative(seen.firing_since, picture.at), seen.command))
    };
    picture.alerts.iter().filter(|seen| !TOLD_ELSEWHERE.contains(&seen.name.as_str())).map(of).collect()
}

/// Nobody hears of alerts while the receiver is down.
fn untold(picture: &Picture) -> Vec<Alert> {
    let why = picture.alerts.iter().find_map(|seen| seen.send_error.as_ref());
    let unsent: i64 = picture.alerts.iter().filter(|seen| seen.send_error.is_some()).map(|seen| seen.unsent).sum();
    why.map(|why| warning(format!("{unsent} messages about alerts have not arrived: {why}: `callscribe alerts`"))).into_iter().collect()
}

/// Services whose circuit is open: pressing once it stays so.
fn down(picture: &Picture) -> Vec<Alert> {
    let of = |service: &callscribe::outbound::GateSeen| {
        let since = span(std::time::Duration::from_secs(service.open_seconds?));
        let name = &service.service;
        let text = format!("CIRCUIT OPEN: {name} is down, for {since}: its jobs wait, use up no attempts, and one at a time probes");
        Some(if service.alarming().is_some() { alert(text) } else { warning(text) })
    };
    picture.services.iter().filter_map(of).collect()
}

fn missing(picture: &Picture) -> Vec<Alert> {
    let of = |account: &callscribe::store::completeness::Accounts| {
        let missing: Vec<_> =
            account.gaps().iter().filter(|count| count.gaps > 0).map(|count| format!("{} {}", count.gaps, count.kind)).collect();
        let text = format!("{}: missing {}: `callscribe reconcile` names them", account.source, missing.join(", "));
        (!missing.is_empty()).then(|| alert(text))
    };
    picture.completeness.iter().filter_map(of).collect()
}

/// What people paused: it is meant, and forgotten easily.
fn paused(picture: &Picture) -> Vec<Alert> {
    queue::paused(&picture.controls, picture.at).into_iter().map(warning).collect()
}

/// Kinds with work that nobody does.
fn idle(picture: &Picture) -> Vec<Alert> {
    let of = |depth: &callscribe::ledger::Depth| {
        let attended = picture.workers.iter().any(|worker| worker.alive && worker.kinds.contains(&depth.kind));
        let worker = depth.kind.parse::<JobKind>().map_or_else(|_| depth.kind.clone(), |kind| kind.worker().to_owned());
        (!attended).then(|| alert(format!("nobody works on `{}`: start `callscribe worker {worker}`", depth.kind)))
    };
    picture.kinds.iter().filter(|depth| depth.known && depth.due.jobs > 0).filter_map(of).collect()
}

/// Work older than its stated freshness.
fn late(picture: &Picture) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for pace in &picture.pace {
        let Some(goal) = pace.goal() else { continue };
        for oldest in pace.oldest.iter().filter(|oldest| oldest.age_seconds > goal.as_secs_f64()) {
            let age = span(std::time::Duration::from_secs_f64(oldest.age_seconds));
            let what = if oldest.call_ended.is_some() { "the oldest call ended" } else { "the oldest job has waited" };
            let ago = if oldest.call_ended.is_some() { format!("{age} ago") } else { age };
            let source = if oldest.source.is_empty() { String::new() } else { format!(" of {}", oldest.source) };
            alerts.push(warning(format!("late: `{}`{source}: {what} {ago}, the goal is {}", pace.kind, span(goal))));
        }
    }
    alerts
}

fn bound(picture: &Picture) -> Vec<Alert> {
    picture.pace.iter().filter_map(|pace| Some(warning(format!("`{}` is {}", pace.kind, pace.advice.bound_by?.about())))).collect()
}
