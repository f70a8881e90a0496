//! `[telemetry]`: what the service tells about itself, and to whom.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::SettingsError;

/// `[telemetry]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// What is logged: a level, or directives such as `info,anima=debug`.
    pub log: String,
    /// How it is written.
    pub format: LogFormat,
    /// The address of a collector that takes traces in OTLP over HTTP; `None` sends none.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    /// What the service is called in traces.
    #[serde(default = "service_name")]
    pub service_name: String,
    /// The share of traces that are sent, from 0.0 to 1.0. A caller with a key decides by its own trace
    /// whether that one is; a caller without one can only have it left out.
    #[serde(default = "all")]
    pub trace_share: f64,
}

fn service_name() -> String {
    "anima".to_owned()
}

fn all() -> f64 {
    1.0
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl TelemetrySettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if let Err(error) = EnvFilter::try_new(&self.log) {
            let message = format!("{:?} is no filter: {error}", self.log);
            return Err(SettingsError::value("telemetry.log", message));
        }
        if !(0.0..=1.0).contains(&self.trace_share) {
            let message = "must be from 0.0 to 1.0";
            return Err(SettingsError::value("telemetry.trace_share", message));
        }
        Ok(())
    }
}
