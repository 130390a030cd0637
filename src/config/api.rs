//! The HTTP face: addresses and the secret of the cron endpoints.

use std::net::{Ipv4Addr, SocketAddr};

use secrecy::{ExposeSecret, SecretString};

use super::{Reader, Setting};

/// Where the process listens and who may ring.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// `API_LISTEN`.
    pub listen: SocketAddr,
    /// `METRICS_LISTEN`: where `worker` and `scheduler` answer `/metrics` and `/healthz`; nowhere when it is not set.
    pub metrics_listen: Option<SocketAddr>,
    /// `CRON_SECRET`; without it the cron endpoints are off.
    pub cron_secret: Option<SecretString>,
}

/// A shorter secret can be guessed.
const SHORTEST_SECRET: usize = 16;

impl ApiSettings {
    const LISTEN: Setting = Setting::new("API_LISTEN", "127.0.0.1:8080", "Address and port of `callscribe api` and `standalone`");
    const METRICS_LISTEN: Setting = Setting::optional(
        "METRICS_LISTEN",
        "Address and port on which `worker` and `scheduler` answer `/metrics` and `/healthz`; left out, they do not listen",
    );
    const CRON_SECRET: Setting = Setting::secret(
        "CRON_SECRET",
        "Secret of `/api/cron/…`, sent as `Authorization: Bearer …`, at least 16 characters; left out, these endpoints answer 503",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::LISTEN, Self::METRICS_LISTEN, Self::CRON_SECRET];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let listen = reader.parsed(&Self::LISTEN, "an address with a port, such as `127.0.0.1:8080`").unwrap_or(default);
        let metrics_listen = reader.parsed(&Self::METRICS_LISTEN, "an address with a port, such as `0.0.0.0:9090`");
        if metrics_listen == Some(listen) && listen.port() != 0 {
            reader.complain(
                Self::METRICS_LISTEN.name,
                "fights with `API_LISTEN`: both are the same address; the API serves `/metrics` itself",
            );
        }
        let cron_secret = reader.secret(&Self::CRON_SECRET);
        if cron_secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < SHORTEST_SECRET) {
            reader.complain(
                Self::CRON_SECRET.name,
                format!("is too short: use at least {SHORTEST_SECRET} characters (`openssl rand -hex 32`)"),
            );
        }
        Self { listen, metrics_listen, cron_secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_short_secret_is_refused_and_never_shown() {
        let environment: Environment = [("CRON_SECRET".to_owned(), "hunter2".to_owned())].into_iter().collect();
        let text = crate::config::read(&environment, ApiSettings::read).unwrap_err().to_string();
        assert!(text.contains("`CRON_SECRET` is too short"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
