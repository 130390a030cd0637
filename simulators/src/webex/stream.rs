//! The body of a download, made while it is sent.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::links::DRIP;
use crate::server::Connection;
use crate::speech::Recording;

/// Bytes made at a time.
const PIECE: u64 = 64 * 1024;

/// How a body ends.
#[derive(Debug)]
pub(super) enum End {
    /// In good order after so many bytes.
    Whole {
        /// From the first byte sent.
        length: u64,
    },
    /// With its connection after so many bytes; with a reset when the connection is given.
    Broken {
        /// From the first byte sent.
        after: u64,
        /// What to reset.
        connection: Option<Connection>,
    },
}

struct Sending {
    file: Recording,
    at: u64,
    left: u64,
    piece: u64,
    drips: bool,
    broken: Option<Option<Connection>>,
}

/// The bytes of `file` from `first` on.
pub(super) fn body_of(file: Recording, first: u64, end: End, bytes_per_second: Option<u64>) -> Body {
    let (left, broken) = match end {
        End::Whole { length } => (length, None),
        End::Broken { after, connection } => (after, Some(connection)),
    };
    let piece = bytes_per_second.map_or(PIECE, |pace| (pace / 10).clamp(1, PIECE));
    let sending = Sending { file, at: first, left, piece, drips: bytes_per_second.is_some(), broken };
    Body::from_stream(stream::unfold(sending, next))
}

async fn next(mut sending: Sending) -> Option<(io::Result<Bytes>, Sending)> {
    if sending.left == 0 {
        let connection = sending.broken.take()?;
        if let Some(connection) = connection {
            connection.reset_at_end();
        }
        // what was sent must reach the client before the end does, or it would be lost with the connection
        tokio::time::sleep(DRIP).await;
        return Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), sending));
    }
    if sending.drips {
        tokio::time::sleep(DRIP).await;
    }
    let length = usize::try_from(sending.piece.min(sending.left)).unwrap_or(usize::MAX);
    let bytes = sending.file.read(sending.at, length);
    let sent = u64::try_from(bytes.len()).unwrap_or(u64::MAX).max(1);
    sending.at += sent;
    sending.left = sending.left.saturating_sub(sent);
    Some((Ok(bytes), sending))
}
