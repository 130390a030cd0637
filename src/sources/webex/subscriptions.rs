//! `/v2/subscriptions`: which events Webex sends where. Each resource has a version and needs a subscription of its own.

use chrono::{DateTime, Utc};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    api::{Api, Ask},
    number::number_or_text,
    translate::moment,
};
use crate::{
    domain::SourceName,
    ledger::VendorTrace,
    sources::{SourceError, Webhook},
};

/// Subscriptions that Webex takes per organisation, of all applications together.
pub const MOST_SUBSCRIPTIONS: u32 = 20;
const PATH: &str = "v2/subscriptions";

/// A subscription as Webex tells it; its secret is never told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Subscription {
    /// Webex's id of it.
    pub id: String,
    /// What we called it.
    pub name: String,
    /// The events it sends, in Webex's words.
    pub event_types: Vec<String>,
    /// Where they go.
    pub destination_url: String,
    /// `active`, or `inactive` after trouble with the destination.
    pub status: String,
    /// Resource and version, such as `capture:1.0.0`.
    pub resource_version: Option<String>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
}

impl Subscription {
    /// Whether events are sent.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status.eq_ignore_ascii_case("active")
    }

    /// The resource without its version: `capture`, `task`.
    #[must_use]
    pub fn resource(&self) -> &str {
        resource_of(self.resource_version.as_deref().unwrap_or("-"))
    }
}

/// What a list tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    /// Those made by version 2 of the API.
    pub listed: Vec<Subscription>,
    /// All there are, those of version 1 too; they count towards the limit.
    pub count: u32,
}

/// A subscription to make.
struct NewSubscription {
    /// 4 to 64 characters.
    name: String,
    event_types: Vec<String>,
    destination_url: Url,
    secret: SecretString,
    resource_version: String,
}

/// What to change of a subscription; what is left out stays.
#[derive(Default)]
pub(super) struct Change {
    event_types: Option<Vec<String>>,
    secret: Option<SecretString>,
}

/// What a resource is subscribed for: its version, and the events that something follows from.
const WANTED: &[(&str, &[&str])] = &[("capture:1.0.0", &["capture:available"]), ("task:1.0.0", &["task:ended"])];

/// A subscription that is as it should be now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ensured {
    /// It.
    pub subscription: Subscription,
    /// It was made just now; otherwise it was there and got the present secret.
    pub made: bool,
}

