//! Which events a span of time brings, and how each is written.

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::webex::Site;
use crate::webex::book::Call;
use crate::webex::fault::Fault;
use crate::webex::ids::other_id;

/// Kind of the ids of events; the kinds from here on are one per event of a call.
const EVENT_IDS: u64 = 50;

/// Something that happened to a call.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: Uuid,
    pub(super) at_ms: i64,
    pub(super) kind: &'static str,
    pub(super) call: Call,
    /// `terminatingParty` and `reason` of `task:ended`.
    ending: Option<(&'static str, &'static str)>,
}

/// The envelope, in the order in which the vendor writes it.
#[derive(Serialize)]
struct Envelope<'e> {
    id: Uuid,
    specversion: &'static str,
    #[serde(rename = "type")]
    kind: &'e str,
    source: String,
    comciscoorgid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comciscotimestamp: Option<Value>,
    datacontenttype: &'static str,
    data: Value,
}

/// What happens after `from_ms` and until `to_ms`, in order.
pub(super) fn between(site: &Site, from_ms: i64, to_ms: i64) -> Vec<Event> {
    let began = site.book.between(from_ms.saturating_sub(longest_ms(site)), to_ms.saturating_add(1), &site.faults);
    let calls = began.filter_map(|number| site.book.call(number, &site.faults)).filter(|call| call.spec.channel == "telephony");
    let mut events: Vec<Event> = calls.flat_map(|call| of_call(site, &call)).collect();
    events.retain(|event| (from_ms + 1..=to_ms).contains(&event.at_ms));
    events.sort_by_key(|event| (event.at_ms, event.call.number));
    events
}

/// From the beginning of a call to its last event, at most.
fn longest_ms(site: &Site) -> i64 {
    let early = site.faults.lasting_for("", |fault| if let Fault::NotReadyUntil { after } = fault { Some(*after) } else { None });
    site.book.longest_ms() + early.map_or(0, |after| i64::try_from(after.as_millis()).unwrap_or(0)) + 1
}

fn of_call(site: &Site, call: &Call) -> Vec<Event> {
    let key = call.id.to_string();
    let lasts = |wanted: &Fault| site.faults.lasting_for(&key, |fault| (fault == wanted).then_some(())).is_some();
    let event = |number: u64, kind: &'static str, at_ms: i64, ending: Option<(&'static str, &'static str)>| Event {
        id: other_id(site.seed, EVENT_IDS + number, call.number.into()),
        at_ms,
        kind,
        call: call.clone(),
        ending,
    };
    let (began, length) = (call.created_ms, call.ended_ms - call.created_ms);
    let available = capture_ms(site, call, &key);
    let late = if lasts(&Fault::HookOutOfOrder) { available.map_or(0, |available| available - call.ended_ms + 1) } else { 0 };
    let party = if call.spec.abandoned { "Customer" } else { "Agent" };
    let mut events = vec![
        event(0, "task:new", began, None),
        event(1, "task:ended", call.ended_ms + late, Some((party, if call.spec.abandoned { "Customer Left" } else { "Agent Left" }))),
    ];
    if call.spec.answered {
        events.push(event(2, "task:connected", began + length / 2, None));
    }
    events.extend(available.map(|at_ms| event(3, "capture:available", at_ms, None)));
    if lasts(&Fault::HookEndedThrice) {
        // a courtesy callback: the task is queued and rings again
        let again = Some(("System", "RONA Timer Expired"));
        events.extend([event(4, "task:ended", began + length / 4, again), event(5, "task:ended", began + length / 3, again)]);
    }
    events
}

/// When the recording is offered, if it is.
fn capture_ms(site: &Site, call: &Call, key: &str) -> Option<i64> {
    let never = |fault: &Fault| matches!(fault, Fault::NeverRecorded | Fault::Purged).then_some(());
    if !call.spec.recorded || site.faults.lasting_for(key, never).is_some() {
        return None;
    }
    let early = site.faults.lasting_for(key, |fault| if let Fault::NotReadyUntil { after } = fault { Some(*after) } else { None });
    let after = call.spec.ready_after.max(early.unwrap_or_default());
    Some(call.ended_ms + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 4))
}

impl Event {
    /// The words by which faults name it.
    pub(super) fn keys(&self) -> [String; 2] {
        [self.call.id.to_string(), self.kind.to_owned()]
    }

    /// The body for a subscription; `sent_ms` is `None` for one of version 1, whose events carry no timestamp.
    pub(super) fn body(&self, site: &Site, subscription: Uuid, sent_ms: Option<i64>) -> String {
        let number = site.faults.strikes(&[self.kind], &Fault::HookTimestampNumber);
        let envelope = Envelope {
            id: self.id,
            specversion: "1.0",
            kind: self.kind,
            source: format!("/com/cisco/wxcc/{subscription}"),
            comciscoorgid: crate::webex::platform::told_org(site),
            comciscotimestamp: sent_ms.map(|sent| if number { json!(sent) } else { json!(sent.to_string()) }),
            datacontenttype: "application/json",
            data: self.data(),
        };
        serde_json::to_string(&envelope).unwrap_or_default()
    }

    fn data(&self) -> Value {
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
        put("taskId", json!(self.call.id));
        put("createdTime", json!(self.at_ms));
        if self.kind == "capture:available" {
            put("filePath", json!("https://api.wxcc-us1.cisco.com/v1/captures/query"));
            return Value::Object(data);
        }
        let (origin, destination) = self.call.numbers();
        put("origin", json!(origin));
        put("destination", json!(destination));
        put("direction", json!(if self.call.spec.direction.word() == "inbound" { "INBOUND" } else { "OUTBOUND" }));
        put("channelType", json!(self.call.spec.channel));
        if let Some((party, reason)) = self.ending {
            put("terminatingParty", json!(party));
            put("reason", json!(reason));
        }
        Value::Object(data)
    }
}
