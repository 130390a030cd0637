//! Uploads in parts. A part is a segment; completing an upload writes one record that names its segments in order, so it
//! copies no byte and takes as long for a gigabyte as for ten megabytes.

use std::{collections::BTreeMap, fs, sync::Arc};

use s3s::{
    S3Request, S3Response, S3Result,
    crypto::{Checksum, Md5},
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, UploadPartInput,
        UploadPartOutput,
    },
    s3_error,
};

use super::{
    answer::{self, described, promised_sums, tell_sums},
    checksum::{self, Algorithm, Sums},
    disk::Content,
    index::{Object, Part, Upload},
    receive::{Promise, receive},
    record::{ObjectRecord, PartRecord, UploadRecord},
    service::Service,
    storage::{Condition, Storage, broken, on_disk},
};

/// S3's smallest part, except for the last one.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
/// S3's largest part number.
const LAST_PART_NUMBER: i32 = 10_000;

impl Service {
    pub(super) async fn create_upload(&self, mut input: CreateMultipartUploadInput) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.storage.index().bucket(&input.bucket)?;
        let algorithm = input.checksum_algorithm.as_ref().and_then(|algorithm| Algorithm::named(algorithm.as_str()));
        let composite = is_composite(algorithm, input.checksum_type.as_ref())?;
        let record = UploadRecord {
            id: uuid::Uuid::new_v4().simple().to_string(),
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            started: self.storage.now(),
            description: described!(input),
            algorithm,
            composite,
        };
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(record.id.clone()),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: algorithm.map(|_| checksum_word(composite)),
            server_side_encryption: answer::encryption(&record.description),
            ssekms_key_id: record.description.encryption_key.clone(),
            ..Default::default()
        };
        let storage = Arc::clone(&self.storage);
        on_disk(move || {
            let directory = storage.disk.upload_directory(&record.id);
            storage.disk.write_record(&directory.join("upload.json"), &record).map_err(broken)?;
            let upload = Upload { record: Arc::new(record), parts: BTreeMap::new() };
            storage.index().uploads.insert(upload.record.id.clone(), upload);
            Ok(())
        })
        .await?;
        Ok(S3Response::new(output))
    }

    pub(super) async fn put_part(&self, mut request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = &mut request.input;
        let number = input.part_number;
        if !(1..=LAST_PART_NUMBER).contains(&number) {
            return Err(s3_error!(InvalidArgument, "a part number lies between 1 and {LAST_PART_NUMBER}"));
        }
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let mut algorithms = answer::asked_for(input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str()), &request.headers);
        algorithms.extend(upload.record.algorithm);
        let promise = Promise {
            length: input.content_length,
            md5: input.content_md5.take(),
            sums: promised_sums!(input),
            algorithms,
            trailers: request.trailing_headers.take(),
        };
        let received = receive(&self.storage.disk, input.body.take(), promise).await?;
        let record =
            PartRecord { number, etag: received.etag, sums: received.sums, modified: self.storage.now(), segment: received.segment };
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(record.etag.clone())),
            server_side_encryption: answer::encryption(&upload.record.description),
            ..Default::default()
        };
        tell_sums!(output, &record.sums);
        let (storage, content) = (Arc::clone(&self.storage), received.content);
        on_disk(move || keep_part(&storage, &upload.record.id, record, content)).await?;
        Ok(S3Response::new(output))
    }

    pub(super) async fn abort_upload(&self, input: AbortMultipartUploadInput) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let storage = Arc::clone(&self.storage);
        on_disk(move || {
            let _turn = storage.upload_turn(&input.upload_id);
            let upload = storage.index().upload(&input.bucket, &input.key, &input.upload_id)?.clone();
            end_upload(&storage, &upload)?;
            upload.parts.values().for_each(|part| part.content.give_up());
            Ok(())
        })
        .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) async fn complete_upload(
        &self,
        mut input: CompleteMultipartUploadInput,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let wanted = Wanted {
            parts: input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default(),
            sums: promised_sums!(input),
            size: input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
            condition: Condition { if_match: input.if_match.take(), if_none_match: input.if_none_match.take() },
        };
        let (storage, bucket, key) = (Arc::clone(&self.storage), input.bucket.clone(), input.key.clone());
        let object = on_disk(move || complete(&storage, &bucket, &key, &input.upload_id, &wanted)).await?;
        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(object.record.etag.clone())),
            checksum_type: answer::checksum_type(&object.record.sums, object.record.composite),
            server_side_encryption: answer::encryption(&object.record.description),
            ssekms_key_id: object.record.description.encryption_key.clone(),
            ..Default::default()
        };
        tell_sums!(output, &object.record.sums);
        Ok(S3Response::new(output))
    }

    pub(super) fn upload(&self, bucket: &str, key: &str, upload_id: &str) -> S3Result<Upload> {
        self.storage.index().upload(bucket, key, upload_id).cloned()
    }
}

pub(super) fn checksum_word(composite: bool) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