#[derive(Debug, Deserialize)]
struct WireList {
    meta: WireMeta,
    data: Vec<WireSubscription>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    #[serde(default, deserialize_with = "number_or_text")]
    subscription_count: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct WireOne {
    data: WireSubscription,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSubscription {
    id: String,
    name: Option<String>,
    #[serde(default)]
    event_types: Vec<String>,
    destination_url: String,
    status: String,
    resource_version: Option<String>,
    #[serde(default, deserialize_with = "number_or_text")]
    created_time: Option<i64>,
}

impl From<WireSubscription> for Subscription {
    fn from(wire: WireSubscription) -> Self {
        Self {
            id: wire.id,
            name: wire.name.unwrap_or_default(),
            event_types: wire.event_types,
            destination_url: wire.destination_url,
            status: wire.status,
            resource_version: wire.resource_version,
            created_at: wire.created_time.and_then(moment),
        }
    }
}

fn ask(api: &Api, method: Method, id: Option<&str>, body: Option<Value>) -> Result<Ask, SourceError> {
    let mut url = api.base.join(PATH).map_err(|error| wrong_url(&error))?;
    if let Some(id) = id {
        // pushed as one segment, so that no id can lead elsewhere
        url.path_segments_mut().map_err(|()| wrong_url(&"it has no path"))?.push(id);
    }
    url.query_pairs_mut().append_pair("orgId", api.org_id.as_str());
    Ok(Ask { method, url, body, divisible: false })
}

fn wrong_url(error: &dyn std::fmt::Display) -> SourceError {
    SourceError::Rejected {
        source_name: SourceName::Webex,
        what: format!("`WEBEX_CC_BASE_URL` makes no URL: {error}"),
        trace: VendorTrace::default(),
    }
}

/// Every subscription of version 2.
pub(super) async fn list(api: &Api) -> Result<Subscriptions, SourceError> {
    let wire: WireList = api.ask(&ask(api, Method::GET, None, None)?).await.map_err(|refusal| refusal.error)?.content;
    let listed: Vec<Subscription> = wire.data.into_iter().map(Subscription::from).collect();
    let told = wire.meta.subscription_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    Ok(Subscriptions { count: told.max(u32::try_from(listed.len()).unwrap_or(u32::MAX)), listed })
}

/// Makes one.
async fn create(api: &Api, new: &NewSubscription) -> Result<Subscription, SourceError> {
    let body = json!({
        "name": new.name,
        "description": "made by `callscribe webex subscribe`",
        "eventTypes": new.event_types,
        "destinationUrl": new.destination_url,
        "secret": new.secret.expose_secret(),
        "orgId": api.org_id.as_str(),
        "resourceVersion": new.resource_version,
    });
    one(api, &ask(api, Method::POST, None, Some(body))?).await
}

/// Changes one and has it sent again if it was not: whoever changes a subscription wants its events.
pub(super) async fn change(api: &Api, id: &str, change: &Change) -> Result<Subscription, SourceError> {
    let mut body = Map::from_iter([("status".to_owned(), json!("active"))]);
    if let Some(types) = &change.event_types {
        body.insert("eventTypes".to_owned(), json!(types));
    }
    if let Some(secret) = &change.secret {
        body.insert("secret".to_owned(), json!(secret.expose_secret()));
    }
    one(api, &ask(api, Method::PATCH, Some(id), Some(Value::Object(body)))?).await
}

async fn one(api: &Api, ask: &Ask) -> Result<Subscription, SourceError> {
    let wire: WireOne = api.ask(ask).await.map_err(|refusal| refusal.error)?.content;
    Ok(wire.data.into())
}

/// Removes one.
pub(super) async fn remove(api: &Api, id: &str) -> Result<(), SourceError> {
    api.ask::<Value>(&ask(api, Method::DELETE, Some(id), None)?).await.map_err(|refusal| refusal.error)?;
    Ok(())
}

/// Has every event that something follows from sent to `destination`, one subscription per resource: makes what is missing, gives what
/// is there the present secret and switches it on, removes doubles. The same again changes nothing more.
pub(super) async fn ensure(api: &Api, destination: &Url, secret: &SecretString) -> Result<Vec<Ensured>, SourceError> {
    let mut before = list(api).await?;
    let mut ensured = Vec::new();
    for (version, events) in WANTED {
        let event_types: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
        let mut there = sent_to(&before, destination.as_str(), version).into_iter();
        let Some(first) = there.next() else {
            let subscription = make(api, before.count, destination, secret, version, event_types).await?;
            before.count += 1;
            ensured.push(Ensured { subscription, made: true });
            continue;
        };
        let wanted = Change { event_types: Some(event_types), secret: Some(secret.clone()) };
        ensured.push(Ensured { subscription: change(api, &first.id, &wanted).await?, made: false });
        for double in there {
            remove(api, &double.id).await?;
        }
    }
    if ensured.iter().any(|each| each.made) {
        keep_the_first(api, destination, &mut ensured).await?;
    }
    Ok(ensured)
}

/// Two commands at once may both have found nothing: what the later of them made goes.
async fn keep_the_first(api: &Api, destination: &Url, ensured: &mut [Ensured]) -> Result<(), SourceError> {
    let after = list(api).await?;
    for each in ensured.iter_mut().filter(|each| each.made) {
        let version = each.subscription.resource_version.clone().unwrap_or_default();
        if let Some(first) =
            sent_to(&after, destination.as_str(), &version).into_iter().next().filter(|first| first.id != each.subscription.id)
        {
            remove(api, &each.subscription.id).await?;
            *each = Ensured { subscription: first.clone(), made: false };
        }
    }
    Ok(())
}

/// What should be sent to `destination`, as it stands: doubles one by one, and what is missing too.
pub(super) fn of_destination(all: &Subscriptions, destination: &str) -> Vec<Webhook> {
    let of_version = |version: &&'static str| {
        let resource = resource_of(version);
        let there = sent_to(all, destination, version).into_iter();
        let mut found: Vec<_> = there.map(|each| Webhook { resource, id: Some(each.id.clone()), active: each.is_active() }).collect();
        if found.is_empty() {
            found.push(Webhook { resource, id: None, active: false });
        }
        found
    };
    WANTED.iter().map(|(version, _)| version).flat_map(of_version).collect()
}

/// The resource of `capture:1.0.0`: `capture`.
fn resource_of(version: &str) -> &str {
    version.split(':').next().unwrap_or(version)
}

/// Those of one resource that are sent to `destination`, oldest first.
fn sent_to<'s>(all: &'s Subscriptions, destination: &str, version: &str) -> Vec<&'s Subscription> {
    let is_it = |each: &&Subscription| each.resource() == resource_of(version) && each.destination_url == destination;
    let mut found: Vec<_> = all.listed.iter().filter(is_it).collect();
    found.sort_by_key(|each| (each.created_at, each.id.clone()));
    found
}

async fn make(
    api: &Api,
    count: u32,
    destination: &Url,
    secret: &SecretString,
    version: &str,
    event_types: Vec<String>,
) -> Result<Subscription, SourceError> {
    if count >= MOST_SUBSCRIPTIONS {
        return Err(SourceError::Rejected {
            source_name: SourceName::Webex,
            what: format!(
                "an organisation may have {MOST_SUBSCRIPTIONS} subscriptions, of all applications and versions together, and has {count}"
            ),
            trace: VendorTrace::default(),
        });
    }
    let new = NewSubscription {
        name: format!("callscribe {}", resource_of(version)),
        event_types,
        destination_url: destination.clone(),
        secret: secret.clone(),
        resource_version: version.to_owned(),
    };
    create(api, &new).await
}
