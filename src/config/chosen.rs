//! Whether a provider is chosen: settings of one that nobody asks are not complained about.

use super::{ProviderSettings, Reader};

/// Whether `TRANSCRIPTION_PROVIDER` names `provider`.
pub(super) fn is_chosen(reader: &mut Reader<'_>, provider: &str) -> bool {
    reader.list(&ProviderSettings::PROVIDER).iter().any(|name| name.eq_ignore_ascii_case(provider))
}
