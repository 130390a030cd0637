//! The permit a job runs under, from claim to finish, and the list of jobs that are out on one.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::JobId;

/// The permits of one lane.
#[derive(Debug, Clone)]
pub(super) struct Permits {
    free: Arc<Semaphore>,
    out: Arc<Mutex<HashSet<JobId>>>,
}

/// A permit on loan to a job; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit {
    id: JobId,
    out: Arc<Mutex<HashSet<JobId>>>,
    _free: OwnedSemaphorePermit,
}

impl Permits {
    pub(super) fn new(concurrency: u16) -> Self {
        Self { free: Arc::new(Semaphore::new(usize::from(concurrency.max(1)))), out: Arc::default() }
    }

    pub(super) fn semaphore(&self) -> &Arc<Semaphore> {
        &self.free
    }

    pub(super) fn lend(&self, permit: OwnedSemaphorePermit, id: JobId) -> Permit {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Permit { id, out: self.out.clone(), _free: permit }
    }

    /// Jobs that this process knows it holds.
    pub(super) fn out(&self) -> Vec<JobId> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
