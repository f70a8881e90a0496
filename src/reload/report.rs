//! What a reload has changed, as it is told.

use serde::Serialize;
use tracing::{info, warn};
use utoipa::ToSchema;

use crate::registry::Difference;

/// What a reload has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// Whether anything is different now.
    pub changed: bool,
    /// Providers that are new.
    pub added: Vec<String>,
    /// Providers that were made anew.
    pub rebuilt: Vec<String>,
    /// Providers that are gone.
    pub removed: Vec<String>,
    /// Providers whose models are being loaded.
    pub loading: Vec<String>,
    /// Whether personas, styles or templates are different.
    pub prompts: bool,
    /// Who answers by default now.
    pub default: String,
    /// Who answers by default once its model is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_when_loaded: Option<String>,
    /// Keys that have changed and take effect when the service starts again.
    pub needs_restart: Vec<String>,
}

impl Report {
    /// What became of the providers.
    pub(super) fn of(difference: &Difference) -> Self {
        Self {
            added: difference.added.clone(),
            rebuilt: difference.changed.clone(),
            removed: difference.removed.clone(),
            loading: difference.loading.iter().map(|coming| coming.name.clone()).collect(),
            ..Self::default()
        }
    }
}

/// Writes it into the log.
pub(super) fn tell(report: &Report) {
    let told = serde_json::to_string(report).unwrap_or_default();
    info!(report = told, "The configuration was read again; {} answers by default", report.default);
    if !report.needs_restart.is_empty() {
        warn!(keys = ?report.needs_restart, "Some keys take effect when the service starts again: {}",
            report.needs_restart.join(", "));
    }
}
