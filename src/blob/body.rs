//! The bytes of one part: gathered as they come, sent as they are. The SDK can send them again without anyone copying them.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// Chunks smaller than this are copied together: each is a slice of a buffer that it keeps alive, and costs a write.
const WORTH_KEEPING: usize = 16 * 1024;

/// Bytes on their way to becoming a part.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    chunks: Vec<Bytes>,
    small: BytesMut,
    length: usize,
}

impl Gathered {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        if chunk.len() < WORTH_KEEPING {
            self.small.extend_from_slice(&chunk);
            if self.small.len() >= WORTH_KEEPING {
                self.settle();
            }
            return;
        }
        self.settle();
        self.chunks.push(chunk);
    }

    /// The chunks, in order.
    pub(super) fn into_chunks(mut self) -> Arc<[Bytes]> {
        self.settle();
        self.chunks.into()
    }

    fn settle(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
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
        let all: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut gathered = Gathered::default();
        let mut rest = Bytes::from(all.clone());
        for size in [1, 40_000, 3, 70, 20_000, 16_384, 5].into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            gathered.push(rest.split_to(size.min(rest.len())));
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
