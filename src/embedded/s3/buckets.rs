//! Buckets and what lists them: objects, uploads, parts.

use std::{collections::BTreeMap, sync::Arc};

use s3s::{
    S3Response, S3Result,
    dto::{
        Bucket as BucketAnswer, CommonPrefix, CreateBucketInput, CreateBucketOutput, ETag, EncodingType, ListBucketsOutput,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
        ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload, Object as ObjectAnswer, Part as PartAnswer,
    },
    s3_error,
};

use super::{
    answer::{self, tell_sums},
    index::{Bucket, Object, Part},
    listing::{Page, Start, page},
    multipart::{algorithm_word, checksum_word},
    record::{BucketRecord, UploadRecord},
    service::Service,
    storage::{broken, on_disk},
};

impl Service {
    pub(super) async fn make_bucket(&self, input: CreateBucketInput) -> S3Result<S3Response<CreateBucketOutput>> {
        let storage = Arc::clone(&self.storage);
        on_disk(move || {
            let _turn = storage.object_turn(&input.bucket, "");
            if storage.index().buckets.contains_key(&input.bucket) {
                return Err(s3_error!(BucketAlreadyOwnedByYou));
            }
            let record = BucketRecord { name: input.bucket.clone(), created: storage.now(), lifecycle: None };
            storage.disk.write_record(&storage.disk.bucket_record(&input.bucket), &record).map_err(broken)?;
            storage.index().buckets.insert(input.bucket, Bucket { record, objects: BTreeMap::new() });
            Ok(())
        })
        .await?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    /// Changes what is said about a bucket.
    pub(super) async fn describe_bucket(&self, bucket: String, change: impl FnOnce(&mut BucketRecord) + Send + 'static) -> S3Result<()> {
        let storage = Arc::clone(&self.storage);
        on_disk(move || {
            let _turn = storage.object_turn(&bucket, "");
            let mut record = storage.index().bucket(&bucket)?.record.clone();
            change(&mut record);
            storage.disk.write_record(&storage.disk.bucket_record(&bucket), &record).map_err(broken)?;
            storage.index().bucket_mut(&bucket)?.record = record;
            Ok(())
        })
        .await
    }

    pub(super) fn buckets(&self) -> S3Response<ListBucketsOutput> {
        let index = self.storage.index();
        let buckets = index.buckets.values().map(|bucket| BucketAnswer {
            name: Some(bucket.record.name.clone()),
            creation_date: Some(answer::timestamp(bucket.record.created)),
            ..Default::default()
        });
        S3Response::new(ListBucketsOutput { buckets: Some(buckets.collect()), ..Default::default() })
    }

    pub(super) fn objects(&self, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
        let limit = answer::page_limit(input.max_keys);
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Some(Start::from_token(token).ok_or_else(|| s3_error!(InvalidArgument, "no such continuation token"))?),
            (None, after) => after.clone().map(Start::AfterKey),
        };
        let prefix = input.prefix.unwrap_or_default();
        let page = self.page(&input.bucket, &prefix, input.delimiter.as_deref(), start, limit)?;
        let spelling = Spelling::of(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(spelling.write(prefix)),
            delimiter: input.delimiter.map(|delimiter| spelling.write(delimiter)),
            max_keys: Some(answer::count(limit)),
            key_count: Some(answer::count(page.items.len() + page.common_prefixes.len())),
            continuation_token: input.continuation_token,
            start_after: input.start_after.map(|after| spelling.write(after)),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_ref().map(Start::token),
            contents: Some(page.items.iter().map(|object| spelling.object(object)).collect()),
            common_prefixes: Some(page.common_prefixes.into_iter().map(|prefix| spelling.common_prefix(prefix)).collect()),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    pub(super) fn objects_version_one(&self, input: ListObjectsInput) -> S3Result<S3Response<ListObjectsOutput>> {
        let limit = answer::page_limit(input.max_keys);
        let prefix = input.prefix.unwrap_or_default();
        let start = input.marker.clone().map(|marker| Start::from_marker(marker, &prefix, input.delimiter.as_deref()));
        let page = self.page(&input.bucket, &prefix, input.delimiter.as_deref(), start, limit)?;
        let spelling = Spelling::of(input.encoding_type.as_ref());
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(spelling.write(prefix)),
            delimiter: input.delimiter.map(|delimiter| spelling.write(delimiter)),
            marker: input.marker.map(|marker| spelling.write(marker)),
            max_keys: Some(answer::count(limit)),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.as_ref().map(|next| spelling.write(next.text().to_owned())),
            contents: Some(page.items.iter().map(|object| spelling.object(object)).collect()),
            common_prefixes: Some(page.common_prefixes.into_iter().map(|prefix| spelling.common_prefix(prefix)).collect()),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    fn page(&self, bucket: &str, prefix: &str, delimiter: Option<&str>, start: Option<Start>, limit: usize) -> S3Result<Page<Arc<Object>>> {
        Ok(page(&self.storage.index().bucket(bucket)?.objects, prefix, delimiter, start, limit))
    }

    pub(super) fn uploads(&self, input: ListMultipartUploadsInput) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let limit = answer::page_limit(input.max_uploads);
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.key_marker.clone().map(|key| (key, input.upload_id_marker.clone()));
        let mut uploads = self.uploads_of(&input.bucket, &prefix)?;
        uploads.retain(|upload| after.as_ref().is_none_or(|(key, id)| comes_after(upload, key, id.as_deref())));
        let truncated = uploads.len() > limit;
        uploads.truncate(limit);
        let last = uploads.last().filter(|_| truncated);
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            max_uploads: Some(answer::count(limit)),
            is_truncated: Some(truncated),
            next_key_marker: last.map(|upload| upload.key.clone()),
            next_upload_id_marker: last.map(|upload| upload.id.clone()),
            uploads: Some(uploads.iter().map(|upload| tell_upload(upload)).collect()),
            ..Default::default()
        }))
    }

    fn uploads_of(&self, bucket: &str, prefix: &str) -> S3Result<Vec<Arc<UploadRecord>>> {
        let index = self.storage.index();
        index.bucket(bucket)?;
        let records = index.uploads.values().map(|upload| Arc::clone(&upload.record));
        let mut uploads: Vec<_> = records.filter(|upload| upload.bucket == bucket && upload.key.starts_with(prefix)).collect();
        uploads.sort_by(|one, other| (&one.key, &one.id).cmp(&(&other.key, &other.id)));
        Ok(uploads)
    }

    pub(super) fn parts(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let limit = answer::page_limit(input.max_parts);
        let after = input.part_number_marker.unwrap_or(0);
        let mut parts: Vec<_> = upload.parts.values().filter(|part| part.record.number > after).take(limit + 1).collect();
        let truncated = parts.len() > limit;
        parts.truncate(limit);
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            checksum_algorithm: upload.record.algorithm.map(algorithm_word),
            checksum_type: upload.record.algorithm.map(|_| checksum_word(upload.record.composite)),
            max_parts: Some(answer::count(limit)),
            part_number_marker: input.part_number_marker,
            is_truncated: Some(truncated),
            next_part_number_marker: parts.last().filter(|_| truncated).map(|part| part.record.number),
            parts: Some(parts.into_iter().map(|part| tell_part(part)).collect()),
            ..Default::default()
        }))
    }
}

