//! Traces: what is done for a turn and how long each part of it takes, sent to a collector.
//!
//! Spans are those of `tracing`, of our own crates alone; what people say is in none of them. They are
//! sent in OTLP over HTTP, in batches, by a task of their own: a collector that is slow or gone costs
//! spans and nothing else, and `anima_spans_lost_total` says how many.

use std::{collections::HashMap, sync::OnceLock, time::Duration};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{SpanContext, Status, TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{
        IdGenerator, RandomIdGenerator, Sampler, SdkTracerProvider, Span as SdkSpan, SpanData,
        SpanExporter as _, SpanProcessor,
    },
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{Metadata, Span, Subscriber, debug_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::settings::TelemetrySettings;

/// Spans that may wait; more are dropped, and counted.
const QUEUE: usize = 4096;

/// Most spans sent at once.
const BATCH: usize = 512;

/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(500);

/// How long a collector may take for a batch.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long the last spans may take when the service ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// The name of the header that continues a trace.
const HEADER: &str = "traceparent";

/// The share of traces that is sent; not set where they are sent nowhere.
static SHARE: OnceLock<f64> = OnceLock::new();

/// Who says what is to be traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Somebody with a key: whether a trace is sent is the caller's to decide.
    Known,
    /// Anybody: the caller may have a trace left out, and never have more of them sent than our share.
    Stranger,
}

/// Sends spans for as long as the service runs.
pub struct Traces {
    /// Keeps the spans coming.
    provider: SdkTracerProvider,
    spans: Sender<Message>,
    sending: JoinHandle<()>,
}

/// What the sending task is told.
enum Message {
    Span(Box<SpanData>),
    End,
}

impl Traces {
    /// Begins to send to the collector of the settings, and gives the layer that makes spans; `None`
    /// when there is no collector. Must be called on a runtime.
    ///
    /// # Errors
    /// When the address of the collector is none.
    pub(super) fn begin<S>(
        settings: &TelemetrySettings,
    ) -> Result<Option<(Self, impl Layer<S> + Send + Sync + use<S>)>, ExporterBuildError>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(None) };
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(DEADLINE);
        if let Ok(client) = client {
            exporter = exporter.with_http_client(client);
        }
        let mut exporter = exporter.build()?;
        let resource = Resource::builder().with_service_name(settings.service_name.clone()).build();
        exporter.set_resource(&resource);
        let (spans, waiting) = channel(QUEUE);
        let sending = tokio::spawn(send(exporter, waiting));
        let sampler = Sampler::TraceIdRatioBased(settings.trace_share);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Gatherer(spans.clone()))
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource)
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("anima"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_ours));
        let _ = SHARE.set(settings.trace_share);
        Ok(Some((Self { provider, spans, sending }, layer)))
    }

    /// Sends what is left, if the collector takes it soon.
    pub async fn end(self) {
        let finish = async {
            // An error means that sending has ended already.
            let _ = self.spans.send(Message::End).await;
            let _ = self.sending.await;
        };
        if timeout(FAREWELL, finish).await.is_err() {
            warn!("The last spans were not sent: the collector does not take them");
        }
        drop(self.provider);
    }
}

/// Whether something is a span of our own; events are for the log.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("anima")
}

/// Takes spans that have ended to the task that sends them.
#[derive(Debug)]
struct Gatherer(Sender<Message>);

