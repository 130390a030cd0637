//! What the bucket holds under a prefix.

use super::{Blob, BlobError};

/// Pages of a thousand objects; nothing of ours has more under one name.
const MOST_PAGES: usize = 10;

/// An object by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Blob {
    /// The objects whose keys begin with `prefix`, ten thousand at most.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, BlobError> {
        let (mut listed, mut next) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let request = self.client.list_objects_v2().bucket(&*self.bucket).prefix(prefix).set_continuation_token(next);
            let page = request.send().await.map_err(|error| BlobError::of("list objects", prefix, error))?;
            for object in page.contents() {
                let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                listed.extend(object.key().map(|key| ListedObject { key: key.to_owned(), size }));
            }
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(listed)
    }
}
