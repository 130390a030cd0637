//! What one run is about to copy, and where to.

use std::sync::Arc;

use callscribe::{blob::Blob, domain::RecordingOffer, sources::Source, store::recordings::RecordedCall};
use tokio_util::sync::CancellationToken;

/// One copy to be made.
pub(crate) struct Plan {
    /// Who has it.
    pub(crate) source: Arc<dyn Source>,
    /// Where it goes.
    pub(crate) blob: Blob,
    /// The object's key without the extension, which its bytes decide.
    pub(crate) stem: String,
    /// What is fetched; its link may be replaced by a fresh one on the way.
    pub(crate) offer: RecordingOffer,
    /// The call it belongs to.
    pub(crate) call: RecordedCall,
    /// What is odd about the choice.
    pub(crate) flags: Vec<&'static str>,
    /// More is refused.
    pub(crate) largest_bytes: u64,
    /// Cancelled when the run must end.
    pub(crate) stop: CancellationToken,
}
