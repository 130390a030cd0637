//! The five checksums of S3: computed while bytes arrive, compared with what the client promised, combined over parts.
//! What does not live here: reading the bytes.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use http::HeaderMap;
use s3s::{
    S3Result,
    checksum::ChecksumHasher,
    crypto::{Checksum, Crc32, Crc32c, Sha1, Sha256},
    s3_error,
};
use serde::{Deserialize, Serialize};

/// A checksum that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Algorithm {
    /// CRC-32 of zip and Ethernet.
    Crc32,
    /// CRC-32 of iSCSI.
    Crc32c,
    /// CRC-64 of NVMe: what S3 adds when the client asks for nothing.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    pub(super) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name S3 gives it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header, or trailer, that carries its value.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The CRC whose value over a whole follows from its values over the parts.
    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// Checksums by algorithm, in base64 as S3 writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Sums(BTreeMap<Algorithm, String>);

impl Sums {
    pub(super) fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    pub(super) fn text(&self, algorithm: Algorithm) -> Option<String> {
        self.0.get(&algorithm).cloned()
    }

    pub(super) fn with(mut self, algorithm: Algorithm, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.0.insert(algorithm, value);
        }
        self
    }

    pub(super) fn algorithms(&self) -> BTreeSet<Algorithm> {
        self.0.keys().copied().collect()
    }

    /// Adds what came after the body.
    pub(super) fn with_trailers(self, trailers: &HeaderMap) -> Self {
        Algorithm::ALL.into_iter().fold(self, |sums, algorithm| {
            let value = trailers.get(algorithm.header()).and_then(|value| value.to_str().ok()).map(str::to_owned);
            sums.with(algorithm, value)
        })
    }

    /// Fails unless every checksum in `self` is the one in `computed`.
    pub(super) fn must_match(&self, computed: &Self) -> S3Result<()> {
        for (algorithm, wanted) in &self.0 {
            if computed.get(*algorithm) != Some(wanted) {
                return Err(s3_error!(BadDigest, "the {} you sent does not match what arrived", algorithm.name()));
            }
        }
        Ok(())
    }
}

/// A hasher of `algorithms`.
pub(super) fn hasher(algorithms: &BTreeSet<Algorithm>) -> ChecksumHasher {
    ChecksumHasher {
        crc32: algorithms.contains(&Algorithm::Crc32).then(Checksum::new),
        crc32c: algorithms.contains(&Algorithm::Crc32c).then(Checksum::new),
        crc64nvme: algorithms.contains(&Algorithm::Crc64Nvme).then(Checksum::new),
        sha1: algorithms.contains(&Algorithm::Sha1).then(Checksum::new),
        sha256: algorithms.contains(&Algorithm::Sha256).then(Checksum::new),
    }
}

/// What a hasher found.
pub(super) fn computed(hasher: ChecksumHasher) -> Sums {
    let sums = hasher.finalize();
    Sums::default()
        .with(Algorithm::Crc32, sums.checksum_crc32)
        .with(Algorithm::Crc32c, sums.checksum_crc32c)
        .with(Algorithm::Crc64Nvme, sums.checksum_crc64nvme)
        .with(Algorithm::Sha1, sums.checksum_sha1)
        .with(Algorithm::Sha256, sums.checksum_sha256)
}

/// The checksum of a whole that was uploaded in parts, from each part's checksum and size: of the bytes themselves, which
/// only a CRC can give without reading them again, or of the parts' checksums, written `<value>-<parts>`.
pub(super) fn of_whole(algorithm: Algorithm, composite: bool, parts: &[(&Sums, u64)]) -> Option<String> {
    let values: Vec<(Vec<u8>, u64)> =
        parts.iter().map(|(sums, size)| Some((STANDARD.decode(sums.get(algorithm)?).ok()?, *size))).collect::<Option<_>>()?;
    if composite {
        let all: Vec<u8> = values.iter().flat_map(|(value, _)| value.iter().copied()).collect();
        return Some(format!("{}-{}", of_bytes(algorithm, &all), parts.len()));
    }
    let crc = algorithm.crc()?;
    let mut values = values.into_iter();
    let (first, _) = values.next()?;
    let width = first.len();
    let whole = values.fold(number(&first), |whole, (value, size)| crc_fast::checksum_combine(crc, whole, number(&value), size));
    Some(STANDARD.encode(whole.to_be_bytes().get(8_usize.saturating_sub(width)..)?))
}

fn of_bytes(algorithm: Algorithm, bytes: &[u8]) -> String {
    match algorithm {
        Algorithm::Crc32 => STANDARD.encode(Crc32::checksum(bytes)),
        Algorithm::Crc32c => STANDARD.encode(Crc32c::checksum(bytes)),
        Algorithm::Crc64Nvme => STANDARD.encode(s3s::crypto::Crc64Nvme::checksum(bytes)),
        Algorithm::Sha1 => STANDARD.encode(Sha1::checksum(bytes)),
        Algorithm::Sha256 => STANDARD.encode(Sha256::checksum(bytes)),
    }
}

fn number(big_endian: &[u8]) -> u64 {
    big_endian.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums_of(bytes: &[u8]) -> Sums {
        let mut hasher = hasher(&Algorithm::ALL.into());
        hasher.update(bytes);
        computed(hasher)
    }

    #[test]
    fn a_crc_of_the_whole_follows_from_the_parts() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let whole = sums_of(&bytes);
        let parts: Vec<(Sums, u64)> = bytes.chunks(70_001).map(|part| (sums_of(part), u64::try_from(part.len()).unwrap())).collect();
        let parts: Vec<(&Sums, u64)> = parts.iter().map(|(sums, size)| (sums, *size)).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            assert_eq!(of_whole(algorithm, false, &parts).as_deref(), whole.get(algorithm), "{}", algorithm.name());
        }
        assert_eq!(of_whole(Algorithm::Sha256, false, &parts), None);
    }

    #[test]
    fn a_composite_checksum_says_how_many_parts_it_covers() {
        let part = sums_of(b"one");
        let whole = of_whole(Algorithm::Sha256, true, &[(&part, 3), (&part, 3)]).unwrap();
        assert!(whole.ends_with("-2"), "{whole}");
    }

    #[test]
    fn a_promise_that_was_not_computed_counts_as_broken() {
        let wanted = Sums::default().with(Algorithm::Crc32c, Some("AAAAAA==".to_owned()));
        assert!(wanted.must_match(&Sums::default()).is_err());
    }
}
