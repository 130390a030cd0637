//! Traces: whether spans are told, to whom, and of how much of the work. The names are OpenTelemetry's own.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{NetworkSettings, Reader, Setting};

/// Of which work spans are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceSampling {
    /// The share of all beginnings, 0 to 1.
    pub share: f64,
    /// What follows from traced work is traced, too, and what follows from other work is not.
    pub follows: bool,
}

/// Where spans go, and how.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// Where batches are posted to.
    pub endpoint: Url,
    /// What each request says of itself beside; the values are secrets and marked so.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long a collector may take for a batch.
    pub timeout: Duration,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: String,
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub attributes: Vec<(String, String)>,
    /// Of which work spans are told.
    pub sampling: TraceSampling,
    /// Spans that wait for the collector; what comes beside is dropped.
    pub queue: usize,
    /// Spans in one request.
    pub batch: usize,
    /// How long a span waits for others to go with.
    pub delay: Duration,
    /// Through which proxy, and whom to trust.
    pub network: NetworkSettings,
}

/// Where a collector listens when nobody says, by OpenTelemetry's specification.
const USUAL_ENDPOINT: &str = "http://localhost:4318";
/// More spans in memory than this are a mistake of a digit or two.
const LARGEST_QUEUE: usize = 1_000_000;