pub(super) fn algorithm_word(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

/// S3's own table: CRC-64 covers the bytes, the SHAs cover the parts' checksums, the CRC-32s do either.
fn is_composite(algorithm: Option<Algorithm>, asked: Option<&ChecksumType>) -> S3Result<bool> {
    let asked = asked.map(|word| word.as_str() == ChecksumType::COMPOSITE);
    match algorithm {
        None => Ok(false),
        Some(Algorithm::Crc64Nvme) if asked == Some(true) => {
            Err(s3_error!(InvalidRequest, "CRC64NVME covers the whole object, never its parts' checksums"))
        }
        Some(Algorithm::Sha1 | Algorithm::Sha256) if asked == Some(false) => {
            Err(s3_error!(InvalidRequest, "a SHA of the whole object cannot be made from its parts"))
        }
        Some(Algorithm::Crc64Nvme) => Ok(false),
        Some(Algorithm::Sha1 | Algorithm::Sha256) => Ok(true),
        Some(Algorithm::Crc32 | Algorithm::Crc32c) => Ok(asked.unwrap_or(true)),
    }
}

/// What completing asks for.
struct Wanted {
    parts: Vec<CompletedPart>,
    sums: Sums,
    size: Option<u64>,
    condition: Condition,
}

fn keep_part(storage: &Storage, upload_id: &str, record: PartRecord, content: Content) -> S3Result<()> {
    let _turn = storage.upload_turn(upload_id);
    // it may have been completed or aborted while the part arrived
    if !storage.index().uploads.contains_key(upload_id) {
        return Err(s3_error!(NoSuchUpload));
    }
    content.keep();
    let path = storage.disk.upload_directory(upload_id).join(format!("{}.json", record.number));
    storage.disk.write_record(&path, &record).map_err(broken)?;
    let number = record.number;
    let part = Arc::new(Part { record, content });
    let replaced = storage.index().uploads.get_mut(upload_id).and_then(|upload| upload.parts.insert(number, part));
    if let Some(replaced) = replaced {
        replaced.content.give_up();
    }
    Ok(())
}

/// Checks everything first: a refusal leaves the upload as it was. Killed after the object was published, the next start
/// finds the upload's id in the object and clears the upload away.
fn complete(storage: &Storage, bucket: &str, key: &str, upload_id: &str, wanted: &Wanted) -> S3Result<Arc<Object>> {
    let _turn = storage.upload_turn(upload_id);
    // bound first: a `match` would hold the index over its arms
    let found = storage.index().upload(bucket, key, upload_id).cloned();
    let upload = match found {
        Ok(upload) => upload,
        // the answer of the first time may have been lost on its way
        Err(gone) => return storage.object(bucket, key).ok().filter(|object| is_from(object, upload_id)).ok_or(gone),
    };
    let parts = chosen_parts(&upload, &wanted.parts)?;
    let size: u64 = parts.iter().map(|part| part.record.segment.size).sum();
    if wanted.size.is_some_and(|wanted| wanted != size) {
        return Err(s3_error!(InvalidRequest, "the parts have {size} bytes together"));
    }
    let sums = sums_of_whole(&upload.record, &parts);
    wanted.sums.must_match(&sums)?;
    let segments: Vec<_> = parts.iter().map(|part| part.record.segment.clone()).collect();
    let record = ObjectRecord {
        key: key.to_owned(),
        size,
        etag: etag_of_whole(&parts)?,
        modified: storage.now(),
        description: upload.record.description.clone(),
        sums,
        composite: upload.record.composite,
        segments: segments.clone(),
        upload_id: Some(upload_id.to_owned()),
    };
    let content = Content::published(Arc::clone(&storage.disk), segments);
    let object = storage.publish(bucket, record, content, &wanted.condition)?;
    end_upload(storage, &upload)?;
    let unused = upload.parts.values().filter(|part| !object.record.segments.contains(&part.record.segment));
    unused.for_each(|part| part.content.give_up());
    Ok(object)
}

fn is_from(object: &Object, upload_id: &str) -> bool {
    object.record.upload_id.as_deref() == Some(upload_id)
}

fn chosen_parts<'u>(upload: &'u Upload, wanted: &[CompletedPart]) -> S3Result<Vec<&'u Arc<Part>>> {
    if wanted.is_empty() {
        return Err(s3_error!(InvalidRequest, "an upload is completed from at least one part"));
    }
    let mut chosen: Vec<&Arc<Part>> = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let number = wanted.part_number.unwrap_or_default();
        if chosen.last().is_some_and(|last| last.record.number >= number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        if chosen.last().is_some_and(|last| last.record.segment.size < SMALLEST_PART) {
            return Err(s3_error!(EntityTooSmall));
        }
        let part = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart, "part {number} was never uploaded"))?;
        if wanted.e_tag.as_ref().map(ETag::value) != Some(part.record.etag.as_str()) {
            return Err(s3_error!(InvalidPart, "part {number} has another etag"));
        }
        let sums = promised_sums!(wanted.clone());
        sums.must_match(&part.record.sums).map_err(|_| s3_error!(InvalidPart, "part {number} has another checksum"))?;
        chosen.push(part);
    }
    Ok(chosen)
}

fn sums_of_whole(upload: &UploadRecord, parts: &[&Arc<Part>]) -> Sums {
    let of_parts: Vec<(&Sums, u64)> = parts.iter().map(|part| (&part.record.sums, part.record.segment.size)).collect();
    // without a wish every part has what `receive` adds
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    Sums::default().with(algorithm, checksum::of_whole(algorithm, upload.composite, &of_parts))
}

fn etag_of_whole(parts: &[&Arc<Part>]) -> S3Result<String> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&hex::decode(&part.record.etag).map_err(s3s::S3Error::internal_error)?);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}

/// Forgets an upload; its parts stay whose they are.
fn end_upload(storage: &Storage, upload: &Upload) -> S3Result<()> {
    let directory = storage.disk.upload_directory(&upload.record.id);
    // the record first: parts without it are nobody's
    storage.disk.remove_record(&directory.join("upload.json")).map_err(broken)?;
    storage.index().uploads.remove(&upload.record.id);
    fs::remove_dir_all(&directory).map_err(broken)
}
