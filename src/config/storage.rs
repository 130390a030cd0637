//! S3: the bucket, who we are to it, and how much memory uploads may take.
//!
//! The names are the AWS SDK's own. They are read here rather than by the SDK so that `.env` and `NAME_FILE` count; what is
//! not given here (profiles, roles of a machine or container) the SDK finds by itself.

use secrecy::SecretString;

use super::{Reader, Setting};

/// S3's smallest part.
const SMALLEST_PART: usize = 5 * 1024 * 1024;
/// A part is held in memory until S3 has it.
const LARGEST_PART: usize = 64 * 1024 * 1024;
/// Enough for three hours of stereo PCM at 8 kHz six times over.
const LARGEST_RECORDING: u64 = 2 * 1024 * 1024 * 1024;
/// Four parts of 5 MiB are 20 MiB: a third of what a worker process may take.
const PARTS_IN_FLIGHT: usize = 4;
/// More than one, so that the next part fills while one is on its way.
const FEWEST_PARTS_IN_FLIGHT: usize = 2;
/// S3's own limit.
const MOST_PARTS: u64 = 10_000;

/// What travels with the bytes so that S3 can tell whether they arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// CRC-64/NVME of each part and of the whole object.
    Crc64Nvme,
    /// CRC-32C of each part and of the whole object.
    Crc32c,
    /// SHA-256 of each part, and of those of the object.
    Sha256,
    /// Only what every S3 has always understood: `Content-MD5` of each part.
    WhenRequired,
}

impl std::str::FromStr for Checksums {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "crc64nvme" => Ok(Self::Crc64Nvme),
            "crc32c" => Ok(Self::Crc32c),
            "sha256" => Ok(Self::Sha256),
            "when_required" => Ok(Self::WhenRequired),
            _ => Err(()),
        }
    }
}

/// Keys given by name; without them the SDK looks for some.
#[derive(Debug, Clone)]
pub struct AccessKeys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: SecretString,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<SecretString>,
}

/// Where recordings are kept.
#[derive(Debug, Clone)]
pub struct BlobSettings {
    /// `CALL_RECORDING_BUCKET`.
    pub bucket: String,
    /// `AWS_ENDPOINT_URL_S3`, or else `AWS_ENDPOINT_URL`: an S3 that is not Amazon's.
    pub endpoint_url: Option<String>,
    /// `AWS_REGION`.
    pub region: Option<String>,
    /// `AWS_ACCESS_KEY_ID` and what belongs to it.
    pub keys: Option<AccessKeys>,
    /// `S3_CHECKSUMS`.
    pub checksums: Checksums,
    /// `S3_PART_BYTES`.
    pub part_bytes: usize,
    /// `S3_PARTS_IN_FLIGHT`: parts that one process holds in memory at most.
    pub parts_in_flight: usize,
    /// `RECORDING_MAX_BYTES`: a larger recording is refused.
    pub recording_max_bytes: u64,
}

impl BlobSettings {
    const BUCKET: Setting = Setting::optional("CALL_RECORDING_BUCKET", "Bucket that recordings are kept in");
    const ENDPOINT_S3: Setting =
        Setting::optional("AWS_ENDPOINT_URL_S3", "Address of an S3 that is not Amazon's; the bucket then goes into the path");
    const ENDPOINT: Setting = Setting::optional("AWS_ENDPOINT_URL", "Counts where `AWS_ENDPOINT_URL_S3` is not set");
    const REGION: Setting = Setting::optional("AWS_REGION", "Region of the bucket");
    const ACCESS_KEY_ID: Setting =
        Setting::optional("AWS_ACCESS_KEY_ID", "Access key; without one the SDK looks for a profile or the role of the machine");
    const SECRET_ACCESS_KEY: Setting = Setting::secret("AWS_SECRET_ACCESS_KEY", "Secret of the access key");
    const SESSION_TOKEN: Setting = Setting::secret("AWS_SESSION_TOKEN", "Session of a temporary access key");
    const CHECKSUMS: Setting = Setting::new(
        "S3_CHECKSUMS",
        "crc64nvme",
        "What proves that uploads arrived whole: `crc64nvme`, `crc32c`, `sha256`, or `when_required` (`Content-MD5`) for an S3 that refuses newer ones",
    );
    const PART_BYTES: Setting =
        Setting::new("S3_PART_BYTES", "5242880", "Bytes of one part of an upload, from 5242880 (S3's smallest) to 67108864");
    const PARTS_IN_FLIGHT: Setting = Setting::new(
        "S3_PARTS_IN_FLIGHT",
        "4",
        "Parts that one process holds in memory at most; with `S3_PART_BYTES` the memory that uploads take, however many run",
    );
    const RECORDING_MAX_BYTES: Setting =
        Setting::new("RECORDING_MAX_BYTES", "2147483648", "A recording larger than this many bytes is refused");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[
        Self::BUCKET,
        Self::ENDPOINT_S3,
        Self::ENDPOINT,
        Self::REGION,
        Self::ACCESS_KEY_ID,
        Self::SECRET_ACCESS_KEY,
        Self::SESSION_TOKEN,
        Self::CHECKSUMS,
        Self::PART_BYTES,
        Self::PARTS_IN_FLIGHT,
        Self::RECORDING_MAX_BYTES,
    ];

