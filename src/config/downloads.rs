//! Where recordings may be fetched from: a vendor's answer names a URL, and not every URL is one we should open.

use std::net::IpAddr;

use url::{Host, Url};

use super::{Reader, Setting};

/// The hosts allowed, as suffixes (`.amazonaws.com`) and by name (`127.0.0.1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadHosts(Vec<String>);

impl DownloadHosts {
    const HOSTS: Setting = Setting::new(
        "RECORDING_DOWNLOAD_HOSTS",
        ".amazonaws.com",
        "Hosts recordings may be fetched from, by comma: a name, or a suffix with a leading dot. Loopback, private addresses and plain http only when named in full",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::HOSTS];

    /// Reads the setting.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self::new(reader.list(&Self::HOSTS))
    }

    /// Allows `hosts`.
    pub fn new(hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(hosts.into_iter().map(|host| host.into().trim().to_ascii_lowercase()).filter(|host| !host.is_empty()).collect())
    }

    /// Whether a recording may be fetched from `url`. A suffix never lets in plain http, a port of its own, an address or this machine.
    #[must_use]
    pub fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        if self.0.contains(&host) {
            return true;
        }
        let by_suffix = url.scheme() == "https" && url.port().is_none() && matches!(url.host(), Some(Host::Domain(_)));
        by_suffix
            && host.parse::<IpAddr>().is_err()
            && self.0.iter().any(|suffix| suffix.starts_with('.') && host.ends_with(suffix.as_str()))
    }

    /// Hosts named in full, which may do without TLS.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|host| !host.starts_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_elsewhere_is_refused_however_it_is_dressed_up() {
        let hosts = DownloadHosts::new([".amazonaws.com"]);
        let allow = |url: &str| hosts.allow(&Url::parse(url).unwrap());
        assert!(allow("https://bucket.s3.amazonaws.com/a.wav?X-Amz-Signature=1"));
        for url in [
            "http://bucket.s3.amazonaws.com/a.wav",
            "https://bucket.s3.amazonaws.com:8443/a.wav",
            "https://amazonaws.com.evil.example/a.wav",
            "https://evilamazonaws.com/a.wav",
            "https://user@bucket.s3.amazonaws.com/a.wav",
            "https://169.254.169.254/latest/meta-data",
            "https://127.0.0.1/a.wav",
            "https://[::1]/a.wav",
            "https://localhost/a.wav",
            "file:///etc/passwd",
        ] {
            assert!(!allow(url), "{url}");
        }
    }

    #[test]
    fn a_host_named_in_full_is_allowed_as_it_is() {
        let hosts = DownloadHosts::new(["127.0.0.1", "::1", " Files.Example "]);
        for url in ["http://127.0.0.1:4010/a.wav", "http://[::1]:9/a", "https://files.example/a"] {
            assert!(hosts.allow(&Url::parse(url).unwrap()), "{url}");
        }
        assert!(!hosts.allow(&Url::parse("https://sub.files.example/a").unwrap()));
    }
}