impl TraceSettings {
    const ENDPOINT: Setting = Setting::optional(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "Collector that takes OTLP over HTTP, such as `http://localhost:4318`; `/v1/traces` is added. Left out: no traces",
    );
    const TRACES_ENDPOINT: Setting =
        Setting::optional("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "The same, used as it is, in place of `OTEL_EXPORTER_OTLP_ENDPOINT`");
    const HEADERS: Setting = Setting::secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Headers of each request to the collector, as `name=value,name=value`, values percent-encoded",
    );
    const TRACES_HEADERS: Setting =
        Setting::secret("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "The same, in place of `OTEL_EXPORTER_OTLP_HEADERS`");
    const PROTOCOL: Setting = Setting::new("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "`http/protobuf` is the only one spoken");
    const TRACES_PROTOCOL: Setting =
        Setting::optional("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "The same, in place of `OTEL_EXPORTER_OTLP_PROTOCOL`");
    const TIMEOUT: Setting = Setting::new("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "Milliseconds that a collector may take for a batch");
    const EXPORTER: Setting = Setting::optional(
        "OTEL_TRACES_EXPORTER",
        "`otlp`, or `none` to switch traces off; left out, they are on when an endpoint is given",
    );
    const DISABLED: Setting = Setting::new("OTEL_SDK_DISABLED", "false", "`true` switches traces off, whatever else is set");
    const SERVICE: Setting = Setting::new("OTEL_SERVICE_NAME", "callscribe", "What the collector calls this installation");
    const ATTRIBUTES: Setting = Setting::optional(
        "OTEL_RESOURCE_ATTRIBUTES",
        "What else is said of the process, as `deployment.environment.name=production,key=value`, values percent-encoded",
    );
    const SAMPLER: Setting = Setting::new(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "Of which work spans are told: `always_on`, `always_off`, `traceidratio`, or each with `parentbased_` before it: then a run follows \
         the run or request that enqueued it, so that a call is traced whole or not at all",
    );
    const SAMPLER_ARGUMENT: Setting =
        Setting::optional("OTEL_TRACES_SAMPLER_ARG", "The share for `traceidratio`, `0` to `1`; left out, all");
    const DELAY: Setting = Setting::new("OTEL_BSP_SCHEDULE_DELAY", "5000", "Milliseconds that a span waits for others to go with");
    const QUEUE: Setting = Setting::new(
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "2048",
        "Spans that wait in memory while the collector is slow or away; the rest are dropped and counted",
    );
    const BATCH: Setting = Setting::new("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512", "Most spans in one request");
    /// What this concern reads.
    pub const SETTINGS: &'static [Setting] = &[
        Self::ENDPOINT,
        Self::TRACES_ENDPOINT,
        Self::HEADERS,
        Self::TRACES_HEADERS,
        Self::PROTOCOL,
        Self::TRACES_PROTOCOL,
        Self::TIMEOUT,
        Self::EXPORTER,
        Self::DISABLED,
        Self::SERVICE,
        Self::ATTRIBUTES,
        Self::SAMPLER,
        Self::SAMPLER_ARGUMENT,
        Self::DELAY,
        Self::QUEUE,
        Self::BATCH,
    ];

    /// Reads the group; `None` when traces are off, in which case nothing of it can be wrong.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if !is_on(reader) {
            return None;
        }
        check_protocol(reader);
        let (timeout, delay) = (milliseconds(reader, &Self::TIMEOUT), milliseconds(reader, &Self::DELAY));
        let (queue, batch) = (size(reader, &Self::QUEUE), size(reader, &Self::BATCH));
        if queue.is_some_and(|queue| queue > LARGEST_QUEUE) {
            reader.complain(Self::QUEUE.name, format!("is not usable: more than {LARGEST_QUEUE} spans are not kept in memory"));
        }
        if batch > queue {
            reader.complain(Self::BATCH.name, "is not usable: a batch cannot be larger than `OTEL_BSP_MAX_QUEUE_SIZE`");
        }
        let (endpoint, headers, sampling) = (endpoint(reader), headers(reader), sampling(reader));
        let attributes = reader.text(&Self::ATTRIBUTES).unwrap_or_default();
        let attributes = pairs(reader, &Self::ATTRIBUTES, &attributes);
        Some(Self {
            endpoint: endpoint?,
            headers,
            timeout: timeout?,
            service_name: reader.text(&Self::SERVICE)?,
            attributes,
            sampling: sampling?,
            queue: queue?,
            batch: batch?,
            delay: delay?,
            network: NetworkSettings::read(reader),
        })
    }
}

fn is_on(reader: &mut Reader<'_>) -> bool {
    const DISABLED: &Setting = &TraceSettings::DISABLED;
    const EXPORTER: &Setting = &TraceSettings::EXPORTER;
    let disabled = reader.text(DISABLED).unwrap_or_default().trim().to_ascii_lowercase();
    if !["true", "false"].contains(&disabled.as_str()) {
        reader.complain(DISABLED.name, format!("is not usable: `{disabled}` is neither `true` nor `false`"));
    }
    let named = reader.is_set(&TraceSettings::ENDPOINT) || reader.is_set(&TraceSettings::TRACES_ENDPOINT);
    let wanted = match reader.text(EXPORTER).as_deref().map(str::trim) {
        None => named,
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => {
            reader.complain(EXPORTER.name, format!("is not usable: `{other}` is neither `otlp` nor `none`"));
            false
        }
    };
    wanted && disabled != "true"
}

fn check_protocol(reader: &mut Reader<'_>) {
    let own = reader.is_set(&TraceSettings::TRACES_PROTOCOL);
    let setting = if own { &TraceSettings::TRACES_PROTOCOL } else { &TraceSettings::PROTOCOL };
    let protocol = reader.text(setting).unwrap_or_default();
    if protocol.trim() != "http/protobuf" {
        let what = format!("is not usable: `{protocol}` is not spoken, only `http/protobuf`; collectors listen for it on port 4318");
        reader.complain(setting.name, what);
    }
}

fn number(reader: &mut Reader<'_>, setting: &Setting) -> Option<u32> {
    let number = reader.parsed(setting, "a whole number")?;
    if number == 0 {
        reader.complain(setting.name, "is not usable: it must be 1 or more");
        return None;
    }
    Some(number)
}

fn milliseconds(reader: &mut Reader<'_>, setting: &Setting) -> Option<Duration> {
    number(reader, setting).map(|number| Duration::from_millis(number.into()))
}

fn size(reader: &mut Reader<'_>, setting: &Setting) -> Option<usize> {
    number(reader, setting).and_then(|number| usize::try_from(number).ok())
}

fn endpoint(reader: &mut Reader<'_>) -> Option<Url> {
    let own = reader.is_set(&TraceSettings::TRACES_ENDPOINT);
    let setting = if own { &TraceSettings::TRACES_ENDPOINT } else { &TraceSettings::ENDPOINT };
    let text = reader.text(setting).unwrap_or_else(|| USUAL_ENDPOINT.to_owned());
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    let Some(mut url) = url else {
        reader.complain(setting.name, "is not usable: it must be an address such as `http://localhost:4318`");
        return None;
    };
    if !own {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Some(url)
}

fn headers(reader: &mut Reader<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let own = reader.is_set(&TraceSettings::TRACES_HEADERS);
    let setting = if own { &TraceSettings::TRACES_HEADERS } else { &TraceSettings::HEADERS };
    let text = reader.text(setting).unwrap_or_default();
    let mut headers = Vec::new();
    for (name, value) in pairs(reader, setting, &text) {
        match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            _ => reader.complain(setting.name, "is not usable: one of its pairs is no header"),
        }
    }
    headers
}

/// `key=value,key=value`, values percent-decoded. What is wrong is told without the values, which may be secrets.
fn pairs(reader: &mut Reader<'_>, setting: &Setting, text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let pair = item.split_once('=').filter(|(key, _)| !key.trim().is_empty());
        let value = pair.and_then(|(_, value)| percent_decode_str(value.trim()).decode_utf8().ok());
        match (pair, value) {
            (Some((key, _)), Some(value)) => pairs.push((key.trim().to_owned(), value.into_owned())),
            _ => reader.complain(setting.name, "is not usable: it must be pairs such as `key=value,key=value`, values percent-encoded"),
        }
    }
    pairs
}

