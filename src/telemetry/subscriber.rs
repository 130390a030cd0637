//! Where log lines go: standard error, or a file, as text or as JSON.

use std::{fs::File, io::IsTerminal, sync::Mutex};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use super::traces::{self, SpanQueue};
use crate::config::{LogFormat, TelemetrySettings, TraceSettings};

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("`{filter}` is not a log filter: {what}")]
    Filter {
        /// As given.
        filter: String,
        /// Why not.
        what: String,
    },
    /// The process logs already.
    #[error("logging was started before")]
    Started,
    /// The metrics recorder could not be installed.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(String),
}

/// Crates whose `info` is about themselves rather than about our work.
const QUIET: &str = "hyper=warn,hyper_util=warn,h2=warn,aws=warn,aws_config=warn,aws_smithy_runtime=warn,aws_sdk_s3=warn,\
     tokio_postgres=warn,apalis=warn,apalis_core=warn,s3s=warn,reqwest=warn,rustls=warn,callscribe::traces=off";

/// Starts logging to standard error for the life of the process.
///
/// # Errors
/// When the filter does not parse, or when logging was started before.
pub fn start_logging(settings: &TelemetrySettings) -> Result<(), TelemetryError> {
    let log = to_standard_error(settings)?;
    tracing_subscriber::registry().with(log).try_init().map_err(|_| TelemetryError::Started)
}

/// The same, and spans into the queue that is returned; `about` is what is said of this process beside its service.
///
/// # Errors
/// When the filter does not parse, or when logging was started before.
pub fn start_tracing(
    settings: &TelemetrySettings,
    traces: &TraceSettings,
    about: &[(&'static str, String)],
) -> Result<SpanQueue, TelemetryError> {
    let log = to_standard_error(settings)?;
    let (spans, queue) = traces::layer(traces, about);
    tracing_subscriber::registry().with(vec![log, spans]).try_init().map_err(|_| TelemetryError::Started)?;
    Ok(queue)
}

fn to_standard_error(settings: &TelemetrySettings) -> Result<Box<dyn Layer<Registry> + Send + Sync>, TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json });
    layer(settings, format, terminal, std::io::stderr)
}

/// Starts logging to a file for the life of the process, for commands whose screen is for something else.
///
/// # Errors
/// When the filter does not parse, or when logging was started before.
pub fn start_logging_to(settings: &TelemetrySettings, file: File) -> Result<(), TelemetryError> {
    let log = layer(settings, settings.format.unwrap_or(LogFormat::Human), false, Mutex::new(file))?;
    tracing_subscriber::registry().with(log).try_init().map_err(|_| TelemetryError::Started)
}

fn layer<W>(
    settings: &TelemetrySettings,
    format: LogFormat,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Human => layer.with_ansi(colours).with_target(false).boxed(),
        // the job's span (kind, id, call) goes with every line of its run, so that a line reads alone
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    Ok(layer.with_filter(filter(&settings.filter)?).boxed())
}

/// The filter given, after what quietens other people's crates, so that naming one of them turns it up again.
fn filter(given: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(format!("{QUIET},{given}"))
        .map_err(|error| TelemetryError::Filter { filter: given.to_owned(), what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_does_not_parse_is_told() {
        assert!(filter("info").is_ok());
        assert!(filter("info,callscribe::queue=debug").is_ok());
        let text = filter("callscribe=loud").unwrap_err().to_string();
        assert!(text.contains("`callscribe=loud` is not a log filter"), "{text}");
    }
}
