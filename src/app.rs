//! The service as a whole: it binds, wires, serves and drains.

mod certificate;
mod fay;

use std::{
    fs,
    future::pending,
    io, iter,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    body::MessageBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{Data, ServiceConfig},
};
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tracing::info;

use certificate::Certificate;
use fay::Fay;

use crate::{
    access::Gate,
    avatars::livetalking::Drivers,
    history::{
        HistoryStore,
        embedded::{EmbeddedOptions, EmbeddedStore},
        redis::{RedisOptions, RedisStore},
    },
    knowledge::Shelves,
    quotas,
    registry::Registry,
    reload::{Beginning, Reloader},
    session::Directory,
    settings::{HistorySettings, Settings, StoreKind, TlsSettings},
    surface::{
        self, Admin, Door, House, Service, Stage,
        connection::{self, Connections},
    },
    telemetry,
    turn::{
        pipeline::{Conversation, Lineup},
        prompt::Prompts,
    },
};

/// How long a client may take over the handshake of TLS.
const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// How long a request that has begun may still take when the service ends, in seconds.
const LAST_REQUESTS_SECONDS: u64 = 5;

/// A service that is bound and wired, and does not run yet.
pub struct Application {
    address: SocketAddr,
    secure: Vec<SocketAddr>,
    certificate: Option<Certificate>,
    server: Server,
    fay: Option<Fay>,
    directory: Directory,
    service: watch::Sender<Service>,
    patience: Duration,
    metrics: PrometheusHandle,
    reloader: Option<Arc<Reloader>>,
    gate: Arc<Gate>,
}

