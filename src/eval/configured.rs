//! The one provider that is measured, as the configuration has it.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use tokio::signal::ctrl_c;

use crate::{
    registry::{Entry, Registry},
    settings::{Overrides, Settings, unknown_name},
    telemetry,
};

/// Where the configuration is, and which provider of it is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct Configured {
    /// The provider, by name or alias; without it, the one of the configuration.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Folder of the configuration files.
    #[arg(long, value_name = "DIR", default_value = "config", env = "ANIMA_CONFIG")]
    config: PathBuf,
    /// Which `<profile>.toml` changes `base.toml`.
    #[arg(long, value_name = "NAME", default_value = "local", env = "ANIMA_PROFILE")]
    profile: String,
}

/// A provider that is ready.
pub(super) struct Ready {
    pub(super) settings: Settings,
    pub(super) registry: Registry,
    pub(super) entry: Entry,
    /// Its name in the configuration.
    pub(super) name: String,
    pub(super) kind: String,
}

impl Configured {
    /// The settings with the chosen provider alone: no other one is loaded, and none steps in for it.
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::load(&self.config, &self.profile, &Overrides::default())?;
        // Lines of a log would run through the bar.
        if settings.telemetry.log == "info" {
            "warn".clone_into(&mut settings.telemetry.log);
        }
        let wanted = self.provider.as_ref().unwrap_or(&settings.turn.provider);
        let chosen = settings
            .enabled_providers()
            .find(|(name, provider)| *name == wanted || provider.aliases.contains(wanted))
            .map(|(name, _)| name.clone());
        let Some(name) = chosen else {
            let known = settings.enabled_providers().map(|(name, _)| name.as_str());
            bail!(unknown_name("provider", wanted, known.collect::<Vec<_>>().into_iter()));
        };
        settings.providers.retain(|known, _| *known == name);
        settings.turn.fallback.clear();
        settings.turn.provider = name;
        Ok(settings)
    }

    /// Makes the provider of these settings ready; Ctrl-C ends the waiting.
    pub(super) async fn load(settings: Settings) -> anyhow::Result<Ready> {
        telemetry::install(&settings.telemetry)?;
        let registry = tokio::select! {
            registry = Registry::load(&settings) => registry?,
            pressed = ctrl_c() => {
                pressed?;
                bail!("interrupted before the provider was ready");
            }
        };
        let name = settings.turn.provider.clone();
        let Some(entry) = registry.pick(None)?.into_iter().next() else {
            bail!("the provider {name} is not there");
        };
        let kind = settings.providers.get(&name).map(|provider| provider.kind.clone());
        Ok(Ready { settings, registry, entry, name, kind: kind.unwrap_or_default() })
    }
}
