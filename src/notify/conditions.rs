//! What needs a person now, out of the ledger's own figures.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    config::{AlertSettings, PriceSettings, Provider, SloSettings},
    domain::{JobKind, SourceName, amount},
    hints::Hints,
    ledger::{COUNTED, Controls, Depth, controls_seen, depths, freshness, sync_ages, unattended_for},
    outbound::{Gate, GateSeen},
    store::{
        Connection, StoreError,
        alerts::Condition,
        completeness::accounts,
        costs::{month_of, spent_since},
        logins::{CredentialSeen, credentials},
        retention::last_report,
    },
};

/// From when on something needs a person.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// How much is too much.
    pub settings: &'a AlertSettings,
    /// How old work may become.
    pub goals: &'a SloSettings,
    /// What transcription may cost.
    pub prices: &'a PriceSettings,
    /// The vendors that are synced.
    pub sources: &'a [SourceName],
}

/// Everything that needs a person at `now`. Names are those of the pages in docs/runbooks.
pub async fn conditions(connection: &mut Connection, bounds: &Bounds<'_>, now: DateTime<Utc>) -> Result<Vec<Condition>, StoreError> {
    let Bounds { settings, goals, prices, sources } = *bounds;
    let depths = depths(connection, COUNTED).await?;
    let mut found = nobody_works(&depths, &unattended_for(connection).await?, &controls_seen(connection).await?);
    for depth in depths {
        let kind = &depth.kind;
        if depth.dead.jobs > settings.dead_jobs {
            let summary = format!("{} jobs of `{kind}` are dead", depth.dead);
            found.push(condition(
                "CallscribeDeadJobs",
                kind,
                number(depth.dead.jobs),
                summary,
                format!("callscribe jobs list --state dead --kind {kind}"),
            ));
        }
    }
    for oldest in freshness(connection).await? {
        let Some(goal) = oldest.kind.parse::<JobKind>().ok().and_then(|kind| goals.of(kind)) else { continue };
        if oldest.age_seconds > goal.as_secs_f64() {
            let (age, goal) = (Duration::try_from_secs_f64(oldest.age_seconds).unwrap_or_default(), span(goal));
            let summary = format!("the oldest `{}` of `{}` is {} old: its SLO is {goal}", oldest.kind, oldest.source, span(age));
            let subject = format!("{} {}", oldest.source, oldest.kind);
            found.push(condition("CallscribeBehind", &subject, oldest.age_seconds, summary, "callscribe status".to_owned()));
        }
    }
    for sync in sync_ages(connection).await?.iter().filter(|sync| sources.contains(&sync.source) && sync.age > settings.sync_age) {
        let summary = format!("no sync of `{}` has succeeded for {}", sync.source, span(sync.age));
        found.push(condition(
            "CallscribeSyncStale",
            sync.source.as_str(),
            sync.age.as_secs_f64(),
            summary,
            "callscribe jobs list --kind sync".to_owned(),
        ));
    }
    for account in accounts(connection).await? {
        for count in account.gaps().iter().filter(|count| count.gaps > 0) {
            let summary = format!("{} {} of `{}` are missing", count.gaps, count.kind, account.source);
            let subject = format!("{} {}", account.source, count.kind);
            found.push(condition("CallscribeGaps", &subject, number(count.gaps), summary, "callscribe reconcile --wait".to_owned()));
        }
    }
    if let Some(report) = last_report(connection).await?.filter(|report| report.untranscribed > 0) {
        let summary = format!("{} recordings are kept beyond their age: their transcripts are not complete", report.untranscribed);
        found.push(condition(
            "CallscribeAudioUntranscribed",
            "audio",
            number(report.untranscribed),
            summary,
            "callscribe retention".to_owned(),
        ));
    }
    if let Some(cap) = prices.cap_micros {
        let spent = spent_since(connection, month_of(now)).await?;
        found.extend((spent >= cap).then(|| {
            let summary = format!(
                "{} {} were spent on transcription this month, and {} may be: what costs money waits",
                amount(spent),
                prices.currency,
                amount(cap)
            );
            condition("CallscribeCostCap", "transcription", 1.0, summary, "callscribe costs --by model".to_owned())
        }));
    }
    found.extend(credentials(connection).await?.iter().filter_map(|credential| login(credential, now)));
    Ok(found)
}

/// How long work may be due, and nobody there to do it, before that needs a person: longer than a restart of all workers.
const UNATTENDED: Duration = Duration::from_mins(5);

/// Kinds whose work is due and that no worker takes, unless a person wants it so.
fn nobody_works(depths: &[Depth], unattended: &BTreeMap<String, Duration>, controls: &Controls) -> Vec<Condition> {
    let paused = |kind: &str| controls.paused.iter().any(|pause| pause.scope == "all" || pause.scope == "kind" && pause.subject == kind);
    let of = |depth: &Depth| {
        let due = depth.oldest_due();
        let alone = unattended.get(&depth.kind).copied().unwrap_or(due).min(due);
        let worker = depth.kind.parse::<JobKind>().ok().filter(|_| alone >= UNATTENDED && !paused(&depth.kind))?.worker();
        let summary = format!("{} jobs of `{}` are due, and no worker takes them for {}", depth.due, depth.kind, span(alone));
        let command = format!("callscribe worker {worker}");
        Some(condition("CallscribeNoWorkers", &depth.kind, number(depth.due.jobs), summary, command))
    };
    depths.iter().filter_map(of).collect()
}

/// The circuits of every outside service that has one, to look at.
#[must_use]
pub fn gates(hints: &Hints) -> Vec<Gate> {
    let sources = SourceName::ALL.iter().map(|source| source.as_str());
    sources.chain(Provider::ALL.iter().map(|provider| provider.as_str())).map(|service| Gate::circuit(hints.clone(), service)).collect()
}

/// Services whose circuit has been open for long enough to need a person.
#[must_use]
pub fn circuits(gates: &[GateSeen]) -> Vec<Condition> {
    let of = |gate: &GateSeen| {
        let open = gate.alarming()?;
        let summary = format!("`{}` has been down for {}: its jobs wait and use up no attempts", gate.service, span(open));
        Some(condition("CallscribeCircuitOpen", &gate.service, open.as_secs_f64(), summary, "callscribe status".to_owned()))
    };
    gates.iter().filter_map(of).collect()
}

fn login(credential: &CredentialSeen, now: DateTime<Utc>) -> Option<Condition> {
    let name = &credential.name;
    let command = "callscribe webex login --headless".to_owned();
    if credential.login_needed(now) {
        let summary = format!("`{name}` refuses our tokens: its jobs wait until a person logs in");
        return Some(condition("CallscribeLoginNeeded", name, 1.0, summary, command));
    }
    let ends = credential.refresh_expires_at.filter(|_| credential.ends_soon(now))?;
    let left = (ends - now).to_std().unwrap_or_default();
    let summary = format!("the login to `{name}` ends in {}", span(left));
    Some(condition("CallscribeLoginEndsSoon", name, left.as_secs_f64(), summary, command))
}

fn condition(name: &'static str, subject: &str, value: f64, summary: String, command: String) -> Condition {
    Condition { name, subject: subject.to_owned(), value, summary, command }
}

/// Whole minutes are all that anybody wants to know.
fn span(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs() / 60 * 60)).to_string()
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(count: i64) -> f64 {
    count as f64
}