fn comes_after(upload: &UploadRecord, key: &str, id: Option<&str>) -> bool {
    match id {
        Some(id) => (upload.key.as_str(), upload.id.as_str()) > (key, id),
        None => upload.key.as_str() > key,
    }
}

fn tell_upload(upload: &UploadRecord) -> MultipartUpload {
    MultipartUpload {
        key: Some(upload.key.clone()),
        upload_id: Some(upload.id.clone()),
        initiated: Some(answer::timestamp(upload.started)),
        checksum_algorithm: upload.algorithm.map(algorithm_word),
        checksum_type: upload.algorithm.map(|_| checksum_word(upload.composite)),
        ..Default::default()
    }
}

fn tell_part(part: &Part) -> PartAnswer {
    let mut answer = PartAnswer {
        part_number: Some(part.record.number),
        size: Some(answer::length(part.record.segment.size)),
        e_tag: Some(ETag::Strong(part.record.etag.clone())),
        last_modified: Some(answer::timestamp(part.record.modified)),
        ..Default::default()
    };
    tell_sums!(answer, &part.record.sums);
    answer
}

/// How keys are written in a listing: as they are, or percent-encoded when the client asks, because XML cannot hold every
/// character that a key can.
#[derive(Debug, Clone, Copy)]
enum Spelling {
    Plain,
    Encoded,
}

impl Spelling {
    fn of(encoding: Option<&EncodingType>) -> Self {
        if encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) { Self::Encoded } else { Self::Plain }
    }

    fn write(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Encoded => url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        }
    }

    fn common_prefix(self, prefix: String) -> CommonPrefix {
        CommonPrefix { prefix: Some(self.write(prefix)) }
    }

    fn object(self, object: &Object) -> ObjectAnswer {
        ObjectAnswer {
            key: Some(self.write(object.record.key.clone())),
            size: Some(answer::length(object.record.size)),
            e_tag: Some(ETag::Strong(object.record.etag.clone())),
            last_modified: Some(answer::timestamp(object.record.modified)),
            checksum_algorithm: Some(object.record.sums.algorithms().into_iter().map(algorithm_word).collect()),
            checksum_type: answer::checksum_type(&object.record.sums, object.record.composite),
            ..Default::default()
        }
    }
}
