//! The address that Deepgram posts a result to: it names the piece and proves that we named it.

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Makes and reads the last part of such addresses: `<piece>.<HMAC-SHA256 of it in hex>`. Deepgram signs nothing, so what we gave it has to
/// be enough to know it by.
#[derive(Clone)]
pub struct Callbacks {
    key: hmac::Key,
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callbacks")
    }
}

impl Callbacks {
    /// With the secret of `DEEPGRAM_CALLBACK_SECRET`.
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()) }
    }

    /// Where the result of `piece` is to be posted.
    pub(super) fn address(&self, base: &Url, piece: &str) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&format!("{piece}.{}", hex::encode(hmac::sign(&self.key, piece.as_bytes()))));
        }
        url
    }

    /// The piece that a token names; nothing when we did not make it.
    #[must_use]
    pub fn piece<'t>(&self, token: &'t str) -> Option<&'t str> {
        let (piece, proof) = token.rsplit_once('.')?;
        let proof = hex::decode(proof).ok()?;
        hmac::verify(&self.key, piece.as_bytes(), &proof).is_ok().then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_ours_name_a_piece() {
        let callbacks = Callbacks::new(&"s3cret".into());
        let base = Url::parse("https://calls.example.com/hooks/deepgram").unwrap();
        let url = callbacks.address(&base, "piece-1");
        let token = url.path().strip_prefix("/hooks/deepgram/").unwrap();
        assert_eq!(callbacks.piece(token), Some("piece-1"));
        let forged = [token.replace("piece-1", "piece-2"), "piece-1.".to_owned(), "piece-1.00".to_owned(), String::new()];
        for other in forged {
            assert_eq!(callbacks.piece(&other), None, "{other}");
        }
        assert_eq!(Callbacks::new(&"other".into()).piece(token), None);
        assert!(!format!("{callbacks:?} {url}").contains("s3cret"));
    }
}
