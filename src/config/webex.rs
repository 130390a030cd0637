//! Webex Contact Center: who we are there, which data centre, how fast, and where recordings may be fetched from.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{CaseNumberSettings, DownloadHosts, NetworkSettings, Reader, Setting, VaultSettings};
use crate::domain::OrgId;

/// How requests are authorised.
#[derive(Debug, Clone)]
pub enum WebexAccess {
    /// One token, as it is, until it ends: for tests by hand.
    Fixed(SecretString),
    /// An integration or service app whose tokens are refreshed and kept.
    Refreshed {
        /// `WEBEX_CC_CLIENT_ID`.
        client_id: String,
        /// `WEBEX_CC_CLIENT_SECRET`.
        client_secret: SecretString,
        /// `WEBEX_CC_REFRESH_TOKEN`: the first one, where nobody uses `callscribe webex login`.
        refresh_token: Option<SecretString>,
        /// What the tokens are kept with.
        vault: VaultSettings,
    },
}

/// Everything the Webex source needs.
#[derive(Debug, Clone)]
pub struct WebexSettings {
    /// How requests are authorised.
    pub access: WebexAccess,
    /// `WEBEX_CC_ORG_ID`.
    pub org_id: OrgId,
    /// `WEBEX_CC_BASE_URL`, or the base of `WEBEX_CC_REGION`.
    pub base_url: Url,
    /// `WEBEX_CC_TOKEN_URL`.
    pub token_url: Url,
    /// `WEBEX_CC_INTERACTION_PATH`.
    pub tasks_path: String,
    /// `WEBEX_CC_PAGE_SIZE`.
    pub page_size: u16,
    /// `WEBEX_CC_SETTLE`.
    pub settle: Duration,
    /// `WEBEX_CC_TIMEOUT`.
    pub timeout: Duration,
    /// `WEBEX_BUDGET_PER_MINUTE`.
    pub budget_per_minute: u32,
    /// Where a call's case number is found.
    pub case_numbers: CaseNumberSettings,
    /// `RECORDING_DOWNLOAD_HOSTS`.
    pub download_hosts: DownloadHosts,
    /// The way out.
    pub network: NetworkSettings,
    /// What works, and is probably not meant; told at start.
    pub warnings: Vec<String>,
}

/// The data centres that exist, as the contract lists them.
const REGIONS: &[&str] = &["us1", "eu1", "eu2", "anz1", "ca1", "jp1", "sg1", "in1"];
/// A host of Webex that never served contact centre data, though older plans name it.
const NOT_A_DATA_HOST: &str = "webexapis.com";
/// A path that older plans name and no version of the API has.
const DEAD_PATH: &str = "contactcenter/interactionhistory";
/// Where calls are listed.
const TASKS_PATH: &str = "v1/tasks";
/// The API's own bound.
const LARGEST_PAGE: u16 = 1000;

