//! Every provider there is: those that are ready, those whose models are being loaded, and those
//! that are on their way out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anima_provider::Provider;
use tokio::{task::spawn_blocking, time::sleep};
use tracing::info;

use super::{
    Registry, RegistryError,
    build::{LOCAL, Made, build, build_light, vet_local},
    memory,
};
use crate::settings::{ProviderSettings, Settings};

/// How often it is looked whether a provider that was taken out is still in use.
const LOOK: Duration = Duration::from_millis(100);

/// A model that is to be loaded, is being loaded, or could not be.
#[derive(Debug)]
pub struct Coming {
    /// The provider.
    pub name: String,
    /// The size of its files, in bytes.
    pub bytes: u64,
    settings: ProviderSettings,
    phase: Mutex<Phase>,
}

/// How far a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Another one is loaded first.
    Waiting,
    /// It is being loaded.
    Loading {
        /// Since when.
        since: Instant,
    },
    /// It could not be loaded.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Coming {
    fn new(name: &str, settings: &ProviderSettings, home: &Path) -> Self {
        let model = settings.options.get("model").and_then(|model| model.as_str());
        Self {
            name: name.to_owned(),
            bytes: memory::stored(&home.join(model.unwrap_or_default())),
            settings: settings.clone(),
            phase: Mutex::new(Phase::Waiting),
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn is_of(&self, settings: &ProviderSettings) -> bool {
        self.settings.kind == settings.kind && self.settings.options == settings.options
    }
}

/// The providers of one configuration. A clone shares them.
#[derive(Clone, Default)]
pub(crate) struct Pool {
    made: BTreeMap<String, Made>,
    coming: BTreeMap<String, Arc<Coming>>,
}

/// How a pool differs from the one before.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// Those whose models somebody has to load now.
    pub(crate) loading: Vec<Arc<Coming>>,
}

impl Difference {
    /// Whether everything is as it was.
    pub(crate) fn is_none(&self) -> bool {
        self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
            && self.loading.is_empty()
    }
}

impl Pool {
    /// Makes every provider of the settings ready; local models are loaded here.
    ///
    /// # Errors
    /// The first provider that cannot be used, and why.
    pub(crate) async fn fill(settings: &Settings) -> Result<Self, RegistryError> {
        let mut pool = Self::default();
        for (name, provider) in settings.enabled_providers() {
            pool.made.insert(name.clone(), build(name, provider, &settings.home).await?);
        }
        Ok(pool)
    }

    /// The pool of other settings. Providers that stay the same are taken over; a local model that is
    /// new or has changed is coming, and until it is there an older one of its name goes on.
    ///
    /// # Errors
    /// The first provider that cannot be used, and why; nothing has changed then.
    pub(crate) fn next(&self, settings: &Settings) -> Result<(Self, Difference), RegistryError> {
        let (mut next, mut difference) = (Self::default(), Difference::default());
        for (name, provider) in settings.enabled_providers() {
            let before = self.made.get(name);
            if let Some(same) = before.filter(|made| made.is_of(provider)) {
                next.made.insert(name.clone(), same.clone());
                continue;
            }
            if provider.kind == LOCAL {
                vet_local(name, provider, &settings.home)?;
                next.expect(self, name, provider, &settings.home, &mut difference);
                next.made.extend(before.map(|made| (name.clone(), made.clone())));
                continue;
            }
            next.made.insert(name.clone(), build_light(name, provider, &settings.home)?);
            let known = before.is_some() || self.coming.contains_key(name);
            if known { &mut difference.changed } else { &mut difference.added }.push(name.clone());
        }
        let known: BTreeSet<_> = self.made.keys().chain(self.coming.keys()).collect();
        let stays = |name: &str| next.made.contains_key(name) || next.coming.contains_key(name);
        difference.removed = known.into_iter().filter(|name| !stays(name)).cloned().collect();
        Ok((next, difference))
    }

