//! The bytes of one part: copied once as they come, and sent, as often as the SDK must, without being copied again.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// Bytes are copied once, into blocks of this size. A chunk as it comes is a slice of a buffer of unknown size that it keeps
/// alive: keeping chunks instead took half as much memory again.
pub(super) const BLOCK: usize = 64 * 1024;

/// Bytes on their way to becoming a part.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    full: Vec<Bytes>,
    open: BytesMut,
    length: usize,
}

impl Gathered {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            if self.open.capacity() == 0 {
                self.open = BytesMut::with_capacity(BLOCK);
            }
            let room = BLOCK.saturating_sub(self.open.len()).min(bytes.len());
            let (fitting, rest) = bytes.split_at(room);
            self.open.extend_from_slice(fitting);
            bytes = rest;
            if self.open.len() >= BLOCK {
                self.full.push(std::mem::take(&mut self.open).freeze());
            }
        }
    }

    /// The bytes, in order.
    pub(super) fn into_chunks(mut self) -> Arc<[Bytes]> {
        if !self.open.is_empty() {
            self.full.push(self.open.freeze());
        }
        self.full.into()
    }
}

/// A body of `chunks` that can be sent any number of times.
pub(super) fn resendable(chunks: Arc<[Bytes]>) -> ByteStream {
    ByteStream::new(SdkBody::retryable(move || SdkBody::from_body_1_x(ChunkBody::new(Arc::clone(&chunks)))))
}

struct ChunkBody {
    chunks: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl ChunkBody {
    fn new(chunks: Arc<[Bytes]>) -> Self {
        let left = chunks.iter().map(|chunk| u64::try_from(chunk.len()).unwrap_or(u64::MAX)).sum();
        Self { chunks, next: 0, left }
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(chunk.map(|chunk| {
            self.left = self.left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            Ok(Frame::data(chunk))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_of_any_size_come_out_in_order_and_again() {
        let all: Vec<u8> = (0..900_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut gathered = Gathered::default();
        let mut rest = Bytes::from(all.clone());
        for size in [1, 40_000, 3, 70, 200_000, BLOCK, 5].into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            gathered.push(&rest.split_to(size.min(rest.len())));
        }
        assert_eq!(gathered.len(), all.len());
        let chunks = gathered.into_chunks();
        for _ in 0..2 {
            let body = resendable(Arc::clone(&chunks));
            assert_eq!(body.size_hint().1, Some(u64::try_from(all.len()).unwrap()));
            assert_eq!(body.collect().await.unwrap().into_bytes(), all);
        }
    }
}
