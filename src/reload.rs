//! A changed configuration takes effect in a running service: read whole, checked whole, exchanged
//! as one, or not at all.

mod difference;
mod files;
mod report;
mod watch;

use std::{future::pending, path::Path, sync::Arc};

use anima_provider::Provider;
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Mutex,
    task::spawn_blocking,
};
use tracing::{debug, error, info, warn};

use crate::{
    access::Gate,
    knowledge::Shelves,
    registry::{Coming, Pool, RegistryError, load, retire},
    settings::{AskSettings, Settings, SettingsError},
    turn::{
        TurnError,
        pipeline::{Conversation, Lineup},
        prompt::{PromptError, Prompts},
    },
};
use report::tell;
use watch::{Places, Watch};

pub use report::Report;

/// Why a changed configuration cannot take effect. Everything is as it was.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// The configuration files.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The prompts folder.
    #[error(transparent)]
    Prompts(#[from] PromptError),
    /// A provider.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The service was not made of files.
    #[error("this service was not made of configuration files")]
    Fixed,
    /// It was given up.
    #[error("the reload was given up")]
    GivenUp,
}

/// Brings changes of the configuration into the running service.
pub struct Reloader {
    conversation: Arc<Conversation>,
    gate: Arc<Gate>,
    state: Mutex<State>,
    /// Held while a model is loaded: one at a time, each with the memory that the others leave.
    loader: Mutex<()>,
}

/// What is in effect.
struct State {
    settings: Settings,
    /// Those that the service was started with.
    started: Settings,
    pool: Pool,
    /// The content of the prompts folder, in short.
    prompts: u64,
    /// Whom somebody has made the default since the configuration was last changed.
    switched: Option<String>,
}

impl State {
    /// Whom the configuration or somebody since wants to answer by default.
    fn default(&self) -> &str {
        self.switched.as_deref().unwrap_or_else(|| self.settings.default_provider())
    }
}

/// What a service begins with: whoever answers, and what is needed to change that later.
pub(crate) struct Beginning {
    lineup: Lineup,
    state: State,
}

impl Beginning {
    /// Makes every provider of the settings ready.
    ///
    /// # Errors
    /// When one cannot be used, or a persona names one that is not there.
    pub(crate) async fn load(settings: &Settings, prompts: Prompts) -> Result<Self, ReloadError> {
        // They open while models are loaded.
        let knowledge = Shelves::open(settings, &prompts, None);
        let mut pool = Pool::fill(settings).await?;
        let default = settings.default_provider();
        let registry = pool.registry(&Pool::default(), settings, default, default);
        let (persona, asking) = (&settings.turn.persona, settings.turn.asking());
        let lineup = Lineup::new(registry, Arc::new(prompts), persona, asking)?
            .with_check(settings.check.clone())?
            .with_knowledge(knowledge)?;
        let prompts = files::content_of(&settings.resolve(&settings.turn.prompts));
        let (started, settings) = (settings.clone(), settings.clone());
        let state = State { settings, started, pool, prompts, switched: None };
        Ok(Self { lineup, state })
    }

    /// A conversation that begins with this, and what brings changes into it and into the `gate`.
    /// `change` finishes the conversation.
    pub(crate) fn begin(
        self,
        gate: Arc<Gate>,
        change: impl FnOnce(Conversation) -> Conversation,
    ) -> (Arc<Conversation>, Arc<Reloader>) {
        let conversation = Arc::new(change(Conversation::new(self.lineup)));
        let (state, loader) = (Mutex::new(self.state), Mutex::default());
        (Arc::clone(&conversation), Arc::new(Reloader { conversation, gate, state, loader }))
    }
}

impl Reloader {
    /// Reads the configuration again and lets it take effect.
    ///
    /// Returns when everything but local models is there; those are loaded one after the other, and
    /// take effect as they come.
    ///
    /// # Errors
    /// What is wrong with the configuration; nothing has changed then.
    pub async fn reload(self: &Arc<Self>) -> Result<Report, ReloadError> {
        let outcome = self.exchange().await;
        let label = match &outcome {
            Ok(Report { changed: false, .. }) => "unchanged",
            Ok(_) => "changed",
            Err(_) => "refused",
        };
        metrics::counter!("anima_reloads_total", "outcome" => label).increment(1);
        match &outcome {
            Ok(report) if report.changed || !report.needs_restart.is_empty() => tell(report),
            Ok(_) => debug!("The configuration is as it was"),
            Err(error) => warn!(%error, "The configuration stays as it was: {error}"),
        }
        outcome
    }

