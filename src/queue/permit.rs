//! The permit a job runs under, from claim to finish, and the list of jobs that are out on one. How many there are may change while
//! they are out: what is too many is taken away as it comes back, so that nothing that runs is cut off.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::JobId;

/// The permits of one lane. Cloning it clones a handle.
#[derive(Debug, Clone)]
pub(super) struct Permits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Arc<Semaphore>,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    /// Permits there should be.
    most: usize,
    /// Permits that are out and are too many.
    too_many: usize,
    /// How often each job is out: one that was taken from its run and made due again may be out twice in one process.
    out: HashMap<JobId, usize>,
}

/// A permit that is taken, for a job or for one to come; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Permit {
    id: Option<JobId>,
    of: Arc<Shared>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Permits {
    pub(super) fn new(concurrency: u16) -> Self {
        let most = usize::from(concurrency.max(1));
        let book = Mutex::new(Book { most, too_many: 0, out: HashMap::new() });
        Self(Arc::new(Shared { free: Arc::new(Semaphore::new(most)), book }))
    }

    /// Waits for a permit. The semaphore is never closed, so there is one in the end.
    pub(super) async fn acquire(&self) -> Option<Permit> {
        let taken = self.0.free.clone().acquire_owned().await.ok()?;
        Some(Permit { id: None, of: self.0.clone(), taken: Some(taken) })
    }

    /// A permit, if one is free.
    pub(super) fn try_acquire(&self) -> Option<Permit> {
        let taken = self.0.free.clone().try_acquire_owned().ok()?;
        Some(Permit { id: None, of: self.0.clone(), taken: Some(taken) })
    }

    pub(super) fn free(&self) -> usize {
        self.0.free.available_permits()
    }

    /// From now on so many. More are there at once; fewer, as soon as what runs on them has ended. Returns whether that is a change.
    pub(super) fn resize(&self, concurrency: u16) -> bool {
        let most = usize::from(concurrency.max(1));
        let mut book = self.0.book();
        let was = std::mem::replace(&mut book.most, most);
        if most > was {
            let kept = book.too_many.min(most - was);
            book.too_many -= kept;
            self.0.free.add_permits(most - was - kept);
        } else {
            book.too_many += (was - most) - self.0.free.forget_permits(was - most);
        }
        most != was
    }

    /// Jobs that this process knows it holds.
    pub(super) fn out(&self) -> Vec<JobId> {
        self.0.book().out.keys().copied().collect()
    }
}

impl Permit {
    /// Lends it to a job.
    pub(super) fn lend(mut self, id: JobId) -> Self {
        *self.of.book().out.entry(id).or_default() += 1;
        self.id = Some(id);
        self
    }
}

impl Shared {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // the semaphore changes under the book's lock, as in `resize`: the two never count the same permit twice
        let mut book = self.of.book();
        if let Some(id) = self.id
            && let Some(times) = book.out.get_mut(&id)
        {
            *times -= 1;
            if *times == 0 {
                book.out.remove(&id);
            }
        }
        let Some(taken) = self.taken.take() else { return };
        if book.too_many > 0 {
            book.too_many -= 1;
            taken.forget();
        } else {
            drop(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(permits: &Permits, count: i64) -> Vec<Permit> {
        (0..count).map(|id| permits.try_acquire().expect("one is free").lend(JobId(id))).collect()
    }

    #[test]
    fn a_job_that_is_out_twice_is_known_until_both_permits_are_back() {
        let permits = Permits::new(2);
        let [overtaken, again] = [(); 2].map(|()| permits.try_acquire().expect("one is free").lend(JobId(7)));
        drop(overtaken);
        assert_eq!(permits.out(), [JobId(7)], "the second run would be handed back as unknown");
        drop(again);
        assert_eq!(permits.out(), []);
    }

    #[test]
    fn growing_frees_permits_at_once() {
        let permits = Permits::new(2);
        let running = take(&permits, 2);
        assert!(permits.resize(5));
        assert_eq!(permits.free(), 3);
        drop(running);
        assert_eq!(permits.free(), 5);
        assert!(!permits.resize(5), "no change");
    }

    #[test]
    fn shrinking_takes_what_is_free_and_the_rest_as_it_comes_back() {
        let permits = Permits::new(5);
        let mut running = take(&permits, 4);
        permits.resize(2);
        assert_eq!(permits.free(), 0, "four run, two are too many");
        running.truncate(2);
        assert_eq!((permits.free(), permits.out().len()), (0, 2));
        running.truncate(1);
        assert_eq!(permits.free(), 1);
        drop(running);
        assert_eq!(permits.free(), 2);
    }

    #[test]
    fn growing_again_before_the_rest_came_back_keeps_it() {
        let permits = Permits::new(4);
        let running = take(&permits, 4);
        permits.resize(1);
        permits.resize(3);
        assert_eq!(permits.free(), 0);
        drop(running);
        assert_eq!(permits.free(), 3);
    }
}
