//! What the service tells about itself: log lines, metrics and traces.

mod panics;
pub mod trace;

use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry_otlp::ExporterBuildError;
use thiserror::Error;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{ParseError, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::settings::{LogFormat, TelemetrySettings};
use trace::Traces;

pub use panics::watch_for_panics;

/// Libraries that tell more than an operator wants; `telemetry.log` can ask for it all the same.
const QUIET: &str = "mistralrs=warn,mistralrs_core=warn,mistralrs_quant=warn,actix_server=warn";

/// What no filter can ask for: async-openai logs an answer that it cannot read, which is what a
/// person was told.
const SILENT: &str = "async_openai";

/// Libraries that show headers and bodies when they are asked for more than warnings.
const CAPPED: [&str; 9] = [
    "actix_http",
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "redis",
    "reqwest",
    "rustls",
    "tungstenite",
];

/// Whether something may be logged, whatever the filter says.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    library != SILENT && (!CAPPED.contains(&library) || *metadata.level() <= Level::WARN)
}

/// How often measured values are gathered up, whether anybody asks for the metrics or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps the memory of the metrics bounded, for as long as it is polled.
pub async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// Why the service cannot tell about itself.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// What is logged.
    #[error("telemetry.log: {0}")]
    Log(#[from] ParseError),
    /// Where traces go.
    #[error("telemetry.otlp_endpoint: {0}")]
    Traces(#[from] ExporterBuildError),
}

/// Starts to write log lines, and to send traces where the settings name a collector. A second call
/// changes nothing. Must be called on a runtime.
///
/// # Errors
/// When `telemetry.log` or `telemetry.otlp_endpoint` cannot be used.
pub fn install(settings: &TelemetrySettings) -> Result<Option<Traces>, TelemetryError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", settings.log))?;
    let colours = std::io::stderr().is_terminal();
    let (traces, spans) = Traces::begin(settings)?.unzip();
    // What is logged has no say in what is traced.
    let registry = tracing_subscriber::registry().with(filter_fn(is_harmless)).with(spans);
    // The one before stays when there is one, as in tests.
    let _ = match settings.format {
        LogFormat::Text => {
            let lines = fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
            registry.with(lines.with_filter(filter)).try_init()
        }
        LogFormat::Json => {
            let lines = fmt::layer().json().flatten_event(true).with_span_list(false);
            registry.with(lines.with_writer(std::io::stderr).with_filter(filter)).try_init()
        }
    };
    Ok(traces)
}

/// The metrics of this process. They are installed at the first call.
///
/// # Errors
/// When the exporter refuses our buckets.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    // Held to the end, so that of two threads that come at once the second finds the first one's.
    let mut installed = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .build_recorder();
    let handle = installed.insert(recorder.handle()).clone();
    // Another recorder keeps its place; then ours stays empty.
    let _ = metrics::set_global_recorder(recorder);
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use tracing::{debug, error, subscriber::with_default, warn};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[test]
    fn no_filter_makes_libraries_show_headers_and_answers() {
        static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let subscriber = tracing_subscriber::registry()
            .with(filter_fn(is_harmless))
            .with(EnvFilter::new("trace,async_openai=trace,hyper=trace"))
            .with(fmt::layer().with_writer(|| LOG.make_writer()));
        with_default(subscriber, || {
            error!(target: "async_openai::client", "secret 1");
            debug!(target: "hyper::proto::h1", "secret 2");
            debug!(target: "reqwest", "secret 3");
            warn!(target: "hyper::proto::h1", "worth knowing");
            debug!("our own");
        });
        let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
        assert!(!log.contains("secret"), "{log}");
        assert!(log.contains("worth knowing") && log.contains("our own"), "{log}");
    }
}