    async fn exchange(self: &Arc<Self>) -> Result<Report, ReloadError> {
        let mut state = self.state.lock().await;
        let before = state.settings.clone();
        let read = spawn_blocking(move || {
            let settings = before.read_again()?;
            let folder = settings.resolve(&settings.turn.prompts);
            Ok::<_, ReloadError>((Prompts::load(&folder)?, files::content_of(&folder), settings))
        });
        let (prompts, content, settings) = read.await.map_err(|_| ReloadError::GivenUp)??;
        let access = self.gate.next(&settings)?;
        let needs_restart = difference::needs_restart(&state.started, &settings);
        let (mut pool, difference) = state.pool.next(&settings)?;
        // Whoever was made the default by hand stays it until the configuration says otherwise.
        let same_default = settings.turn.provider == state.settings.turn.provider;
        let switched = state.switched.clone().filter(|_| same_default);
        let switched =
            switched.filter(|name| settings.providers.get(name).is_some_and(|it| it.enabled));
        let lineup = self.conversation.lineup();
        let current = lineup.registry().default_name();
        let wanted = switched.as_deref().unwrap_or_else(|| settings.default_provider()).to_owned();
        let registry = pool.registry(&state.pool, &settings, &wanted, current);
        let default = registry.default_name().to_owned();
        let asking = settings.turn.asking();
        let knowledge = Shelves::open(&settings, &prompts, Some(lineup.knowledge()));
        let next = Lineup::new(registry, Arc::new(prompts), &settings.turn.persona, asking)?
            .with_check(settings.check.clone())?
            .with_knowledge(knowledge)?;
        let report = Report {
            changed: !difference.is_none()
                || content != state.prompts
                || default != current
                || access.is_different()
                || is_different(&state.settings, &settings),
            prompts: content != state.prompts,
            default_when_loaded: (wanted != default).then_some(wanted),
            default,
            needs_restart,
            ..Report::of(&difference)
        };
        self.conversation.exchange(next);
        access.take_effect();
        self.let_go(state.pool.gone(&pool));
        let started = state.started.clone();
        *state = State { settings, started, pool, prompts: content, switched };
        if !difference.loading.is_empty() {
            let reloader = Arc::clone(self);
            // It ends with the last model; a service that ends does not wait for it.
            let runtime = self.conversation.runtime();
            runtime.spawn(async move { reloader.load_all(difference.loading).await });
        }
        Ok(report)
    }

    /// Lets another provider answer by default, until the configuration's own default changes.
    ///
    /// # Errors
    /// When there is no such provider, or its model is not there yet.
    pub async fn switch(&self, name: &str) -> Result<String, TurnError> {
        let mut state = self.state.lock().await;
        let lineup = self.conversation.lineup();
        let name = lineup.registry().resolve(name)?.to_owned();
        state.switched = Some(name.clone());
        let before = state.pool.clone();
        self.arrange(&mut state, &before);
        info!(provider.name = name, "{name} answers by default now");
        Ok(name)
    }

    /// Puts the pool of the state in effect, in the place of the one before.
    fn arrange(&self, state: &mut State, before: &Pool) {
        let lineup = self.conversation.lineup();
        let (wanted, current) = (state.default().to_owned(), lineup.registry().default_name());
        let registry = state.pool.registry(before, &state.settings, &wanted, current);
        self.conversation.exchange(lineup.with_registry(registry));
        self.let_go(before.gone(&state.pool));
    }

    /// Lets go of providers that nobody is to ask any more.
    fn let_go(&self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) {
        for provider in providers {
            // The task owns nothing but the provider, and ends when the last turn has left it.
            self.conversation.runtime().spawn(retire(provider));
        }
    }

    /// Loads models one after the other, each of which takes effect when it is there.
    async fn load_all(&self, coming: Vec<Arc<Coming>>) {
        for coming in coming {
            let _turn = self.loader.lock().await;
            let home = {
                let state = self.state.lock().await;
                if !state.pool.awaits(&coming) {
                    continue;
                }
                state.settings.home.clone()
            };
            let name = &coming.name;
            info!(provider.name = name, bytes = coming.bytes, "Loading the model of {name}");
            match load(&coming, home).await {
                Ok(made) => {
                    let mut state = self.state.lock().await;
                    let before = state.pool.clone();
                    match state.pool.arrived(&coming, made) {
                        None => {
                            self.arrange(&mut state, &before);
                            info!(provider.name = name, "{name} is ready");
                        }
                        Some(unwanted) => self.let_go([unwanted]),
                    }
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    error!(provider.name = name, error = format!("{error:#}"), "{error:#}");
                }
            }
        }
    }

    /// Reloads whenever a file of the configuration changes or a hangup signal comes. Never ends.
    pub async fn follow(self: Arc<Self>) {
        let mut watch = Watch::new();
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            // What has changed before a folder was watched nobody tells.
            if !watch.look_at(&self.places().await) {
                tokio::select! {
                    () = watch.changed() => {}
                    () = hung_up(&mut hangup) => {}
                }
            }
            // Whether it went well is told by the reload itself.
            let _ = self.reload().await;
        }
    }

    /// Where something that matters may change.
    async fn places(&self) -> Places {
        let state = self.state.lock().await;
        let mut folders = files::folders(&state.settings.resolve(&state.settings.turn.prompts));
        folders.push(state.settings.source.folder.clone());
        let home = &state.settings.home;
        let keys = state.settings.keys.values().filter_map(|key| key.key_file.as_ref());
        let keys = keys.map(|file| home.join(file));
        let files = state.pool.files().map(Path::to_owned).chain(keys).collect();
        Places { folders: folders.into_iter().collect(), files }
    }
}

/// Whether who is asked, and how, is different in ways that make no provider different.
fn is_different(before: &Settings, after: &Settings) -> bool {
    let asked = |settings: &Settings| -> (AskSettings, Vec<String>, String, Vec<_>) {
        let turn = &settings.turn;
        let providers = settings.enabled_providers().map(|(name, provider)| {
            (name.clone(), provider.aliases.clone(), provider.first_token_ms)
        });
        (turn.asking(), turn.fallback.clone(), turn.persona.clone(), providers.collect())
    };
    asked(before) != asked(after)
        || before.check != after.check
        || before.knowledge != after.knowledge
}

/// Waits for the next hangup signal, for ever where there is none.
async fn hung_up(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    pending::<()>().await;
}