impl Application {
    /// Binds the ports, opens the store and loads the models, the quick things first. Must be
    /// called on the runtime that turns are to run on.
    ///
    /// # Errors
    /// When any of it fails; the message says what and where.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let Ground { doors, prompts, store } = Ground::prepare(&settings)?;
        let max_turns = settings.server.max_turns;
        let gate = Arc::new(Gate::new(&settings)?);
        let beginning = Beginning::load(&settings, prompts).await?;
        let (conversation, reloader) =
            beginning.begin(Arc::clone(&gate), |it| it.with_max_turns(max_turns));
        Self::wire(settings, doors, store, conversation, gate, Some(reloader))
    }

    /// The same with providers that are ready already.
    ///
    /// # Errors
    /// As [`Application::build`].
    pub fn with_registry(settings: Settings, registry: Registry) -> anyhow::Result<Self> {
        let Ground { doors, prompts, store } = Ground::prepare(&settings)?;
        let (persona, asking) = (&settings.turn.persona, settings.turn.asking());
        let knowledge = Shelves::open(&settings, &prompts, None);
        let lineup = Lineup::new(registry, Arc::new(prompts), persona, asking)?
            .with_check(settings.check.clone())?
            .with_knowledge(knowledge)?;
        let conversation = Conversation::new(lineup).with_max_turns(settings.server.max_turns);
        let gate = Arc::new(Gate::new(&settings)?);
        Self::wire(settings, doors, store, Arc::new(conversation), gate, None)
    }

    fn wire(
        settings: Settings,
        doors: Doors,
        store: Arc<dyn HistoryStore>,
        conversation: Arc<Conversation>,
        gate: Arc<Gate>,
        reloader: Option<Arc<Reloader>>,
    ) -> anyhow::Result<Self> {
        let metrics = telemetry::install_metrics()?;
        let admin = Admin::new(settings.admin_key()?, reloader.clone());
        let door = Door::new(Arc::clone(&gate), &settings.access);
        let directory = Directory::new(
            store,
            Arc::clone(&conversation),
            settings.session.clone(),
            settings.history.when_unavailable,
        );
        let stage = Stage::new(&settings)?;
        let livetalking = settings.avatars.livetalking.as_ref().map(Drivers::new).transpose()?;
        let service = watch::Sender::new(Service::Open);
        let Doors { listeners, secure_listeners, certificate, fay } = doors;
        let address = listeners[0].local_addr()?;
        let secure =
            secure_listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let patience = Duration::from_millis(settings.server.drain_ms);
        let connections = Connections::new(settings.server.max_http_connections);
        let acceptable = settings.server.max_connections
            + settings.server.max_http_connections
            + connection::REFUSABLE;
        let house = House::new(
            directory.clone(),
            conversation,
            settings.server,
            metrics.clone(),
            service.subscribe(),
            admin,
            door,
        );
        let house = house.with_stage(stage).with_livetalking(livetalking);
        let serve = |listener| Fay::serve(listener, &house, &connections, acceptable);
        let fay = fay.map(serve).transpose()?;
        let house = Data::new(house);
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut server = HttpServer::new(move || guarded(house.clone(), surface::routes))
            .workers(workers)
            .max_connections(acceptable.div_ceil(workers))
            .on_connect({
                let connections = connections.clone();
                move |stream, data| connections.admit(stream, data)
            })
            // Without this a stream of small frames stalls for 40 ms at a time.
            .tcp_nodelay(true)
            .h1_write_buffer_size(connection::WRITE_BUFFER)
            .h1_allow_half_closed(false)
            .tls_handshake_timeout(TLS_HANDSHAKE)
            .disable_signals()
            .shutdown_timeout(LAST_REQUESTS_SECONDS);
        // It ends when the last connection and the server are gone.
        tokio::spawn(connections.sweep());
        for listener in listeners {
            server = server.listen(listener)?;
        }
        if let Some(certificate) = &certificate {
            let config = certificate.server_config()?;
            for listener in secure_listeners {
                server = server.listen_rustls_0_23(listener, config.clone())?;
            }
        }
        let server = server.run();
        Ok(Self {
            address,
            secure,
            certificate,
            server,
            fay,
            directory,
            service,
            patience,
            metrics,
            reloader,
            gate,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for TLS.
    pub fn secure_addresses(&self) -> &[SocketAddr] {
        &self.secure
    }

    /// Where it listens for avatars of Fay.
    pub fn fay_address(&self) -> Option<SocketAddr> {
        self.fay.as_ref().map(|fay| fay.address)
    }

    /// Serves until `stop` comes, then ends without losing anything: clients are told, running
    /// turns go on for a while, and what they leave behind is in the store.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        quotas::begin(&self.gate, self.directory.store()).await;
        let handle = self.server.handle();
        let mut server = tokio::spawn(self.server);
        let fay = self.fay.map(|fay| (fay.server.handle(), tokio::spawn(fay.server)));
        let (fay, fay_server) = fay.unzip();
        tokio::select! {
            ended = &mut server => return ended?,
            () = stop => {}
            () = telemetry::keep_up(self.metrics) => {}
            () = follow(self.reloader) => {}
            () = quotas::keep(&self.gate, self.directory.store()) => {}
            () = follow_certificate(self.certificate) => {}
        }
        info!("Shutting down: running turns have {} ms", self.patience.as_millis());
        self.service.send_replace(Service::Draining);
        self.directory.drain(self.patience).await;
        quotas::settle(&self.gate, self.directory.store()).await;
        self.service.send_replace(Service::Ended);
        handle.stop(true).await;
        if let (Some(handle), Some(server)) = (fay, fay_server) {
            handle.stop(true).await;
            server.await??;
        }
        server.await?
    }
}

/// Brings changes of the configuration into the service. Never ends.
async fn follow(reloader: Option<Arc<Reloader>>) {
    match reloader {
        Some(reloader) => reloader.follow().await,
        None => pending().await,
    }
}

/// Brings changes of the certificate into the listeners. Never ends.
async fn follow_certificate(certificate: Option<Certificate>) {
    match certificate {
        Some(certificate) => certificate.follow().await,
        None => pending().await,
    }
}

/// Where a service listens.
struct Doors {
    /// The one that the service is known by comes first.
    listeners: Vec<TcpListener>,
    /// Those that speak TLS; none without a certificate.
    secure_listeners: Vec<TcpListener>,
    certificate: Option<Certificate>,
    /// The one for avatars of Fay.
    fay: Option<TcpListener>,
}

impl Doors {
    fn open(settings: &Settings) -> anyhow::Result<Self> {
        let bind = |wanted: &SocketAddr| {
            TcpListener::bind(wanted)
                .with_context(|| format!("cannot listen on {wanted}; is another service there?"))
        };
        let first = SocketAddr::new(settings.server.host, settings.server.port);
        let plain = iter::once(&first).chain(&settings.server.listen);
        let tls = settings.server.tls.as_ref();
        let load = |tls: &TlsSettings| Certificate::load(tls, settings);
        Ok(Self {
            certificate: tls.map(load).transpose()?,
            listeners: plain.map(bind).collect::<anyhow::Result<_>>()?,
            secure_listeners: tls
                .iter()
                .flat_map(|tls| &tls.listen)
                .map(bind)
                .collect::<anyhow::Result<_>>()?,
            fay: settings.avatars.fay.iter().map(|fay| bind(&fay.listen)).next().transpose()?,
        })
    }
}

/// What a service stands on, ready in an instant; whatever is wrong with it is said before a model
/// is loaded for minutes.
struct Ground {
    doors: Doors,
    prompts: Prompts,
    store: Arc<dyn HistoryStore>,
}

impl Ground {
    fn prepare(settings: &Settings) -> anyhow::Result<Self> {
        let prompts = Prompts::load(&settings.resolve(&settings.turn.prompts))?;
        prompts.persona(&settings.turn.persona).context("turn.persona")?;
        let doors = Doors::open(settings)?;
        Ok(Self { doors, prompts, store: open_store(settings)? })
    }
}

/// The application behind a listener: what every request passes, and then these routes.
fn guarded(
    house: Data<House>,
    routes: fn(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(house)
        .wrap(from_fn(surface::access::guard))
        .wrap(from_fn(surface::origin::guard))
        .wrap(from_fn(surface::panic_guard::guard))
        .wrap(from_fn(connection::watch))
        .configure(routes)
}

fn open_store(settings: &Settings) -> anyhow::Result<Arc<dyn HistoryStore>> {
    match settings.history.store {
        StoreKind::Embedded => open_embedded(settings),
        StoreKind::Redis => open_redis(&settings.history),
    }
}

/// The store that the settings describe, which need not be reachable yet.
pub(crate) fn open_redis(settings: &HistorySettings) -> anyhow::Result<Arc<dyn HistoryStore>> {
    let options = RedisOptions {
        url: settings.redis.url.secret().clone(),
        username: settings.redis.username.clone(),
        password: settings.redis.password.clone(),
        prefix: settings.redis.prefix.clone(),
        deadline: Duration::from_millis(settings.redis.deadline_ms),
        lease: Duration::from_millis(settings.redis.lease_ms),
        ttl: ttl(settings),
        max_exchanges: settings.max_exchanges,
    };
    Ok(Arc::new(RedisStore::open(&options).context("history.redis.url")?))
}

fn open_embedded(settings: &Settings) -> anyhow::Result<Arc<dyn HistoryStore>> {
    let folder = settings.resolve(&settings.history.data);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let options = EmbeddedOptions {
        ttl: ttl(&settings.history),
        max_exchanges: settings.history.max_exchanges,
        ..EmbeddedOptions::default()
    };
    let path = folder.join("history.redb");
    let store = EmbeddedStore::open(&path, options)
        .with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Arc::new(store))
}

fn ttl(settings: &HistorySettings) -> Duration {
    Duration::from_secs(u64::from(settings.ttl_days) * 24 * 60 * 60)
}
