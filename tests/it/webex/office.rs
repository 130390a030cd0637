//! A simulated Webex, and as many processes of ours as a test wants, all on one database and one Redis.

use std::{sync::Arc, time::Duration};

use callscribe::{
    clock::Clock,
    config::{CaseNumberSettings, DownloadHosts, EncryptionKey, RedisSettings, VaultSettings, WebexAccess, WebexSettings},
    domain::{Call, OrgId, SessionId, Window},
    hints::Hints,
    sources::{CallPage, DetailsBy, PageCursor, Source, SourceError, UnreadableElement, webex::Webex},
};
use callscribe_simulators::{
    SimulatedClock,
    webex::{Webex as Vendor, WebexPlan},
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::harness::{self, TestDatabase};

/// More than any test asks for, so that only the tests of the pace feel it.
const AMPLE_BUDGET: u32 = 60_000;

/// Our clock, set to the vendor's.
#[derive(Debug, Clone)]
struct VendorClock(SimulatedClock);

impl Clock for VendorClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) vendor: Vendor,
    pub(crate) database: TestDatabase,
    redis: RedisSettings,
}

impl Office {
    pub(crate) async fn open(plan: WebexPlan) -> Self {
        let vendor = Vendor::start(plan).await.expect("the simulator starts");
        Self { vendor, database: harness::database().await, redis: harness::redis().await }
    }

    pub(crate) fn settings(&self) -> WebexSettings {
        let credentials = self.vendor.credentials();
        WebexSettings {
            access: WebexAccess::Refreshed {
                client_id: credentials.client_id.clone(),
                client_secret: credentials.client_secret.clone().into(),
                refresh_token: Some(credentials.refresh_token.clone().into()),
                vault: VaultSettings { key: EncryptionKey::new([7; 32]), previous: None },
            },
            org_id: OrgId::parse(self.vendor.org_id().to_string()).unwrap(),
            base_url: self.vendor.base_url().parse().unwrap(),
            token_url: self.vendor.token_url().parse().unwrap(),
            tasks_path: "v1/tasks".to_owned(),
            page_size: 1000,
            settle: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            budget_per_minute: AMPLE_BUDGET,
            case_numbers: CaseNumberSettings { variables: vec!["CaseNumber".to_owned()], ..CaseNumberSettings::default() },
            download_hosts: DownloadHosts::new(["127.0.0.1"]),
            network: callscribe::config::NetworkSettings::default(),
            warnings: Vec::new(),
        }
    }

    /// Another process of ours: its own pool, its own connection to Redis, nothing remembered.
    pub(crate) fn process(&self) -> Arc<Webex> {
        self.process_with(|_| ())
    }

    /// The same with other settings.
    pub(crate) fn process_with(&self, change: impl FnOnce(&mut WebexSettings)) -> Arc<Webex> {
        let mut settings = self.settings();
        change(&mut settings);
        let hints = Hints::new(&self.redis).unwrap();
        let clock = Arc::new(VendorClock(self.vendor.clock().clone()));
        Arc::new(Webex::new(&settings, &self.database.store(), &hints, clock).unwrap())
    }

    /// Its Redis, ready to be asked.
    pub(crate) fn hints(&self) -> Hints {
        Hints::new(&self.redis).unwrap()
    }

    /// Our clock, set to the vendor's.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(VendorClock(self.vendor.clock().clone()))
    }

    /// The day that every simulated call lies in.
    pub(crate) fn day(&self) -> Window {
        let now = self.vendor.clock().now();
        Window::new(now - TimeDelta::days(1), now).unwrap()
    }

    /// The ids of the simulator's first calls.
    pub(crate) fn sessions(&self, count: u32) -> Vec<SessionId> {
        (0..count).map(|number| self.session(number)).collect()
    }

    pub(crate) fn session(&self, number: u32) -> SessionId {
        SessionId::parse(self.vendor.session_id(number).to_string()).unwrap()
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.vendor.requests().to("/v1/access_token")
    }

    pub(crate) fn searches(&self) -> usize {
        self.vendor.requests().to("/search")
    }

    pub(crate) fn listings(&self) -> usize {
        self.vendor.requests().to("/v1/tasks")
    }
}

/// Everything that a window's pages told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) calls: Vec<Call>,
    pub(crate) unreadable: Vec<UnreadableElement>,
    pub(crate) gaps: Vec<DateTime<Utc>>,
    pub(crate) pages: usize,
}

impl Told {
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        self.calls.iter().map(|call| call.session_id.clone()).collect()
    }
}

/// Reads a window to its end.
pub(crate) async fn read(source: &dyn Source, window: Window) -> Result<Told, SourceError> {
    read_pages(async |cursor| source.calls(window, cursor.as_ref()).await).await
}

/// Reads the details of a window to its end.
pub(crate) async fn read_details(source: &dyn Source, by: DetailsBy, window: Window) -> Result<Told, SourceError> {
    read_pages(async |cursor| source.details(by, window, cursor.as_ref()).await).await
}

/// Reads page by page; each cursor goes through JSON as a job's checkpoint does.
async fn read_pages(ask: impl AsyncFn(Option<PageCursor>) -> Result<CallPage, SourceError>) -> Result<Told, SourceError> {
    /// More pages than any test has.
    const MOST_PAGES: usize = 500;
    let (mut told, mut cursor) = (Told::default(), None::<PageCursor>);
    while told.pages < MOST_PAGES {
        let page = ask(cursor).await?;
        told.pages += 1;
        told.calls.extend(page.calls);
        told.unreadable.extend(page.unreadable);
        told.gaps.extend(page.possible_gap);
        let Some(next) = page.next else { return Ok(told) };
        let kept = serde_json::to_string(&next).unwrap();
        cursor = Some(serde_json::from_str(&kept).unwrap());
    }
    panic!("paging does not end");
}
