//! What proves to S3 that a part, and the whole, arrived as they were sent.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use ring::digest;

use crate::config::Checksums;

/// The proof of one part, in base64 as S3 writes it.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Crc64Nvme(String),
    Crc32c(String),
    Sha256(String),
    Md5(String),
}

/// The proof of these bytes, and their CRC, which that of the whole follows from.
pub(super) fn prove(checksums: Checksums, chunks: &[Bytes]) -> (Proof, u64) {
    match checksums {
        Checksums::Crc64Nvme => {
            let crc = crc(CrcAlgorithm::Crc64Nvme, chunks);
            (Proof::Crc64Nvme(crc64_text(crc)), crc)
        }
        Checksums::Crc32c => {
            let crc = crc(CrcAlgorithm::Crc32Iscsi, chunks);
            (Proof::Crc32c(crc32_text(crc)), crc)
        }
        Checksums::Sha256 => {
            let mut sha = digest::Context::new(&digest::SHA256);
            chunks.iter().for_each(|chunk| sha.update(chunk));
            (Proof::Sha256(STANDARD.encode(sha.finish())), 0)
        }
        Checksums::WhenRequired => {
            let mut md5 = Md5::new();
            chunks.iter().for_each(|chunk| md5.update(chunk));
            (Proof::Md5(STANDARD.encode(md5.finalize())), 0)
        }
    }
}

/// The proof of the whole, from the CRCs and sizes of its parts in order; `None` where only a CRC could give one.
pub(super) fn prove_whole(checksums: Checksums, parts: &[(u64, u64)]) -> Option<Proof> {
    let combined = |algorithm| {
        let (first, rest) = parts.split_first()?;
        Some(rest.iter().fold(first.0, |whole, (crc, size)| crc_fast::checksum_combine(algorithm, whole, *crc, *size)))
    };
    match checksums {
        Checksums::Crc64Nvme => combined(CrcAlgorithm::Crc64Nvme).map(|crc| Proof::Crc64Nvme(crc64_text(crc))),
        Checksums::Crc32c => combined(CrcAlgorithm::Crc32Iscsi).map(|crc| Proof::Crc32c(crc32_text(crc))),
        Checksums::Sha256 | Checksums::WhenRequired => None,
    }
}

fn crc(algorithm: CrcAlgorithm, chunks: &[Bytes]) -> u64 {
    let mut crc = crc_fast::Digest::new(algorithm);
    chunks.iter().for_each(|chunk| crc.update(chunk));
    crc.finalize()
}

fn crc64_text(crc: u64) -> String {
    STANDARD.encode(crc.to_be_bytes())
}

fn crc32_text(crc: u64) -> String {
    let [_, _, _, _, crc @ ..] = crc.to_be_bytes();
    STANDARD.encode(crc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_values_are_met() {
        let digits = [Bytes::from_static(b"1234"), Bytes::from_static(b"56789")];
        // the check values of the CRC catalogue: E3069283 and AE8B14860A799888
        let (Proof::Crc32c(crc), _) = prove(Checksums::Crc32c, &digits) else { panic!("another proof") };
        assert_eq!(crc, STANDARD.encode([0xE3, 0x06, 0x92, 0x83]));
        let (Proof::Crc64Nvme(crc), _) = prove(Checksums::Crc64Nvme, &digits) else { panic!("another proof") };
        assert_eq!(crc, STANDARD.encode([0xAE, 0x8B, 0x14, 0x86, 0x0A, 0x79, 0x98, 0x88]));
    }

    #[test]
    fn the_crc_of_the_whole_follows_from_the_parts() {
        let (one, two) = ([Bytes::from_static(b"1234")], [Bytes::from_static(b"56789")]);
        for checksums in [Checksums::Crc64Nvme, Checksums::Crc32c] {
            let (_, whole) = prove(checksums, &[one[0].clone(), two[0].clone()]);
            let parts = [(prove(checksums, &one).1, 4), (prove(checksums, &two).1, 5)];
            let expected = if checksums == Checksums::Crc32c { crc32_text(whole) } else { crc64_text(whole) };
            let (Some(Proof::Crc64Nvme(combined) | Proof::Crc32c(combined)), true) = (prove_whole(checksums, &parts), true) else {
                panic!("no proof")
            };
            assert_eq!(combined, expected);
        }
    }
}
