//! A loopback server whose connections can be cut the hard way. What it answers is each simulator's own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long to wait before accepting again when the machine has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A server on a free port of 127.0.0.1, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds and begins to answer.
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let service = router.into_make_service_with_connect_info::<Connection>();
        let task = tokio::spawn(async move {
            // `axum::serve` never ends by itself, and its error type is never made
            let _: io::Result<()> = axum::serve(Loopback(listener), service).await;
        });
        Ok(Self { address, task })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Loopback(TcpListener);

impl Listener for Loopback {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.0.accept().await {
                // small answers must not wait for the client's acknowledgement; without it they are only slower
                let _: io::Result<()> = stream.set_nodelay(true);
                return (Socket { stream, connection: Connection::default() }, address);
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// The connection a request came by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    resets: Arc<AtomicBool>,
    is_cut: Arc<AtomicBool>,
}

impl Connection {
    /// From now on the connection ends with a reset (RST) instead of an orderly end.
    pub(crate) fn reset_at_end(&self) {
        self.resets.store(true, Ordering::Release);
    }

    /// From now on nothing is sent any more: the connection ends with a reset in place of an answer.
    pub(crate) fn cut(&self) {
        self.reset_at_end();
        self.is_cut.store(true, Ordering::Release);
    }

    fn is_to_reset(&self) -> bool {
        self.resets.load(Ordering::Acquire)
    }

    fn refuses(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }
}

impl Connected<IncomingStream<'_, Loopback>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        stream.io().connection.clone()
    }
}

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    connection: Connection,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.is_to_reset() {
            // a linger of zero turns the close into a reset; if it cannot be set, the client sees an early end instead
            let _: io::Result<()> = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.connection.refuses() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_to_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.connection.refuses() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
