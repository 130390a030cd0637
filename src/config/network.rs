//! The way out: proxies, and authorities to trust beside the system's.

use std::{fmt, sync::Arc};

use secrecy::SecretString;
use url::Url;

use super::{Reader, Setting};

/// How requests to vendors leave this network. Empty by default: straight out, the system's authorities.
#[derive(Clone, Default)]
pub struct NetworkSettings {
    /// `HTTPS_PROXY`: the proxy for addresses that begin with `https`; may hold a password.
    pub https_proxy: Option<SecretString>,
    /// `HTTP_PROXY`: the proxy for addresses that begin with `http`.
    pub http_proxy: Option<SecretString>,
    /// `NO_PROXY`: hosts that are asked directly.
    pub no_proxy: Option<String>,
    /// What `CALLSCRIBE_CA_BUNDLE` names: certificates of authorities, as PEM.
    pub authorities: Option<Arc<[u8]>>,
}

impl fmt::Debug for NetworkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkSettings").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

/// How a certificate begins in a PEM file.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl NetworkSettings {
    const HTTPS_PROXY: Setting = Setting::secret(
        "HTTPS_PROXY",
        "Proxy for vendors' `https` addresses, as `http://host:port` or `http://user:password@host:port`; `https_proxy` will do as well",
    );
    const HTTPS_PROXY_LOWER: Setting = Setting::secret("https_proxy", "As above");
    const HTTP_PROXY: Setting = Setting::secret("HTTP_PROXY", "The same for `http` addresses; `http_proxy` will do as well");
    const HTTP_PROXY_LOWER: Setting = Setting::secret("http_proxy", "As above");
    const NO_PROXY: Setting = Setting::optional(
        "NO_PROXY",
        "Hosts, domains and networks that are asked without a proxy, with commas between; this very machine always is",
    );
    const NO_PROXY_LOWER: Setting = Setting::optional("no_proxy", "As above");
    const CA_BUNDLE: Setting = Setting::optional(
        "CALLSCRIBE_CA_BUNDLE",
        "PEM file with certificates of authorities to trust beside the system's: those of a proxy that opens TLS, or of a server of one's own",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::HTTPS_PROXY, Self::HTTP_PROXY, Self::NO_PROXY, Self::CA_BUNDLE];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            https_proxy: read_proxy(reader, &Self::HTTPS_PROXY, &Self::HTTPS_PROXY_LOWER),
            http_proxy: read_proxy(reader, &Self::HTTP_PROXY, &Self::HTTP_PROXY_LOWER),
            no_proxy: reader.text(&Self::NO_PROXY).or_else(|| reader.text(&Self::NO_PROXY_LOWER)),
            authorities: read_authorities(reader),
        }
    }
}

fn read_proxy(reader: &mut Reader<'_>, setting: &Setting, lower: &Setting) -> Option<SecretString> {
    let text = reader.text(setting).or_else(|| reader.text(lower))?;
    let text = if text.contains("://") { text } else { format!("http://{text}") };
    let usable = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    if !usable {
        reader.complain(setting.name, "is not usable: it must be the address of a proxy, such as `http://proxy.example.com:3128`");
        return None;
    }
    Some(text.into())
}

fn read_authorities(reader: &mut Reader<'_>) -> Option<Arc<[u8]>> {
    const NAME: &str = NetworkSettings::CA_BUNDLE.name;
    let path = reader.text(&NetworkSettings::CA_BUNDLE)?;
    match std::fs::read(path.trim()) {
        Ok(bytes) if bytes.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE) => Some(bytes.into()),
        Ok(_) => {
            reader
                .complain(NAME, format!("names `{path}`, which holds no certificate: it must be PEM, with `-----BEGIN CERTIFICATE-----`"));
            None
        }
        Err(error) => {
            reader.complain(NAME, format!("names `{path}`, which cannot be read: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> (NetworkSettings, String) {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = NetworkSettings::read(&mut reader);
        (settings, reader.finish().err().map(|problems| problems.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_proxy_is_taken_from_either_spelling_and_never_printed() {
        for name in ["HTTPS_PROXY", "https_proxy"] {
            let (settings, problems) = read(&[(name, "http://ada:hush@proxy.example:3128")]);
            assert_eq!(settings.https_proxy.as_ref().unwrap().expose_secret(), "http://ada:hush@proxy.example:3128", "{problems}");
            assert!(!format!("{settings:?}").contains("hush"));
        }
        assert_eq!(read(&[("HTTP_PROXY", "proxy:3128")]).0.http_proxy.unwrap().expose_secret(), "http://proxy:3128");
        let (_, problems) = read(&[("HTTPS_PROXY", "socks5://ada:hush@proxy:1080")]);
        assert!(problems.contains("`HTTPS_PROXY`") && !problems.contains("hush"), "{problems}");
    }

    #[test]
    fn a_bundle_that_is_none_is_told_by_name_at_start() {
        let (settings, problems) = read(&[("CALLSCRIBE_CA_BUNDLE", "/nonexistent.pem")]);
        assert!(settings.authorities.is_none() && problems.contains("`CALLSCRIBE_CA_BUNDLE` names `/nonexistent.pem`"), "{problems}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a certificate").unwrap();
        assert!(read(&[("CALLSCRIBE_CA_BUNDLE", file.path().to_str().unwrap())]).1.contains("holds no certificate"));
    }
}