    /// Enters a model that is to be loaded, unless that goes on already.
    fn expect(
        &mut self,
        before: &Self,
        name: &str,
        settings: &ProviderSettings,
        home: &Path,
        difference: &mut Difference,
    ) {
        let known = before.coming.get(name).filter(|coming| {
            coming.is_of(settings) && !matches!(coming.phase(), Phase::Failed { .. })
        });
        let coming = known.cloned().unwrap_or_else(|| {
            let coming = Arc::new(Coming::new(name, settings, home));
            difference.loading.push(Arc::clone(&coming));
            coming
        });
        self.coming.insert(name.to_owned(), coming);
    }

    /// Whether a model is still waited for.
    pub(crate) fn awaits(&self, coming: &Arc<Coming>) -> bool {
        self.coming.get(&coming.name).is_some_and(|now| Arc::ptr_eq(now, coming))
    }

    /// Takes a model in that has been loaded, or gives it back when it is not waited for any more.
    pub(crate) fn arrived(
        &mut self,
        coming: &Arc<Coming>,
        made: Made,
    ) -> Option<Arc<dyn Provider>> {
        if !self.awaits(coming) {
            return Some(made.provider);
        }
        self.coming.remove(&coming.name);
        self.made.insert(coming.name.clone(), made);
        None
    }

    /// Who answers under these settings. `default` is whom they want to answer by default; while its
    /// model is being loaded that is `current`, even where the settings do without it.
    pub(crate) fn registry(
        &mut self,
        before: &Self,
        settings: &Settings,
        default: &str,
        current: &str,
    ) -> Registry {
        let default = if self.made.contains_key(default) { default } else { current };
        if let Some(kept) = before.made.get(default).filter(|_| !self.made.contains_key(default)) {
            self.made.insert(default.to_owned(), kept.clone());
        }
        self.made.retain(|name, _| {
            name == default || settings.providers.get(name).is_some_and(|provider| provider.enabled)
        });
        let entries = self.made.iter().map(|(name, made)| {
            // One that is kept although the settings do without it has none of its own.
            let entry = settings
                .providers
                .get(name)
                .map_or_else(|| made.kept(), |settings| made.entry(settings));
            (name.clone(), entry)
        });
        let aliases = settings.enabled_providers().flat_map(|(name, provider)| {
            provider.aliases.iter().map(|alias| (alias.clone(), name.clone()))
        });
        Registry {
            entries: entries.collect(),
            aliases: aliases.collect(),
            default: default.to_owned(),
            fallback: settings.turn.fallback.clone(),
            coming: self.coming.clone(),
        }
    }

    /// The files that the providers were made of, beside their models.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.made.values().flat_map(Made::files)
    }

    /// The providers that are no longer in `next`.
    pub(crate) fn gone(&self, next: &Self) -> Vec<Arc<dyn Provider>> {
        let stays = |made: &Made| {
            next.made.values().any(|other| Arc::ptr_eq(&made.provider, &other.provider))
        };
        let gone = self.made.values().filter(|made| !stays(made));
        gone.map(|made| Arc::clone(&made.provider)).collect()
    }
}

/// Loads a model that is coming. What comes of it stands in its phase, too.
///
/// # Errors
/// When it cannot be loaded.
pub(crate) async fn load(coming: &Coming, home: PathBuf) -> Result<Made, RegistryError> {
    coming.set(Phase::Loading { since: Instant::now() });
    let loaded = build(&coming.name, &coming.settings, &home).await;
    if let Err(error) = &loaded {
        coming.set(Phase::Failed { reason: reasons(error) });
    }
    loaded
}

/// An error with everything that it comes from.
fn reasons(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Lets go of a provider once no turn uses it, off the threads that turns run on: freeing a model
/// takes a while.
pub(crate) async fn retire(provider: Arc<dyn Provider>) {
    while Arc::strong_count(&provider) > 1 {
        sleep(LOOK).await;
    }
    let name = provider.name().to_owned();
    // It fails only when dropping panics, and then there is nothing left to do.
    let _ = spawn_blocking(move || drop(provider)).await;
    info!(provider.name = name, "{name} is let go of");
}
