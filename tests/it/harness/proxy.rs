//! A proxy on loopback that breaks the connections through it: slow, narrow, cut, silent, refused.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use url::Url;

/// What is wrong with the connections; nothing by default. Takes effect at once, for open ones too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Added to each piece of data, either way.
    pub(crate) latency: Duration,
    /// Bytes per second, each way.
    pub(crate) bytes_per_second: Option<u64>,
    /// A connection is reset once this many bytes went through, both ways together.
    pub(crate) reset_after: Option<u64>,
    /// Connections are accepted and nothing comes through; what was sent arrives once this ends.
    pub(crate) blackhole: bool,
    /// New connections are reset at once.
    pub(crate) refuse: bool,
}

/// Where the proxy leads.
#[derive(Debug, Clone)]
pub(crate) enum Upstream {
    /// A port.
    Tcp(SocketAddr),
    /// A socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Upstream {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<PathBuf> for Upstream {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

/// From an address as the harness gives it: `postgres://…?host=/dir`, `redis+unix:///path`, `http://127.0.0.1:port`.
impl From<&str> for Upstream {
    fn from(url: &str) -> Self {
        let url = Url::parse(url).expect("an address");
        let socket_dir = url.query_pairs().find(|(name, _)| name == "host").map(|(_, dir)| PathBuf::from(dir.into_owned()));
        match (url.scheme(), socket_dir) {
            ("redis+unix", _) => Self::Unix(PathBuf::from(url.path())),
            (_, Some(dir)) => Self::Unix(dir.join(".s.PGSQL.5432")),
            (_, None) => Self::Tcp(url.socket_addrs(|| None).expect("a host and a port")[0]),
        }
    }
}

/// The proxy; it ends when this is dropped, and every connection through it.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    cuts: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

/// Starts a proxy before `upstream`.
pub(crate) async fn proxy(upstream: impl Into<Upstream>) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (fault, faults) = watch::channel(Fault::default());
    let (cuts, cut) = watch::channel(0);
    let accepting = tokio::spawn(accept(listener, upstream.into(), faults, cut));
    Proxy { address, fault, cuts, accepting }
}

impl Proxy {
    /// `url` with the proxy in the place of its server.
    pub(crate) fn url_for(&self, url: &str) -> String {
        let url = Url::parse(url).expect("an address");
        match url.scheme() {
            "redis+unix" => format!("redis://{}", self.address),
            scheme @ ("postgres" | "postgresql") => {
                let user = url.query_pairs().find(|(name, _)| name == "user").map(|(_, user)| user.into_owned());
                format!("{scheme}://{}@{}{}", user.unwrap_or_else(|| url.username().to_owned()), self.address, url.path())
            }
            _ => {
                let mut url = url;
                url.set_ip_host(self.address.ip()).expect("an address with a host");
                url.set_port(Some(self.address.port())).expect("an address with a port");
                url.into()
            }
        }
    }

    /// Sets what is wrong from now on; `Fault::default()` heals it.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Resets every open connection.
    pub(crate) fn cut_all(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: Upstream, faults: watch::Receiver<Fault>, mut cut: watch::Receiver<u64>) {
    while let Ok((client, _)) = listener.accept().await {
        if faults.borrow().refuse {
            reset(&client);
            continue;
        }
        cut.mark_unchanged();
        tokio::spawn(serve(client, upstream.clone(), faults.clone(), cut.clone()));
    }
}

async fn serve(client: TcpStream, upstream: Upstream, faults: watch::Receiver<Fault>, cut: watch::Receiver<u64>) {
    let _ = client.set_nodelay(true);
    match upstream {
        Upstream::Tcp(address) => match TcpStream::connect(address).await {
            Ok(server) => {
                let _ = server.set_nodelay(true);
                relay(client, server, faults, cut).await;
            }
            Err(_) => reset(&client),
        },
        Upstream::Unix(path) => match UnixStream::connect(path).await {
            Ok(server) => relay(client, server, faults, cut).await,
            Err(_) => reset(&client),
        },
    }
}

/// The last word of a connection is a reset when it broke, was cut, or lost its proxy, and an orderly end when both sides ended.
async fn relay<S: AsyncRead + AsyncWrite>(mut client: TcpStream, server: S, faults: watch::Receiver<Fault>, mut cut: watch::Receiver<u64>) {
    let passed = Arc::new(AtomicU64::new(0));
    let ended_well = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = tokio::io::split(server);
        let both_ways = async {
            tokio::try_join!(
                pump(from_client, to_server, faults.clone(), Arc::clone(&passed)),
                pump(from_server, to_client, faults.clone(), Arc::clone(&passed)),
            )
        };
        tokio::select! {
            result = both_ways => result.is_ok(),
            // also when the proxy was dropped
            _ = cut.changed() => false,
        }
    };
    if !ended_well {
        reset(&client);
    }
}

/// Makes the end of the connection, which comes with the drop of `stream`, a reset.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut faults: watch::Receiver<Fault>,
    passed: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let open = faults.wait_for(|fault| !fault.blackhole).await.map(|fault| *fault);
        let fault = open.map_err(|_| io::ErrorKind::ConnectionReset)?;
        sleep(fault.latency + transfer_time(length, fault.bytes_per_second)).await;
        let length_passed = u64::try_from(length).unwrap_or(u64::MAX);
        let total = passed.fetch_add(length_passed, Ordering::Relaxed) + length_passed;
        if fault.reset_after.is_some_and(|limit| total > limit) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

fn transfer_time(length: usize, bytes_per_second: Option<u64>) -> Duration {
    let micros = |rate: u64| u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(1_000_000) / rate.max(1);
    bytes_per_second.map_or(Duration::ZERO, |rate| Duration::from_micros(micros(rate)))
}
