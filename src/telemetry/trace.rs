//! Traces: what is done for a turn and how long each part of it takes, sent to a collector.
//!
//! Spans are those of `tracing`, of our own crates alone; what people say is in none of them. They are
//! sent in OTLP over HTTP, in batches, by a task of their own: a collector that is slow or gone costs
//! spans and nothing else, and `anima_spans_lost_total` says how many.

use std::{collections::HashMap, sync::OnceLock, time::Duration};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{Status, TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{
        Sampler, SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter as _, SpanProcessor,
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

/// Whether traces are sent anywhere.
static IS_ON: OnceLock<()> = OnceLock::new();

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
        let _ = IS_ON.set(());
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
pub fn asked(traceparent: Option<&str>) -> Span {
    let span = debug_span!("request", otel.kind = "server");
    if let Some(parent) = traceparent.filter(|_| IS_ON.get().is_some()) {
        let carrier = HashMap::from([(HEADER.to_owned(), parent.to_owned())]);
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        // An error means that the span is not sent anywhere.
        let _ = span.set_parent(context);
    }
    span
}

/// What continues the trace of a span elsewhere, as the value of a header `traceparent`; `None` where
/// it is sent nowhere.
pub fn to_continue(span: &Span) -> Option<String> {
    IS_ON.get()?;
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(HEADER)
}

/// Says that what a span is about has failed.
pub fn mark_failed(span: &Span) {
    if IS_ON.get().is_some() {
        span.set_status(Status::error(""));
    }
}

/// The id of the trace that a span belongs to, for log lines; `None` where it is sent nowhere.
pub fn id_of(span: &Span) -> Option<String> {
    IS_ON.get()?;
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}