fn sampling(reader: &mut Reader<'_>) -> Option<TraceSampling> {
    const SAMPLER: &Setting = &TraceSettings::SAMPLER;
    const ARGUMENT: &Setting = &TraceSettings::SAMPLER_ARGUMENT;
    let word = reader.text(SAMPLER)?.trim().to_ascii_lowercase();
    let (follows, root) = match word.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, word.as_str()),
    };
    let share = match root {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => match reader.text(ARGUMENT) {
            None => 1.0,
            Some(_) => reader.parsed::<f64>(ARGUMENT, "a share such as `0.1`")?,
        },
        _ => {
            reader.complain(SAMPLER.name, format!("is not usable: `{word}` is none of the samplers that docs/CONFIGURATION.md names"));
            return None;
        }
    };
    if !(0.0..=1.0).contains(&share) {
        reader.complain(ARGUMENT.name, format!("is not usable: `{share}` is not between `0` and `1`"));
        return None;
    }
    Some(TraceSampling { share, follows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Problems};

    fn read(pairs: &[(&str, &str)]) -> Result<Option<TraceSettings>, Problems> {
        let environment: Environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        crate::config::read(&environment, TraceSettings::read)
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn traces_are_off_until_an_endpoint_is_given_and_can_be_switched_off() {
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap().is_none());
        assert!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
        assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
        let settings = read(&[("OTEL_TRACES_EXPORTER", "otlp")]).unwrap().unwrap();
        assert_eq!(settings.endpoint.as_str(), "http://localhost:4318/v1/traces");
        assert_eq!(settings.sampling, TraceSampling { share: 1.0, follows: true });
    }

    #[test]
    fn the_general_endpoint_gets_the_path_and_that_of_traces_is_taken_as_it_is() {
        assert_eq!(read(&[ENDPOINT]).unwrap().unwrap().endpoint.as_str(), "http://collector:4318/v1/traces");
        let own = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t.example/in")]).unwrap().unwrap();
        assert_eq!(own.endpoint.as_str(), "https://t.example/in");
    }

    #[test]
    fn headers_are_decoded_and_never_printed() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20aHVzaA==, x-tenant=a");
        let settings = read(&[ENDPOINT, headers]).unwrap().unwrap();
        assert_eq!(settings.headers[0].1.to_str().unwrap(), "Basic aHVzaA==");
        assert!(!format!("{settings:?}").contains("aHVzaA"), "{settings:?}");
        let text = read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")]).unwrap_err().to_string();
        assert!(text.contains("`OTEL_EXPORTER_OTLP_HEADERS`") && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn what_cannot_be_done_is_told_at_start() {
        for (name, value, told) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "port 4318"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "none of the samplers"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100", "`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "such as `http://localhost:4318`"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "must be 1 or more"),
        ] {
            let text = read(&[ENDPOINT, (name, value)]).unwrap_err().to_string();
            assert!(text.contains(told), "{text}");
        }
        let share = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(read(&share).unwrap_err().to_string().contains("`OTEL_TRACES_SAMPLER_ARG`"));
    }
}
