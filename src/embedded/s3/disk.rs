//! Files: where each is, how a record replaces another at once, and when bytes may be removed.
//!
//! ```text
//! <dir>/lock                              held by the one server that owns the directory
//! <dir>/incoming/<random>                 records on their way; emptied at start
//! <dir>/segments/<xx>/<random>            bytes, written once under a name never used again
//! <dir>/buckets/<bucket>/bucket.json      the bucket
//! <dir>/buckets/<bucket>/<xx>/<sha>.json  an object, named by the SHA-256 of its key: no key reaches the file system
//! <dir>/uploads/<id>/upload.json, <n>.json   an upload and its parts
//! ```
//!
//! Bytes come first and are nobody's until a record names them; the record replaces its predecessor by one rename. A crash
//! between any two lines leaves the old object or the new one, and perhaps segments that no record names, which the next
//! start removes.

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ring::digest;
use serde::{Serialize, de::DeserializeOwned};

use super::{EmbeddedS3Error, record::Segment};
use crate::embedded::Durability;

/// The directory, owned.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    durability: Durability,
    /// Held as long as anyone may still write here; the operating system lets go of it when the process dies.
    _lock: File,
}

impl Disk {
    /// Takes the directory, makes what is missing, and empties what is never kept.
    pub(super) fn open(root: &Path, durability: Durability) -> Result<Self, EmbeddedS3Error> {
        let unusable = |source| EmbeddedS3Error::Directory { dir: root.to_owned(), source };
        fs::create_dir_all(root).map_err(unusable)?;
        let lock = File::create(root.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmbeddedS3Error::InUse(root.to_owned())),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let disk = Self { root: root.to_owned(), durability, _lock: lock };
        disk.make_directories().map_err(unusable)?;
        Ok(disk)
    }

    fn make_directories(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.root.join("incoming")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        for directory in ["incoming", "segments", "buckets", "uploads"] {
            self.make_directory(&self.root.join(directory))?;
        }
        (0..=u8::MAX).try_for_each(|shard| fs::create_dir_all(self.root.join("segments").join(format!("{shard:02x}"))))?;
        self.settle(&self.root.join("segments"))
    }

    pub(super) fn buckets(&self) -> PathBuf {
        self.root.join("buckets")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn bucket_record(&self, bucket: &str) -> PathBuf {
        self.buckets().join(bucket).join("bucket.json")
    }

    pub(super) fn object_record(&self, bucket: &str, key: &str) -> PathBuf {
        let name = hex::encode(digest::digest(&digest::SHA256, key.as_bytes()));
        self.buckets().join(bucket).join(shard(&name)).join(format!("{name}.json"))
    }

    pub(super) fn upload_directory(&self, upload_id: &str) -> PathBuf {
        self.uploads().join(upload_id)
    }

    pub(super) fn segment(&self, name: &str) -> PathBuf {
        self.root.join("segments").join(shard(name)).join(name)
    }

    /// A segment to write to; it is removed unless something is published with it.
    pub(super) fn new_segment(&self) -> io::Result<(String, File)> {
        let name = random_name();
        let file = File::create_new(self.segment(&name))?;
        Ok((name, file))
    }

    /// Makes a written segment survive a power cut, if that is asked for.
    pub(super) fn settle_segment(&self, name: &str, file: &File) -> io::Result<()> {
        if self.durability == Durability::Durable {
            file.sync_data()?;
        }
        self.settle(&self.root.join("segments").join(shard(name)))
    }

    /// The same bytes under a second name: a hard link where the file system has them.
    pub(super) fn duplicate(&self, segment: &Segment) -> io::Result<Segment> {
        let name = random_name();
        let (from, to) = (self.segment(&segment.name), self.segment(&name));
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
            self.settle_segment(&name, &File::open(&to)?)?;
        }
        self.settle(&self.root.join("segments").join(shard(&name)))?;
        Ok(Segment { name, size: segment.size })
    }

    /// Puts `record` at `path` in one step.
    pub(super) fn write_record(&self, path: &Path, record: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        let on_its_way = self.root.join("incoming").join(random_name());
        let mut file = File::create_new(&on_its_way)?;
        file.write_all(&text)?;
        if self.durability == Durability::Durable {
            file.sync_data()?;
        }
        drop(file);
        let directory = path.parent().unwrap_or(&self.root);
        if !directory.exists() {
            self.make_directory(directory)?;
        }
        fs::rename(&on_its_way, path)?;
        self.settle(directory)
    }

    /// Takes a record away; what it named is nobody's from then on.
    pub(super) fn remove_record(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.settle(path.parent().unwrap_or(&self.root)),
        }
    }

    pub(super) fn make_directory(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        directory.parent().map_or(Ok(()), |parent| self.settle(parent))
    }

    /// Removes every segment that is not in `named`, and says how many there were.
    pub(super) fn remove_segments_except(&self, named: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for shard in fs::read_dir(self.root.join("segments"))? {
            for segment in fs::read_dir(shard?.path())? {
                let segment = segment?;
                if !segment.file_name().to_str().is_some_and(|name| named.contains(name)) {
                    fs::remove_file(segment.path())?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn settle(&self, directory: &Path) -> io::Result<()> {
        if self.durability == Durability::Durable { File::open(directory)?.sync_all() } else { Ok(()) }
    }
}

/// Reads a record; `None` when there is none, `InvalidData` when it is not one of this kind.
pub(super) fn read_record<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes that something refers to; removed with the last reference once they are given up. So a reader of an object that
/// is replaced meanwhile reads the old bytes to their end.
#[derive(Debug)]
pub(super) struct Content {
    disk: Arc<Disk>,
    pub(super) segments: Vec<Segment>,
    given_up: AtomicBool,
}

impl Content {
    /// Bytes that no record names yet: they go when this does, unless they are kept.
    pub(super) fn unpublished(disk: Arc<Disk>, segments: Vec<Segment>) -> Self {
        Self { disk, segments, given_up: AtomicBool::new(true) }
    }

    /// Bytes that a record names.
    pub(super) fn published(disk: Arc<Disk>, segments: Vec<Segment>) -> Self {
        Self { disk, segments, given_up: AtomicBool::new(false) }
    }

    /// A record names them now.
    pub(super) fn keep(&self) {
        self.given_up.store(false, Ordering::Release);
    }

    /// No record names them any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub(super) fn path(&self, segment: &Segment) -> PathBuf {
        self.disk.segment(&segment.name)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if !*self.given_up.get_mut() {
            return;
        }
        for segment in &self.segments {
            if let Err(error) = fs::remove_file(self.disk.segment(&segment.name))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(error = %error, "cannot remove bytes that nobody refers to: the next start will");
            }
        }
    }
}

fn random_name() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn shard(name: &str) -> &str {
    name.get(..2).unwrap_or("00")
}
