//! What is there, in memory: read from the records at start, changed only after a record was written. About half a
//! kilobyte per object, which suits one machine; a larger store belongs in a real S3.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::Path,
    sync::Arc,
};

use s3s::{S3Result, s3_error};
use serde::de::DeserializeOwned;

use super::{
    disk::{Content, Disk, read_record},
    record::{BucketRecord, ObjectRecord, PartRecord, UploadRecord},
};

/// An object and a hold on its bytes.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) record: ObjectRecord,
    pub(super) content: Arc<Content>,
}

/// A part and a hold on its bytes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) record: PartRecord,
    pub(super) content: Content,
}

/// An upload that goes on.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) record: Arc<UploadRecord>,
    pub(super) parts: BTreeMap<i32, Arc<Part>>,
}

/// A bucket and its objects by key.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) record: BucketRecord,
    pub(super) objects: BTreeMap<String, Arc<Object>>,
}

/// Everything there is.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

impl Index {
    pub(super) fn bucket(&self, bucket: &str) -> S3Result<&Bucket> {
        self.buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    pub(super) fn bucket_mut(&mut self, bucket: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    /// The object, or `None` if the bucket has none of this key.
    pub(super) fn find(&self, bucket: &str, key: &str) -> S3Result<Option<&Arc<Object>>> {
        Ok(self.bucket(bucket)?.objects.get(key))
    }

    /// The upload, if it is of this object.
    pub(super) fn upload(&self, bucket: &str, key: &str, upload_id: &str) -> S3Result<&Upload> {
        let upload = self.uploads.get(upload_id).filter(|upload| upload.record.bucket == bucket && upload.record.key == key);
        upload.ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// Reads every record, ends the uploads that a crash left completed but not cleared away, and removes the segments that
    /// no record names. Uploads and their parts outlive a restart, as in S3: an uploader that lost one answer goes on, and
    /// one that died is found by listing.
    pub(super) fn load(disk: &Arc<Disk>) -> io::Result<Self> {
        let mut loader = Loader { disk: Arc::clone(disk), index: Self::default(), completed: HashSet::new(), unreadable: 0 };
        loader.load_buckets()?;
        loader.load_uploads()?;
        loader.sweep()?;
        Ok(loader.index)
    }
}

struct Loader {
    disk: Arc<Disk>,
    index: Index,
    completed: HashSet<String>,
    unreadable: usize,
}

impl Loader {
    fn load_buckets(&mut self) -> io::Result<()> {
        for directory in fs::read_dir(self.disk.buckets())? {
            let directory = directory?.path();
            let Some(record) = self.read::<BucketRecord>(&directory.join("bucket.json"))? else { continue };
            let mut bucket = Bucket { record, objects: BTreeMap::new() };
            for shard in fs::read_dir(&directory)? {
                let shard = shard?.path();
                if shard.is_dir() {
                    self.load_objects(&shard, &mut bucket)?;
                }
            }
            self.index.buckets.insert(bucket.record.name.clone(), bucket);
        }
        Ok(())
    }

    fn load_objects(&mut self, shard: &Path, bucket: &mut Bucket) -> io::Result<()> {
        for file in fs::read_dir(shard)? {
            let Some(record) = self.read::<ObjectRecord>(&file?.path())? else { continue };
            self.completed.extend(record.upload_id.clone());
            let content = Arc::new(Content::published(Arc::clone(&self.disk), record.segments.clone()));
            bucket.objects.insert(record.key.clone(), Arc::new(Object { record, content }));
        }
        Ok(())
    }

    fn load_uploads(&mut self) -> io::Result<()> {
        for directory in fs::read_dir(self.disk.uploads())? {
            let directory = directory?.path();
            let unreadable_before = self.unreadable;
            let record = self.read::<UploadRecord>(&directory.join("upload.json"))?;
            match record.filter(|record| !self.completed.contains(&record.id)) {
                Some(record) => self.load_upload(&directory, record)?,
                // completed, or begun and never answered: its parts are nobody's
                None if self.unreadable == unreadable_before => fs::remove_dir_all(&directory)?,
                None => {}
            }
        }
        Ok(())
    }

    fn load_upload(&mut self, directory: &Path, record: UploadRecord) -> io::Result<()> {
        let mut upload = Upload { record: Arc::new(record), parts: BTreeMap::new() };
        for file in fs::read_dir(directory)? {
            let path = file?.path();
            if path.ends_with("upload.json") {
                continue;
            }
            let Some(record) = self.read::<PartRecord>(&path)? else { continue };
            let content = Content::published(Arc::clone(&self.disk), vec![record.segment.clone()]);
            upload.parts.insert(record.number, Arc::new(Part { record, content }));
        }
        self.index.uploads.insert(upload.record.id.clone(), upload);
        Ok(())
    }

    fn sweep(&self) -> io::Result<()> {
        if self.unreadable > 0 {
            tracing::error!(
                records.unreadable = self.unreadable,
                "records of the embedded S3 server cannot be read: their objects are missing and no bytes are cleared away"
            );
            return Ok(());
        }
        let objects = self.index.buckets.values().flat_map(|bucket| bucket.objects.values()).flat_map(|object| &object.record.segments);
        let parts = self.index.uploads.values().flat_map(|upload| upload.parts.values()).map(|part| &part.record.segment);
        let named = objects.chain(parts).map(|segment| segment.name.clone()).collect();
        let removed = self.disk.remove_segments_except(&named)?;
        if removed > 0 {
            tracing::info!(segments.removed = removed, "removed bytes that a crash left behind");
        }
        Ok(())
    }

    fn read<T: DeserializeOwned>(&mut self, path: &Path) -> io::Result<Option<T>> {
        match read_record(path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(file = %path.display(), error = %error, "cannot read a record of the embedded S3 server");
                self.unreadable += 1;
                Ok(None)
            }
            reading => reading,
        }
    }
}
