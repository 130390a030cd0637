//! What is checked of every transcription service on the net: that its key is there and does not travel in clear.

use url::{Host, Url};

use super::{Reader, Setting};

/// Complains about what cannot work of a service that is chosen.
pub(super) fn check(reader: &mut Reader<'_>, base: &Setting, url: &Url, key: &Setting, has_key: bool) {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        reader.complain(base.name, "is not usable: it must start with `https://`");
    } else if url.scheme() == "http" && !is_loopback(url) {
        reader.complain(base.name, format!("would send `{}` in clear over a network: use `https://`", key.name));
    }
    if !url.username().is_empty() || url.password().is_some() {
        reader.complain(base.name, format!("holds a user or password: give the key as `{}`", key.name));
    }
    if !has_key {
        reader.complain(key.name, "is missing: `TRANSCRIPTION_PROVIDER` names its service");
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
