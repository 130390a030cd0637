//! What transcription costs, and how much of it there may be in a month.

use super::{Reader, Setting};
use crate::domain::{amount, micros};

/// The price of a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Price {
    provider: String,
    /// `None`: of every model that has no price of its own.
    model: Option<String>,
    micros_per_minute: i64,
}

/// The price list, and the cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceSettings {
    prices: Vec<Price>,
    /// `TRANSCRIPTION_CURRENCY`.
    pub currency: String,
    /// `TRANSCRIPTION_MONTHLY_CAP`, in millionths; `None`: no cap.
    pub cap_micros: Option<i64>,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self { prices: Vec::new(), currency: "USD".to_owned(), cap_micros: None }
    }
}

impl PriceSettings {
    const PRICES: Setting = Setting::optional(
        "TRANSCRIPTION_PRICES",
        "Price of a minute of audio by provider and model, or by provider alone: `whisper/whisper-1=0.006,deepgram=0.0043`. What is not listed costs nothing",
    );
    const CURRENCY: Setting = Setting::new("TRANSCRIPTION_CURRENCY", "USD", "Currency of the prices and of the cap, as a code of ISO 4217");
    const CAP: Setting = Setting::optional(
        "TRANSCRIPTION_MONTHLY_CAP",
        "Most that transcription may cost in a calendar month (UTC): what costs money then waits, at no attempt's cost, until the cap is raised or the month ends",
    );
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[Self::PRICES, Self::CURRENCY, Self::CAP];

    /// Reads the group.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let mut prices: Vec<Price> = Vec::new();
        for text in reader.list(&Self::PRICES) {
            match price(&text) {
                Some(price) if prices.iter().any(|known| known.provider == price.provider && known.model == price.model) => {
                    reader.complain(Self::PRICES.name, format!("is not usable: `{text}` is priced twice"));
                }
                Some(price) => prices.push(price),
                None => reader
                    .complain(Self::PRICES.name, format!("is not usable: `{text}` is not `provider/model=0.006`, at most six decimals")),
            }
        }
        let currency = reader.text(&Self::CURRENCY).unwrap_or_else(|| "USD".to_owned());
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            reader.complain(Self::CURRENCY.name, format!("is not usable: `{currency}` is not a code of three capitals such as `USD`"));
        }
        let cap = reader.text(&Self::CAP);
        let cap_micros = cap.as_deref().and_then(micros);
        if let (Some(text), None) = (&cap, cap_micros) {
            reader.complain(Self::CAP.name, format!("is not usable: `{text}` is not an amount such as `500` or `99.50`"));
        }
        if cap_micros.is_some() && prices.iter().all(|price| price.micros_per_minute == 0) {
            reader.complain(Self::CAP.name, "caps nothing: `TRANSCRIPTION_PRICES` gives no price");
        }
        Self { prices, currency, cap_micros }
    }

    /// The price of a minute, in millionths; `None` where none is listed.
    #[must_use]
    pub fn per_minute(&self, provider: &str, model: &str) -> Option<i64> {
        let of = |wanted: Option<&str>| self.prices.iter().find(|price| price.provider == provider && price.model.as_deref() == wanted);
        of(Some(model)).or_else(|| of(None)).map(|price| price.micros_per_minute)
    }

    /// The same with another cap, in millionths.
    #[must_use]
    pub fn capped_at(self, micros: i64) -> Self {
        Self { cap_micros: Some(micros), ..self }
    }

    /// The same with a price for a provider's every model, in millionths a minute.
    #[must_use]
    pub fn with_price(mut self, provider: &str, micros_per_minute: i64) -> Self {
        self.prices.push(Price { provider: provider.to_owned(), model: None, micros_per_minute });
        self
    }

    /// What so many seconds cost, in millionths, rounded up.
    #[must_use]
    pub fn of(&self, provider: &str, model: &str, seconds: f64) -> i64 {
        let per_minute = self.per_minute(provider, model).unwrap_or(0);
        let milliseconds = std::time::Duration::try_from_secs_f64(seconds).map_or(0, |length| length.as_millis());
        let cost = u128::try_from(per_minute).unwrap_or(0).saturating_mul(milliseconds).div_ceil(60_000);
        i64::try_from(cost).unwrap_or(i64::MAX)
    }

    /// The cap as people write it.
    #[must_use]
    pub fn cap(&self) -> Option<String> {
        self.cap_micros.map(|cap| format!("{} {}", amount(cap), self.currency))
    }
}

fn price(text: &str) -> Option<Price> {
    let (of, price) = text.rsplit_once('=')?;
    let (provider, model) = match of.trim().split_once('/') {
        Some((provider, model)) => (provider, Some(model.to_owned()).filter(|model| !model.is_empty())),
        None => (of.trim(), None),
    };
    let micros_per_minute = micros(price.trim())?;
    (!provider.is_empty()).then(|| Price { provider: provider.to_owned(), model, micros_per_minute })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(pairs: &[(&str, &str)]) -> Result<PriceSettings, String> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(&environment);
        let settings = PriceSettings::read(&mut reader);
        reader.finish().map(|()| settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_models_own_price_goes_before_its_providers_and_seconds_are_rounded_up() {
        let prices = read(&[("TRANSCRIPTION_PRICES", "whisper=0.01, whisper/large=0.02,aws-transcribe=0.024")]).unwrap();
        assert_eq!(prices.per_minute("whisper", "large"), Some(20_000));
        assert_eq!(prices.per_minute("whisper", "whisper-1"), Some(10_000));
        assert_eq!(prices.per_minute("command", "x"), None);
        assert_eq!(prices.of("whisper", "large", 90.0), 30_000);
        assert_eq!(prices.of("whisper", "large", 0.001), 1);
        assert_eq!(prices.of("command", "x", 90.0), 0);
        assert_eq!(prices.of("whisper", "large", f64::NAN), 0);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (name, value) in [
            ("TRANSCRIPTION_PRICES", "whisper"),
            ("TRANSCRIPTION_PRICES", "whisper=-1"),
            ("TRANSCRIPTION_PRICES", "whisper=1,whisper=2"),
            ("TRANSCRIPTION_CURRENCY", "dollars"),
            ("TRANSCRIPTION_MONTHLY_CAP", "lots"),
            ("TRANSCRIPTION_MONTHLY_CAP", "500"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().contains(name), "{name}={value}");
        }
        let capped = read(&[("TRANSCRIPTION_MONTHLY_CAP", "99.5"), ("TRANSCRIPTION_PRICES", "whisper=0.006")]).unwrap();
        assert_eq!(capped.cap().as_deref(), Some("99.50 USD"));
    }
}
