//! The keys that seal what must not lie open in PostgreSQL.

use std::{fmt, sync::Arc};

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::{ExposeSecret, SecretBox};

use super::{Reader, Setting};

/// Bytes of a key: AES-256.
const KEY_BYTES: usize = 32;

/// A key of 32 bytes that never prints.
#[derive(Clone)]
pub struct EncryptionKey(Arc<SecretBox<[u8; KEY_BYTES]>>);

impl EncryptionKey {
    /// Takes 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    /// Reads base64, padded or not, in either alphabet.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decode = |alphabet| GeneralPurpose::new(alphabet, config).decode(text.trim()).ok();
        decode(&STANDARD).or_else(|| decode(&URL_SAFE))?.try_into().ok().map(Self::new)
    }

    /// The bytes, for the cipher.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey([secret])")
    }
}

/// The key that seals, and the one it replaced.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// `CALLSCRIBE_ENCRYPTION_KEY`.
    pub key: EncryptionKey,
    /// `CALLSCRIBE_ENCRYPTION_KEY_PREVIOUS`.
    pub previous: Option<EncryptionKey>,
}

impl VaultSettings {
    const KEY: Setting = Setting::secret(
        "CALLSCRIBE_ENCRYPTION_KEY",
        "Seals tokens kept in PostgreSQL: 32 random bytes as base64, for example from `openssl rand -base64 32`",
    );
    const PREVIOUS: Setting = Setting::secret(
        "CALLSCRIBE_ENCRYPTION_KEY_PREVIOUS",
        "The key before, to change keys: what it sealed is still opened, and sealed with the new one when it next changes",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::KEY, Self::PREVIOUS];

    /// Reads the group, which `why` makes necessary.
    pub fn read(reader: &mut Reader<'_>, why: &str) -> Option<Self> {
        use secrecy::SecretString;
        if !reader.is_set(&Self::KEY) {
            reader.complain(Self::KEY.name, format!("is missing: {why}; make one with `openssl rand -base64 32`"));
            return None;
        }
        let mut key = |setting: &Setting| {
            let text: SecretString = reader.secret(setting)?;
            let key = EncryptionKey::from_base64(text.expose_secret());
            if key.is_none() {
                reader
                    .complain(setting.name, "is not usable: its value is not 32 bytes in base64; make one with `openssl rand -base64 32`");
            }
            key
        };
        let previous = key(&Self::PREVIOUS);
        Some(Self { key: key(&Self::KEY)?, previous })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_key_of_the_wrong_length_is_named_and_not_shown() {
        let mut environment = Environment::default();
        environment.set("CALLSCRIBE_ENCRYPTION_KEY", "c2hvcnQ=");
        let mut reader = Reader::new(&environment);
        assert!(VaultSettings::read(&mut reader, "tokens are kept").is_none());
        let text = reader.finish().unwrap_err().to_string();
        assert!(text.contains("CALLSCRIBE_ENCRYPTION_KEY") && !text.contains("c2hvcnQ"), "{text}");
    }

    #[test]
    fn either_alphabet_will_do() {
        for text in ["-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            assert_eq!(EncryptionKey::from_base64(text).unwrap().expose().len(), KEY_BYTES, "{text}");
        }
    }
}
