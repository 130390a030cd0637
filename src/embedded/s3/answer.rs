//! Between S3's shapes and ours: what a request promises and describes, and how sums, sizes and times are told.

use std::{collections::BTreeSet, time::SystemTime};

use chrono::{DateTime, Utc};
use http::HeaderMap;
use s3s::dto::{ChecksumType, ServerSideEncryption, Timestamp};

use super::{
    checksum::{Algorithm, Sums},
    record::Description,
};

/// Tells checksums in an answer of any shape.
macro_rules! tell_sums {
    ($answer:expr, $sums:expr) => {{
        let sums: &$crate::embedded::s3::checksum::Sums = $sums;
        $answer.checksum_crc32 = sums.text($crate::embedded::s3::checksum::Algorithm::Crc32);
        $answer.checksum_crc32c = sums.text($crate::embedded::s3::checksum::Algorithm::Crc32c);
        $answer.checksum_crc64nvme = sums.text($crate::embedded::s3::checksum::Algorithm::Crc64Nvme);
        $answer.checksum_sha1 = sums.text($crate::embedded::s3::checksum::Algorithm::Sha1);
        $answer.checksum_sha256 = sums.text($crate::embedded::s3::checksum::Algorithm::Sha256);
    }};
}
pub(super) use tell_sums;

/// Takes the checksums out of a request of any shape.
macro_rules! promised_sums {
    ($input:expr) => {
        $crate::embedded::s3::checksum::Sums::default()
            .with($crate::embedded::s3::checksum::Algorithm::Crc32, $input.checksum_crc32.take())
            .with($crate::embedded::s3::checksum::Algorithm::Crc32c, $input.checksum_crc32c.take())
            .with($crate::embedded::s3::checksum::Algorithm::Crc64Nvme, $input.checksum_crc64nvme.take())
            .with($crate::embedded::s3::checksum::Algorithm::Sha1, $input.checksum_sha1.take())
            .with($crate::embedded::s3::checksum::Algorithm::Sha256, $input.checksum_sha256.take())
    };
}
pub(super) use promised_sums;

/// Takes what a request says about an object beside its bytes.
macro_rules! described {
    ($input:expr) => {
        $crate::embedded::s3::record::Description {
            content_type: $input.content_type.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            cache_control: $input.cache_control.take(),
            user: $input.metadata.take().unwrap_or_default().into_iter().collect(),
            encryption: $input.server_side_encryption.take().map(|encryption| encryption.as_str().to_owned()),
            encryption_key: $input.ssekms_key_id.take(),
            tags: $crate::embedded::s3::answer::tags($input.tagging.as_deref()),
        }
    };
}
pub(super) use described;

/// Tells an object's description, etag, times and checksums: the same for GET and HEAD.
macro_rules! tell_object {
    ($answer:expr, $record:expr) => {{
        let record: &$crate::embedded::s3::record::ObjectRecord = $record;
        let description = record.description.clone();
        $answer.accept_ranges = Some("bytes".to_owned());
        $answer.e_tag = Some(s3s::dto::ETag::Strong(record.etag.clone()));
        $answer.last_modified = Some($crate::embedded::s3::answer::timestamp(record.modified));
        $answer.content_type = description.content_type;
        $answer.content_disposition = description.content_disposition;
        $answer.content_encoding = description.content_encoding;
        $answer.content_language = description.content_language;
        $answer.cache_control = description.cache_control;
        $answer.metadata = Some(description.user.into_iter().collect());
        $answer.server_side_encryption = $crate::embedded::s3::answer::encryption(&record.description);
        $answer.ssekms_key_id = description.encryption_key;
    }};
}
pub(super) use tell_object;

/// Tags as the header writes them: `a=b&c=d`.
pub(super) fn tags(header: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(header.unwrap_or_default().as_bytes()).into_owned().collect()
}

pub(super) fn encryption(description: &Description) -> Option<ServerSideEncryption> {
    description.encryption.clone().map(ServerSideEncryption::from)
}

pub(super) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    SystemTime::from(at).into()
}

pub(super) fn checksum_type(sums: &Sums, composite: bool) -> Option<ChecksumType> {
    let word = if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
    (!sums.algorithms().is_empty()).then(|| ChecksumType::from_static(word))
}

/// The algorithms a request asks for: by name, and by announcing a trailer.
pub(super) fn asked_for(name: Option<&str>, headers: &HeaderMap) -> BTreeSet<Algorithm> {
    let announced = headers.get_all("x-amz-trailer").into_iter().filter_map(|value| value.to_str().ok());
    let announced = announced
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter_map(|trailer| Algorithm::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(trailer)));
    announced.chain(name.and_then(Algorithm::named)).collect()
}

/// A size as S3 writes it; no disk holds more than fits.
pub(super) fn length(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A count as S3 writes it.
pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The most entries a page may hold: what was asked for, and never more than S3 gives.
pub(super) fn page_limit(asked: Option<i32>) -> usize {
    /// S3's own limit.
    const LARGEST_PAGE: usize = 1000;
    asked.map_or(LARGEST_PAGE, |asked| usize::try_from(asked).unwrap_or(0).min(LARGEST_PAGE))
}
