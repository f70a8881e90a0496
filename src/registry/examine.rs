//! A look at a provider before anybody stands on it: its settings, its keys, its model's files.

use std::{path::Path, sync::Arc};

use anima_provider::Provider;

use super::{
    RegistryError,
    build::{LOCAL, build_light, vet_local},
    memory,
};
use crate::settings::ProviderSettings;

/// What a look at a provider found.
pub enum Examined {
    /// It can be asked.
    Ready(Arc<dyn Provider>),
    /// It can be loaded.
    Model {
        /// What its files of weights hold, in bytes.
        bytes: u64,
    },
}

/// Looks whether a provider could be made ready, without loading a model or asking a server.
///
/// # Errors
/// Why it could not.
pub fn examine(
    name: &str,
    settings: &ProviderSettings,
    home: &Path,
) -> Result<Examined, RegistryError> {
    if settings.kind != LOCAL {
        let made = build_light(name, settings, home)?;
        return Ok(Examined::Ready(made.provider));
    }
    vet_local(name, settings, home)?;
    memory::check(settings, home)
        .map_err(|error| RegistryError::Load { name: name.to_owned(), source: error.into() })?;
    let model = settings.options.get("model").and_then(|model| model.as_str());
    Ok(Examined::Model { bytes: memory::stored(&home.join(model.unwrap_or_default())) })
}
