//! An answer: its head is here, its body is still on the way and is never taken without a bound.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode};

use super::{ErrorBody, OutboundError};

/// The head of an answer, and its body to come.
#[derive(Debug)]
pub struct Response {
    host: String,
    inner: reqwest::Response,
}

/// No error text is longer; a vendor that sends a film with its 500 is cut off here.
const LARGEST_ERROR_BODY: usize = 64 * 1024;

impl Response {
    pub(super) fn new(host: String, inner: reqwest::Response) -> Self {
        Self { host, inner }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// A header as text, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The whole body, at most `most` bytes of it.
    pub async fn bytes(mut self, most: usize) -> Result<Bytes, OutboundError> {
        let too_large = || OutboundError::TooLarge { host: self.host.clone(), most };
        let promised = self.inner.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if promised > most {
            return Err(too_large());
        }
        let mut body = BytesMut::with_capacity(promised);
        loop {
            match self.inner.chunk().await.map_err(|why| OutboundError::of(&self.host, why))? {
                Some(chunk) if body.len() + chunk.len() > most => return Err(too_large()),
                Some(chunk) => body.extend_from_slice(&chunk),
                None => return Ok(body.freeze()),
            }
        }
    }

    /// What the vendor says went wrong. Reading it cannot fail: whatever cannot be read is left out.
    pub async fn error_body(mut self) -> ErrorBody {
        let mut body = BytesMut::new();
        while let Ok(Some(chunk)) = self.inner.chunk().await {
            let room = LARGEST_ERROR_BODY.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() >= room {
                break;
            }
        }
        ErrorBody::read(&body)
    }

    /// The body as it comes. An error ends it; so does silence longer than the client's idle limit.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, OutboundError>> + Send + 'static {
        let Self { host, inner } = self;
        inner.bytes_stream().map(move |chunk| chunk.map_err(|why| OutboundError::of(&host, why)))
    }
}