impl SpanProcessor for Gatherer {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(Message::Span(Box::new(span))).is_err() {
            lost(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn lost(spans: usize) {
    metrics::counter!("anima_spans_lost_total").increment(spans as u64);
}

/// Sends spans in batches, until it is told to end.
async fn send(exporter: SpanExporter, mut waiting: Receiver<Message>) {
    let mut failing = false;
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut ends = batch.iter().any(|message| matches!(message, Message::End));
        if !ends && batch.len() < BATCH {
            sleep(GATHER).await;
            while batch.len() < BATCH && !ends {
                let Ok(message) = waiting.try_recv() else { break };
                ends = matches!(message, Message::End);
                batch.push(message);
            }
        }
        let spans: Vec<SpanData> = batch
            .drain(..)
            .filter_map(|message| match message {
                Message::Span(span) => Some(*span),
                Message::End => None,
            })
            .collect();
        let count = spans.len();
        if count > 0 {
            let sent = timeout(DEADLINE, exporter.export(spans)).await;
            let failed = !matches!(sent, Ok(Ok(())));
            if failed {
                lost(count);
            } else {
                metrics::counter!("anima_spans_sent_total").increment(count as u64);
            }
            if failed && !failing {
                warn!(
                    "The collector of telemetry.otlp_endpoint takes no spans; they are dropped until it does"
                );
            }
            failing = failed;
        }
        if ends {
            return;
        }
    }
}

/// A span for what a caller asks, which continues the caller's own trace where `traceparent` tells
/// one. What tells none, or nonsense, begins a new one.
pub fn asked(traceparent: Option<&str>, asker: Asker) -> Span {
    let span = debug_span!("request", otel.kind = "server");
    if let (Some(parent), Some(share)) = (traceparent, SHARE.get()) {
        let context = match asker {
            Asker::Known => told(parent),
            Asker::Stranger => thinned(&told(parent), *share, chance()),
        };
        // An error means that the span is not sent anywhere.
        let _ = span.set_parent(context);
    }
    span
}

/// The trace that a caller tells of.
fn told(parent: &str) -> Context {
    let carrier = HashMap::from([(HEADER.to_owned(), parent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// The same trace, sent only where `chance` is below `share`, too. The trace's own number decides
/// nothing: the caller has chosen it.
fn thinned(context: &Context, share: f64, chance: f64) -> Context {
    let told = context.span().span_context().clone();
    let flags = told.trace_flags();
    let flags = flags.with_sampled(flags.is_sampled() && chance < share);
    let (trace, span, state) = (told.trace_id(), told.span_id(), told.trace_state().clone());
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, state))
}

/// A number from 0.0 to below 1.0 that nobody can foretell.
fn chance() -> f64 {
    let [.., first, second, third, fourth] = RandomIdGenerator::default().new_span_id().to_bytes();
    f64::from(u32::from_be_bytes([first, second, third, fourth])) / (f64::from(u32::MAX) + 1.0)
}

/// What continues the trace of a span elsewhere, as the value of a header `traceparent`; `None` where
/// it is sent nowhere.
pub fn to_continue(span: &Span) -> Option<String> {
    SHARE.get()?;
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(HEADER)
}

/// Says that what a span is about has failed.
pub fn mark_failed(span: &Span) {
    if SHARE.get().is_some() {
        span.set_status(Status::error(""));
    }
}

/// The id of the trace that a span belongs to, for log lines; `None` where it is sent nowhere.
pub fn id_of(span: &Span) -> Option<String> {
    SHARE.get()?;
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a caller's `traceparent` with these flags.
    fn sent(flags: &str, share: f64, chance: f64) -> (String, bool) {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let context = thinned(&told(&parent), share, chance);
        let span = context.span().span_context().clone();
        (span.trace_id().to_string(), span.is_sampled())
    }

    #[test]
    fn a_stranger_may_have_a_trace_left_out_and_never_have_it_sent() {
        let trace = || "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        for (flags, share, chance, is_sent) in [
            ("01", 1.0, 0.999, true),
            ("01", 0.0, 0.0, false),
            ("01", 0.1, 0.05, true),
            ("01", 0.1, 0.1, false),
            ("00", 1.0, 0.0, false),
        ] {
            let wanted = (trace(), is_sent);
            assert_eq!(sent(flags, share, chance), wanted, "{flags} {share} {chance}");
        }
        let nonsense = thinned(&told("00-nonsense"), 1.0, 0.0);
        assert!(!nonsense.span().span_context().is_valid());
    }

    #[test]
    fn chances_are_spread_from_nothing_to_one() {
        let chances: Vec<f64> = (0..1000).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        let low = chances.iter().filter(|chance| **chance < 0.5).count();
        assert!((300..700).contains(&low), "{low}");
    }
}