    /// Reads the group; `None` without a bucket.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bucket = reader.text(&Self::BUCKET);
        let mut settings = Self::for_bucket(bucket.clone().unwrap_or_default());
        settings.endpoint_url = reader.text(&Self::ENDPOINT_S3).or_else(|| reader.text(&Self::ENDPOINT));
        settings.region = reader.text(&Self::REGION);
        settings.keys = read_keys(reader);
        settings.checksums =
            reader.parsed(&Self::CHECKSUMS, "one of `crc64nvme`, `crc32c`, `sha256`, `when_required`").unwrap_or(settings.checksums);
        settings.part_bytes = reader.parsed(&Self::PART_BYTES, "a number of bytes").unwrap_or(settings.part_bytes);
        settings.parts_in_flight = reader.parsed(&Self::PARTS_IN_FLIGHT, "a number of parts").unwrap_or(settings.parts_in_flight);
        settings.recording_max_bytes =
            reader.parsed(&Self::RECORDING_MAX_BYTES, "a number of bytes").unwrap_or(settings.recording_max_bytes);
        settings.complain_about_limits(reader);
        bucket.map(|_| settings)
    }

    /// Settings for `bucket`, the rest by default.
    #[must_use]
    pub fn for_bucket(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint_url: None,
            region: None,
            keys: None,
            checksums: Checksums::Crc64Nvme,
            part_bytes: SMALLEST_PART,
            parts_in_flight: PARTS_IN_FLIGHT,
            recording_max_bytes: LARGEST_RECORDING,
        }
    }

    fn complain_about_limits(&self, reader: &mut Reader<'_>) {
        if !(SMALLEST_PART..=LARGEST_PART).contains(&self.part_bytes) {
            let what = format!("is not usable: `{}` does not lie between {SMALLEST_PART} and {LARGEST_PART}", self.part_bytes);
            reader.complain(Self::PART_BYTES.name, what);
        }
        if self.parts_in_flight < FEWEST_PARTS_IN_FLIGHT {
            let what = format!("is not usable: at least {FEWEST_PARTS_IN_FLIGHT}, so that a part can fill while another is on its way");
            reader.complain(Self::PARTS_IN_FLIGHT.name, what);
        }
        let largest_object = u64::try_from(self.part_bytes).unwrap_or(u64::MAX).saturating_mul(MOST_PARTS);
        if self.recording_max_bytes > largest_object {
            let what =
                format!("fights with `{}`: an upload of {MOST_PARTS} such parts ends at {largest_object} bytes", Self::PART_BYTES.name);
            reader.complain(Self::RECORDING_MAX_BYTES.name, what);
        }
    }
}

fn read_keys(reader: &mut Reader<'_>) -> Option<AccessKeys> {
    let access_key_id = reader.text(&BlobSettings::ACCESS_KEY_ID);
    let secret_access_key = reader.secret(&BlobSettings::SECRET_ACCESS_KEY);
    let session_token = reader.secret(&BlobSettings::SESSION_TOKEN);
    match (access_key_id, secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => Some(AccessKeys { access_key_id, secret_access_key, session_token }),
        (None, None) => None,
        (Some(_), None) => {
            reader.complain(BlobSettings::SECRET_ACCESS_KEY.name, "is missing: `AWS_ACCESS_KEY_ID` is given and needs its secret");
            None
        }
        (None, Some(_)) => {
            reader.complain(BlobSettings::ACCESS_KEY_ID.name, "is missing: `AWS_SECRET_ACCESS_KEY` is given and needs its key");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> (Option<BlobSettings>, String) {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = BlobSettings::read(&mut reader);
        (settings, reader.finish().err().map(|problems| problems.to_string()).unwrap_or_default())
    }

    #[test]
    fn without_a_bucket_there_is_no_storage_and_no_complaint() {
        let (settings, problems) = read(&[]);
        assert!(settings.is_none());
        assert_eq!(problems, "");
    }

    #[test]
    fn half_a_key_is_told_by_the_name_of_the_other_half() {
        let (_, problems) = read(&[("CALL_RECORDING_BUCKET", "b"), ("AWS_ACCESS_KEY_ID", "AK")]);
        assert!(problems.contains("`AWS_SECRET_ACCESS_KEY` is missing"), "{problems}");
    }

    #[test]
    fn a_recording_must_fit_into_the_parts_of_an_upload() {
        let (_, problems) = read(&[("CALL_RECORDING_BUCKET", "b"), ("RECORDING_MAX_BYTES", "60000000000")]);
        assert!(problems.contains("`RECORDING_MAX_BYTES` fights with `S3_PART_BYTES`"), "{problems}");
    }
}
