//! Reads the multipart request as it arrives: the file is listened to while it comes and never held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::hearing::Unheard;
use crate::hearing::{Heard, Hearing};

/// Longest value of a form field.
const FIELD_LIMIT: usize = 64 * 1024;

/// A request as it was read.
#[derive(Debug)]
pub(super) struct Upload {
    fields: Vec<(String, String)>,
    /// The file's name; `None` without a file.
    pub(super) file_name: Option<String>,
    /// What was heard, or why nothing could be.
    pub(super) heard: Result<Heard, Unheard>,
    pub(super) sha256: String,
    pub(super) file_bytes: u64,
    /// Of the whole body.
    pub(super) body_bytes: u64,
}

impl Upload {
    /// A field by its name, also when it was sent as a list or under a key of its own.
    pub(super) fn field(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a field, sent as `name`, `name[]` or `name[key]`.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = move |field: &str| field == name || field.strip_prefix(name).is_some_and(|rest| rest.starts_with('['));
        self.fields.iter().filter(move |(field, _)| named(field)).map(|(_, value)| value.as_str())
    }
}

/// Reads a request to its end; `listen` is false when nobody wants to know what is on the audio.
///
/// `None` when the body is no form, or broke off.
pub(super) async fn read(request: Request, listen: bool) -> Option<Upload> {
    let counter = Arc::new(AtomicU64::new(0));
    let counted = {
        let counter = Arc::clone(&counter);
        request.map(|body| {
            Body::from_stream(body.into_data_stream().inspect(move |piece| {
                let bytes = piece.as_ref().map_or(0, |piece| u64::try_from(piece.len()).unwrap_or(0));
                counter.fetch_add(bytes, Ordering::Relaxed);
            }))
        })
    };
    let mut form = Multipart::from_request(counted, &()).await.ok()?;
    let (mut fields, mut file_name, mut hash, mut file_bytes) = (Vec::new(), None, Sha256::new(), 0);
    let mut hearing = Hearing::default();
    while let Some(mut field) = form.next_field().await.ok()? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "file" {
            fields.push((name, field.text().await.ok().filter(|text| text.len() <= FIELD_LIMIT)?));
            continue;
        }
        file_name = Some(field.file_name().unwrap_or_default().to_owned());
        while let Some(piece) = field.chunk().await.ok()? {
            file_bytes += u64::try_from(piece.len()).unwrap_or(0);
            if listen {
                hash.update(&piece);
                hearing.take(&piece);
            }
        }
    }
    let sha256 = if listen { hex::encode(hash.finalize()) } else { String::new() };
    let heard = if listen { hearing.end() } else { Ok(Heard::at_once()) };
    Some(Upload { fields, file_name, heard, sha256, file_bytes, body_bytes: counter.load(Ordering::Relaxed) })
}
