//! Who is asked for one transcript: by the settings, or as a person wished when the job was requeued.

use std::sync::Arc;

use callscribe::{
    asr::Transcriber,
    domain::{Leg, Wishes},
};

use crate::vendor::{self, VendorTranscripts};

/// Who is asked, in this order.
pub(crate) struct Chosen<'h> {
    vendor: Option<&'h VendorTranscripts>,
    pub(crate) chain: Vec<Arc<dyn Transcriber>>,
}

/// What was asked for is not to be had in this worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotGranted {
    /// Nobody here is called that.
    #[error("provider `{wanted}` was asked for, and this worker has settings for {known} alone")]
    NoProvider { wanted: String, known: String },
    /// A model or a language means nothing to a vendor's own transcripts.
    #[error("`{0}` makes its transcripts itself: no model or language can be asked of it")]
    NotOfVendor(&'static str),
}

impl<'h> Chosen<'h> {
    /// As `wishes` say; never somebody else than was asked for. A model without a provider is asked of the first transcriber.
    pub(crate) fn of(vendor: Option<&'h VendorTranscripts>, chain: &[Arc<dyn Transcriber>], wishes: &Wishes) -> Result<Self, NotGranted> {
        if wishes.is_none() {
            return Ok(Self { vendor, chain: chain.to_vec() });
        }
        let otherwise = wishes.model.is_some() || wishes.language.is_some();
        let missing = |wanted: &str| {
            let known = vendor.map(|_| vendor::PROVIDER).into_iter().chain(chain.iter().map(|transcriber| transcriber.name()));
            let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
            NotGranted::NoProvider { wanted: wanted.to_owned(), known: known.join(" and ") }
        };
        let wanted = match wishes.provider.as_deref() {
            Some(vendor::PROVIDER) if otherwise => return Err(NotGranted::NotOfVendor(vendor::PROVIDER)),
            Some(vendor::PROVIDER) => {
                let vendor = vendor.ok_or_else(|| missing(vendor::PROVIDER))?;
                return Ok(Self { vendor: Some(vendor), chain: Vec::new() });
            }
            Some(wanted) => chain.iter().find(|transcriber| transcriber.name() == wanted).ok_or_else(|| missing(wanted))?,
            None => chain.first().ok_or(NotGranted::NotOfVendor(vendor::PROVIDER))?,
        };
        Ok(Self { vendor: None, chain: vec![wanted.asked_for(wishes.model.as_deref(), wishes.language.as_deref())] })
    }

    /// The vendor's own transcripts, if they are taken; they are of the call itself, never of a leg beside it.
    pub(crate) fn vendor_for(&self, leg: Leg) -> Option<&'h VendorTranscripts> {
        self.vendor.filter(|_| leg == Leg::Main)
    }

    /// Provider and model of who is asked first.
    pub(crate) fn first(&self) -> (&'static str, &str) {
        match (self.vendor, self.chain.first()) {
            (None, Some(transcriber)) => (transcriber.name(), transcriber.model()),
            (Some(_), _) | (None, None) => (vendor::PROVIDER, ""),
        }
    }
}
