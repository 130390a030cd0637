//! The store itself: what is there, who may change it now, and the moment at which something new becomes visible.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use s3s::{S3Error, S3Result, dto::ETagCondition, s3_error};

use super::{
    EmbeddedS3Error,
    disk::{Content, Disk},
    index::{Index, Object},
    record::ObjectRecord,
};
use crate::{
    clock::{Clock, SystemClock},
    embedded::Durability,
};

/// Turns to take; two names that share one wait for each other without need, which more turns make rarer.
const TURNS: u8 = 64;

/// Buckets, objects and uploads on one disk.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) disk: Arc<Disk>,
    index: Mutex<Index>,
    object_turns: Vec<Mutex<()>>,
    upload_turns: Vec<Mutex<()>>,
    clock: Arc<dyn Clock>,
}

impl Storage {
    pub(super) fn open(dir: &Path, durability: Durability) -> Result<Self, EmbeddedS3Error> {
        let disk = Arc::new(Disk::open(dir, durability)?);
        let index = Index::load(&disk).map_err(|source| EmbeddedS3Error::Directory { dir: dir.to_owned(), source })?;
        let turns = || std::iter::repeat_with(Mutex::default).take(usize::from(TURNS)).collect();
        let clock = Arc::new(SystemClock);
        Ok(Self { disk, index: Mutex::new(index), object_turns: turns(), upload_turns: turns(), clock })
    }

    /// The index, for a moment: never held over a write to the disk.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The turn of whoever changes this object; everyone else who wants to waits.
    pub(super) fn object_turn(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        turn(&self.object_turns, &(bucket, key))
    }

    /// The turn of whoever changes this upload; taken before an object's, never after.
    pub(super) fn upload_turn(&self, upload_id: &str) -> MutexGuard<'_, ()> {
        turn(&self.upload_turns, &upload_id)
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        self.index().find(bucket, key)?.cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Fails early when a conditional write cannot succeed; `publish` asks again when it counts.
    pub(super) fn check(&self, bucket: &str, key: &str, condition: &Condition) -> S3Result<()> {
        condition.check(self.index().find(bucket, key)?.map(AsRef::as_ref))
    }

    /// Makes an object visible in place of the one before it, if the condition holds at that very moment.
    pub(super) fn publish(&self, bucket: &str, record: ObjectRecord, content: Content, condition: &Condition) -> S3Result<Arc<Object>> {
        let _turn = self.object_turn(bucket, &record.key);
        self.check(bucket, &record.key, condition)?;
        // kept before the record is written: if writing fails half way, the record may be there; the next start knows
        content.keep();
        self.disk.write_record(&self.disk.object_record(bucket, &record.key), &record).map_err(broken)?;
        let object = Arc::new(Object { record, content: Arc::new(content) });
        let replaced = self.index().bucket_mut(bucket)?.objects.insert(object.record.key.clone(), Arc::clone(&object));
        if let Some(replaced) = replaced {
            replaced.content.give_up();
        }
        Ok(object)
    }

    /// Changes what is said about an object, not its bytes.
    pub(super) fn describe(&self, bucket: &str, key: &str, change: impl FnOnce(&mut ObjectRecord)) -> S3Result<()> {
        let _turn = self.object_turn(bucket, key);
        let object = self.object(bucket, key)?;
        let mut record = object.record.clone();
        change(&mut record);
        self.disk.write_record(&self.disk.object_record(bucket, key), &record).map_err(broken)?;
        let described = Object { record, content: Arc::clone(&object.content) };
        self.index().bucket_mut(bucket)?.objects.insert(key.to_owned(), Arc::new(described));
        Ok(())
    }

    /// Removes an object; removing one that is not there is fine.
    pub(super) fn remove(&self, bucket: &str, key: &str) -> S3Result<()> {
        let _turn = self.object_turn(bucket, key);
        let Some(object) = self.index().find(bucket, key)?.cloned() else { return Ok(()) };
        self.disk.remove_record(&self.disk.object_record(bucket, key)).map_err(broken)?;
        object.content.give_up();
        self.index().bucket_mut(bucket)?.objects.remove(key);
        Ok(())
    }
}

/// When a write may replace what is there: `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Condition {
    fn check(&self, current: Option<&Object>) -> S3Result<()> {
        let etag = current.map(|object| object.record.etag.as_str());
        let unwanted = self.if_none_match.as_ref().is_some_and(|condition| holds(condition, etag));
        let missing = self.if_match.as_ref().is_some_and(|condition| !holds(condition, etag));
        if unwanted || missing { Err(s3_error!(PreconditionFailed)) } else { Ok(()) }
    }
}

/// Whether `condition` is true of an object with this etag, or of no object.
pub(super) fn holds(condition: &ETagCondition, etag: Option<&str>) -> bool {
    match condition {
        ETagCondition::Any => etag.is_some(),
        ETagCondition::ETag(wanted) => etag == Some(wanted.value()),
    }
}

/// Runs file work off the runtime's threads; it runs to its end even if the client goes away.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> S3Result<T> + Send + 'static) -> S3Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(S3Error::internal_error)?
}

/// What the disk refused, as S3 says it.
pub(super) fn broken(error: io::Error) -> S3Error {
    tracing::error!(error = %error, "the disk of the embedded S3 server failed");
    s3_error!(error, InternalError, "the disk failed")
}

fn turn<'t>(turns: &'t [Mutex<()>], name: &impl Hash) -> MutexGuard<'t, ()> {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let number = usize::try_from(hasher.finish() % u64::from(TURNS)).unwrap_or(0);
    lock(turns.get(number).unwrap_or(&NO_TURN))
}

/// Never used: there are always `TURNS` turns.
static NO_TURN: Mutex<()> = Mutex::new(());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