impl WebexSettings {
    const CLIENT_ID: Setting = Setting::optional("WEBEX_CC_CLIENT_ID", "Client id of the Webex integration or service app");
    const CLIENT_SECRET: Setting = Setting::secret("WEBEX_CC_CLIENT_SECRET", "Its client secret");
    const REFRESH_TOKEN: Setting = Setting::secret(
        "WEBEX_CC_REFRESH_TOKEN",
        "First refresh token, for who does not use `callscribe webex login`; newer ones are kept in PostgreSQL. A value not seen before is taken",
    );
    const ACCESS_TOKEN: Setting =
        Setting::secret("WEBEX_CC_ACCESS_TOKEN", "Used as it is instead of refreshing, for tests by hand; ends when the token ends");
    const ORG_ID: Setting = Setting::optional("WEBEX_CC_ORG_ID", "Organisation whose calls are read; another one's answer is refused");
    const REGION: Setting =
        Setting::new("WEBEX_CC_REGION", "us1", "Data centre: `us1`, `eu1`, `eu2`, `anz1`, `ca1`, `jp1`, `sg1` or `in1`");
    const BASE_URL: Setting = Setting::optional("WEBEX_CC_BASE_URL", "Address of the data API, instead of the region's");
    const TOKEN_URL: Setting =
        Setting::new("WEBEX_CC_TOKEN_URL", "https://webexapis.com/v1/access_token", "Where refresh tokens are exchanged for access tokens");
    const INTERACTION_PATH: Setting =
        Setting::new("WEBEX_CC_INTERACTION_PATH", TASKS_PATH, "Path under the data API that lists calls; there is no reason to change it");
    const PAGE_SIZE: Setting = Setting::new("WEBEX_CC_PAGE_SIZE", "1000", "Calls asked for at once, 1 to 1000");
    const SETTLE: Setting =
        Setting::new("WEBEX_CC_SETTLE", "5s", "Calls younger than this are left for the next run, against clocks that differ");
    const TIMEOUT: Setting = Setting::new("WEBEX_CC_TIMEOUT", "90s", "Longest wait for an answer of the API");
    const BUDGET: Setting = Setting::new(
        "WEBEX_BUDGET_PER_MINUTE",
        "240",
        "Requests per minute that all processes together may make; Webex allows 300 per client",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[
        Self::CLIENT_ID,
        Self::CLIENT_SECRET,
        Self::REFRESH_TOKEN,
        Self::ACCESS_TOKEN,
        Self::ORG_ID,
        Self::REGION,
        Self::BASE_URL,
        Self::TOKEN_URL,
        Self::INTERACTION_PATH,
        Self::PAGE_SIZE,
        Self::SETTLE,
        Self::TIMEOUT,
        Self::BUDGET,
    ];

    /// Whether anything of the group is set: a process that needs no credentials asks no more.
    #[must_use]
    pub fn is_given(reader: &Reader<'_>) -> bool {
        let group = [Self::CLIENT_ID, Self::CLIENT_SECRET, Self::REFRESH_TOKEN, Self::ACCESS_TOKEN, Self::ORG_ID];
        group.iter().any(|setting| reader.is_set(setting))
    }

    /// Reads the group; `None` when nothing of it is set.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if !Self::is_given(reader) {
            return None;
        }
        let mut warnings = Vec::new();
        let access = read_access(reader, &mut warnings);
        let org_id = Self::read_org_id(reader);
        let base_url = read_base_url(reader);
        let token_url = reader.parsed(&Self::TOKEN_URL, "a URL").filter(|url| is_http(reader, &Self::TOKEN_URL, url));
        let tasks_path = read_tasks_path(reader, &mut warnings);
        let page_size = reader.parsed(&Self::PAGE_SIZE, "a number of calls").filter(|size| (1..=LARGEST_PAGE).contains(size));
        if page_size.is_none() {
            reader.complain(Self::PAGE_SIZE.name, format!("must be between 1 and {LARGEST_PAGE}"));
        }
        let budget: Option<u32> = reader.parsed(&Self::BUDGET, "a number of requests per minute").filter(|budget| *budget > 0);
        if budget.is_none() {
            reader.complain(Self::BUDGET.name, "must be at least 1");
        }
        Some(Self {
            settle: reader.duration(&Self::SETTLE)?,
            timeout: reader.duration(&Self::TIMEOUT)?,
            case_numbers: CaseNumberSettings::read(reader),
            download_hosts: DownloadHosts::read(reader),
            network: NetworkSettings::read(reader),
            access: access?,
            org_id: org_id?,
            base_url: base_url?,
            token_url: token_url?,
            tasks_path,
            page_size: page_size?,
            budget_per_minute: budget?,
            warnings,
        })
    }

    /// The organisation, which must be given.
    pub(super) fn read_org_id(reader: &mut Reader<'_>) -> Option<OrgId> {
        let text = reader.required(&Self::ORG_ID, "an answer of another organisation could not be told from the right one");
        OrgId::parse(text).ok()
    }
}

fn read_access(reader: &mut Reader<'_>, warnings: &mut Vec<String>) -> Option<WebexAccess> {
    if let Some(token) = reader.secret(&WebexSettings::ACCESS_TOKEN) {
        warnings.push("`WEBEX_CC_ACCESS_TOKEN` is used as it is: Webex work stops when that token ends".to_owned());
        return Some(WebexAccess::Fixed(token));
    }
    let why = "Webex tokens cannot be refreshed without it";
    let client_id = reader.required(&WebexSettings::CLIENT_ID, why);
    let client_secret = reader.required(&WebexSettings::CLIENT_SECRET, why).into();
    let refresh_token = reader.secret(&WebexSettings::REFRESH_TOKEN);
    let vault = VaultSettings::read(reader, "Webex tokens are kept in PostgreSQL, sealed with it")?;
    Some(WebexAccess::Refreshed { client_id, client_secret, refresh_token, vault })
}

