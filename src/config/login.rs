//! Where a person logs in to Webex, and where the browser comes back to.

use url::Url;

use super::{Reader, Setting};

/// What `callscribe webex login` needs beside the settings of the source.
#[derive(Debug, Clone)]
pub struct WebexLoginSettings {
    /// `WEBEX_CC_AUTHORIZE_URL`.
    pub authorize_url: Url,
    /// `WEBEX_CC_REDIRECT_URI`.
    pub redirect_uri: Url,
}

impl WebexLoginSettings {
    const AUTHORIZE_URL: Setting = Setting::new("WEBEX_CC_AUTHORIZE_URL", "https://webexapis.com/v1/authorize", "Where a person logs in");
    const REDIRECT_URI: Setting = Setting::new(
        "WEBEX_CC_REDIRECT_URI",
        "http://localhost:8089/callback",
        "Redirect URI of the integration, letter by letter; `callscribe webex login` listens on its port when the host is this machine",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::AUTHORIZE_URL, Self::REDIRECT_URI];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut address = |setting: &Setting| {
            let url: Url = reader.parsed(setting, "a URL")?;
            let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
            if !usable {
                reader.complain(setting.name, "is not usable: it must begin with `https://` (or `http://`) and a host");
            }
            usable.then_some(url)
        };
        let (authorize_url, redirect_uri) = (address(&Self::AUTHORIZE_URL), address(&Self::REDIRECT_URI));
        Some(Self { authorize_url: authorize_url?, redirect_uri: redirect_uri? })
    }
}
