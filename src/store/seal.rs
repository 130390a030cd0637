//! Sealing: AES-256-GCM around what must not lie open in a table. The row's name goes in as associated data, so that a sealed
//! value copied into another row does not open.
//!
//! Layout: version (1 byte), id of the key (4), nonce (12), ciphertext and tag.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    error::Unspecified,
    rand::{SecureRandom, SystemRandom},
};
use secrecy::SecretString;

use crate::config::{EncryptionKey, VaultSettings};

const LAYOUT: u8 = 1;
const KEY_ID_LENGTH: usize = 4;
type KeyId = [u8; KEY_ID_LENGTH];

/// A sealed value does not open, or nothing can be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed with a key we do not have.
    #[error(
        "it was sealed with another key: set `CALLSCRIBE_ENCRYPTION_KEY_PREVIOUS` to the key that was in `CALLSCRIBE_ENCRYPTION_KEY` before"
    )]
    UnknownKey,
    /// It was changed, or belongs to another row.
    #[error("it was changed since it was sealed, or sealed for another row")]
    Damaged,
    /// The machine gives no random numbers, or the key is not a key.
    #[error("it cannot be sealed on this machine")]
    Unsealable,
}

impl From<Unspecified> for SealError {
    fn from(_: Unspecified) -> Self {
        Self::Unsealable
    }
}

struct Key {
    id: KeyId,
    cipher: LessSafeKey,
}

impl Key {
    fn new(key: &EncryptionKey) -> Result<Self, SealError> {
        let fingerprint = digest::digest(&digest::SHA256, &[b"callscribe key id".as_slice(), key.expose()].concat());
        let id = fingerprint.as_ref().first_chunk().copied().ok_or(SealError::Unsealable)?;
        Ok(Self { id, cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose())?) })
    }
}

/// Seals with the newest key and opens with any it has.
pub struct Sealer {
    newest: Key,
    previous: Option<Key>,
    random: SystemRandom,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("newest", &hex::encode(self.newest.id)).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with the keys of the settings.
    pub fn new(settings: &VaultSettings) -> Result<Self, SealError> {
        let previous = settings.previous.as_ref().map(Key::new).transpose()?;
        Ok(Self { newest: Key::new(&settings.key)?, previous, random: SystemRandom::new() })
    }

    /// Seals `secret` for the place `name`.
    pub fn seal(&self, name: &str, secret: &str) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let mut body = secret.as_bytes().to_vec();
        let nonce_once = Nonce::assume_unique_for_key(nonce);
        self.newest.cipher.seal_in_place_append_tag(nonce_once, Aad::from(name.as_bytes()), &mut body)?;
        Ok([[LAYOUT].as_slice(), self.newest.id.as_slice(), nonce.as_slice(), body.as_slice()].concat())
    }

    /// Opens what was sealed for the place `name`.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<SecretString, SealError> {
        let (&layout, rest) = sealed.split_first().ok_or(SealError::Damaged)?;
        let (id, rest) = rest.split_first_chunk::<KEY_ID_LENGTH>().ok_or(SealError::Damaged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Damaged)?;
        if layout != LAYOUT {
            return Err(SealError::Damaged);
        }
        let key = [Some(&self.newest), self.previous.as_ref()].into_iter().flatten().find(|key| key.id == *id);
        let key = key.ok_or(SealError::UnknownKey)?;
        let mut body = body.to_vec();
        let aad = Aad::from(name.as_bytes());
        let opened = key.cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body).map_err(|_| SealError::Damaged)?;
        std::str::from_utf8(opened).map(SecretString::from).map_err(|_| SealError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn sealer(newest: u8, previous: Option<u8>) -> Sealer {
        let key = |byte| EncryptionKey::new([byte; 32]);
        Sealer::new(&VaultSettings { key: key(newest), previous: previous.map(key) }).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_never_looks_the_same_twice() {
        let sealer = sealer(1, None);
        let [first, second] = ["webex", "webex"].map(|name| sealer.seal(name, "s3cret").unwrap());
        assert_ne!(first, second);
        assert_eq!(sealer.open("webex", &first).unwrap().expose_secret(), "s3cret");
        assert!(!first.windows(6).any(|window| window == b"s3cret"));
    }

    #[test]
    fn a_changed_byte_and_another_row_do_not_open() {
        let sealer = sealer(1, None);
        let sealed = sealer.seal("webex", "s3cret").unwrap();
        assert_eq!(sealer.open("genesys", &sealed).unwrap_err(), SealError::Damaged);
        for position in [0, KEY_ID_LENGTH + 1, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(sealer.open("webex", &changed).unwrap_err(), SealError::Damaged, "byte {position}");
        }
        assert_eq!(sealer.open("webex", &[]).unwrap_err(), SealError::Damaged);
    }

    #[test]
    fn keys_rotate_and_a_lost_key_is_told_by_the_setting_that_mends_it() {
        let sealed = sealer(1, None).seal("webex", "s3cret").unwrap();
        assert_eq!(sealer(2, Some(1)).open("webex", &sealed).unwrap().expose_secret(), "s3cret");
        let error = sealer(2, None).open("webex", &sealed).unwrap_err();
        assert!(error.to_string().contains("CALLSCRIBE_ENCRYPTION_KEY_PREVIOUS"), "{error}");
    }
}
