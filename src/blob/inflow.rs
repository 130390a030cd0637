//! How many bodies pour into the process at once.
//!
//! The HTTP client keeps up to a mebibyte of a fast body in buffers that nobody can bound from outside. So only so many bodies pour
//! at a time; the rest are not opened yet. A body that trickles needs no such buffers, and gives its place to others while it is still.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{Blob, BlobError};

/// More than it takes to fill any line, and 16 MiB at most.
pub(super) const BODIES_AT_ONCE: usize = 16;
/// A body that is still for so long has left nothing in the buffers.
const STILL: Duration = Duration::from_millis(500);

/// One body's place among those that pour in.
#[derive(Debug)]
pub struct Inflow {
    gate: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
}

impl Blob {
    /// Waits for a place; take it before the body is opened, and drop it when the body has ended.
    pub async fn inflow(&self) -> Result<Inflow, BlobError> {
        let mut inflow = Inflow { gate: Arc::clone(&self.inflows), place: None };
        inflow.take_place().await?;
        Ok(inflow)
    }
}

impl Inflow {
    /// The next item of the body. While there is none, others may have the place: call `take_place` before work is made of the item.
    pub async fn next<T>(&mut self, body: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
        if self.place.is_some() {
            if let Ok(item) = timeout(STILL, body.next()).await {
                return item;
            }
            self.place = None;
        }
        body.next().await
    }

    /// Waits for a place, if it was given away.
    pub async fn take_place(&mut self) -> Result<(), BlobError> {
        if self.place.is_none() {
            let place = Arc::clone(&self.gate).acquire_owned().await;
            self.place = Some(place.map_err(|closed| BlobError::unavailable("take in a body", closed))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;

    fn of(gate: &Arc<Semaphore>) -> Inflow {
        Inflow { gate: Arc::clone(gate), place: None }
    }

    #[tokio::test]
    async fn a_body_that_is_still_gives_its_place_to_another_and_waits_for_it_again() {
        let gate = Arc::new(Semaphore::new(1));
        let (mut trickle, mut other) = (of(&gate), of(&gate));
        trickle.take_place().await.unwrap();
        let (drip, drops) = tokio::sync::mpsc::unbounded_channel();
        let mut body = Box::pin(stream::unfold(drops, async |mut drops| Some((drops.recv().await?, drops))));
        let pours = async {
            // waits until the trickle has been still for long enough
            other.take_place().await.unwrap();
            drip.send("late").unwrap();
        };
        let (item, ()) = tokio::join!(trickle.next(&mut body), pours);
        assert_eq!(item, Some("late"));
        assert!(trickle.take_place().now_or_never().is_none(), "the other has the place");
        drop(other);
        trickle.take_place().await.unwrap();
    }

    #[tokio::test]
    async fn a_body_that_pours_keeps_its_place_to_its_end() {
        let gate = Arc::new(Semaphore::new(1));
        let mut inflow = of(&gate);
        inflow.take_place().await.unwrap();
        let mut body = stream::iter([1, 2]);
        assert_eq!((inflow.next(&mut body).await, inflow.next(&mut body).await, inflow.next(&mut body).await), (Some(1), Some(2), None));
        assert_eq!(gate.available_permits(), 0);
        drop(inflow);
        assert_eq!(gate.available_permits(), 1);
    }
}
