//! A file on its way to a provider: streamed as the server takes it, of a length that is known before its first byte.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::{Frame, SizeHint};

use super::AudioBytes;

/// A body that knows its length and ends with an error rather than send another number of bytes.
pub(super) struct Body {
    /// Never locked: it makes the body `Sync`, which the client wants, around a stream that is not.
    stream: Mutex<Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>>,
    left: u64,
    fault: AudioFault,
}

impl Body {
    /// The file alone, and where to look for what went wrong with it if sending fails.
    pub(super) fn of(file_bytes: u64, file: AudioBytes) -> (Self, AudioFault) {
        Self::framed(Bytes::new(), file_bytes, file, Bytes::new())
    }

    /// The file between `head` and `tail`.
    pub(super) fn framed(head: Bytes, file_bytes: u64, file: AudioBytes, tail: Bytes) -> (Self, AudioFault) {
        let fault = AudioFault::default();
        let noted = fault.clone();
        let frame = u64::try_from(head.len().saturating_add(tail.len())).unwrap_or(u64::MAX);
        let file = file.map(move |piece| piece.map_err(|error| noted.note(error)));
        let once = |bytes: Bytes| futures_util::stream::iter((!bytes.is_empty()).then_some(Ok(bytes)));
        let stream = once(head).chain(file).chain(once(tail));
        (Self { stream: Mutex::new(Box::pin(stream)), left: file_bytes.saturating_add(frame), fault: fault.clone() }, fault)
    }

    fn wrong_length(&self, how: &str) -> std::io::Error {
        self.fault.note(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("the audio is {how} than promised")))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(context);
        next.map(|next| match next {
            Some(Ok(piece)) => {
                let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(Frame::data(piece)))
                    }
                    None => Some(Err(self.wrong_length("longer"))),
                }
            }
            Some(Err(error)) => Some(Err(error)),
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(self.wrong_length("shorter")))
            }
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}

/// What went wrong with the audio while it was sent: the HTTP client only says that the body failed.
#[derive(Debug, Clone, Default)]
pub(super) struct AudioFault(Arc<Mutex<Option<std::io::Error>>>);

impl AudioFault {
    pub(super) fn take(&self) -> Option<std::io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps the error and returns one for the client.
    fn note(&self, error: std::io::Error) -> std::io::Error {
        let kind = error.kind();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        kind.into()
    }
}