fn read_base_url(reader: &mut Reader<'_>) -> Option<Url> {
    const BASE: &Setting = &WebexSettings::BASE_URL;
    let by_region = |reader: &mut Reader<'_>| {
        let region = reader.text(&WebexSettings::REGION).unwrap_or_default().trim().to_ascii_lowercase();
        if !REGIONS.contains(&region.as_str()) {
            reader.complain(
                WebexSettings::REGION.name,
                format!("is not usable: `{region}` is none of {}; for a newer one, give `WEBEX_CC_BASE_URL`", REGIONS.join(", ")),
            );
            return None;
        }
        Url::parse(&format!("https://api.wxcc-{region}.cisco.com/")).ok()
    };
    if !reader.is_set(BASE) {
        return by_region(reader);
    }
    let mut url: Url = reader.parsed(BASE, "a URL")?;
    if !is_http(reader, BASE, &url) {
        return None;
    }
    if url.host_str() == Some(NOT_A_DATA_HOST) {
        let what = "names `webexapis.com`, which serves only log-ins: leave it out and set `WEBEX_CC_REGION`, or give the address of the data API such as `https://api.wxcc-us1.cisco.com`";
        reader.complain(BASE.name, what);
        return None;
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
    url.set_path(&format!("{path}/"));
    Some(url)
}

fn read_tasks_path(reader: &mut Reader<'_>, warnings: &mut Vec<String>) -> String {
    let text = reader.text(&WebexSettings::INTERACTION_PATH).unwrap_or_default();
    let path = text.trim().trim_matches('/');
    if path.to_ascii_lowercase().ends_with(DEAD_PATH) {
        warnings.push(format!("`WEBEX_CC_INTERACTION_PATH` names `{path}`, which no version of the API has: `{TASKS_PATH}` is used"));
        return TASKS_PATH.to_owned();
    }
    path.to_owned()
}

fn is_http(reader: &mut Reader<'_>, setting: &Setting, url: &Url) -> bool {
    let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if !usable {
        reader.complain(setting.name, "is not usable: it must begin with `https://` (or `http://`) and a host");
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn read(pairs: &[(&str, &str)]) -> (Option<WebexSettings>, String) {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = WebexSettings::read(&mut reader);
        (settings, reader.finish().err().map(|problems| problems.to_string()).unwrap_or_default())
    }

    fn complete<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let group = [
            ("WEBEX_CC_CLIENT_ID", "c"),
            ("WEBEX_CC_CLIENT_SECRET", "s"),
            ("WEBEX_CC_REFRESH_TOKEN", "r"),
            ("WEBEX_CC_ORG_ID", "11111111-2222-4333-8444-555555555555"),
            ("CALLSCRIBE_ENCRYPTION_KEY", KEY),
        ];
        group.into_iter().chain(more.iter().copied()).collect()
    }

    #[test]
    fn an_absent_group_is_no_source_and_half_a_group_is_told_by_name() {
        assert!(matches!(read(&[]), (None, problems) if problems.is_empty()));
        let (_, problems) = read(&[("WEBEX_CC_CLIENT_ID", "c")]);
        for name in ["WEBEX_CC_CLIENT_SECRET", "WEBEX_CC_ORG_ID", "CALLSCRIBE_ENCRYPTION_KEY"] {
            assert!(problems.contains(name), "{name} in {problems}");
        }
    }

    #[test]
    fn the_region_names_the_host_and_a_base_of_ones_own_overrides_it() {
        let base = |more: &[(&'static str, &'static str)]| read(&complete(more)).0.unwrap().base_url.to_string();
        assert_eq!(base(&[]), "https://api.wxcc-us1.cisco.com/");
        assert_eq!(base(&[("WEBEX_CC_REGION", "EU2")]), "https://api.wxcc-eu2.cisco.com/");
        assert_eq!(base(&[("WEBEX_CC_BASE_URL", "http://127.0.0.1:4010/v1/")]), "http://127.0.0.1:4010/");
        assert!(read(&complete(&[("WEBEX_CC_REGION", "mars1")])).1.contains("`mars1`"));
    }

    #[test]
    fn dead_addresses_of_older_plans_are_told() {
        let (_, problems) = read(&complete(&[("WEBEX_CC_BASE_URL", "https://webexapis.com/v1")]));
        assert!(problems.contains("only log-ins"), "{problems}");
        let (settings, _) = read(&complete(&[("WEBEX_CC_INTERACTION_PATH", "contactCenter/interactionHistory")]));
        let settings = settings.unwrap();
        assert_eq!(settings.tasks_path, "v1/tasks");
        assert_eq!(settings.warnings.len(), 1, "{:?}", settings.warnings);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let (settings, _) = read(&complete(&[("WEBEX_CC_CLIENT_SECRET", "hush-hush"), ("WEBEX_CC_REFRESH_TOKEN", "also-hush")]));
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
