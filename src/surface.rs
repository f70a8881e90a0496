//! The route table: one thin adapter for each wire protocol.
//!
//! | path | adapter |
//! |---|---|
//! | `GET /ws` | `socket`: the native WebSocket |
//! | `/v1/sessions…` | `rest`: its REST twin; `…/livetalking`: the avatar of a session |
//! | `POST /v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/models` | `openai`: the calls of `OpenAI`'s API |
//! | `POST /generate` | `generate`: the calls of vLLM's old server, and of a text generator |
//! | `GET /v1/realtime` | `realtime`: `OpenAI`'s Realtime API, in text |
//! | `GET /client-ws` | `vtuber`: the web client of Open-LLM-VTuber |
//! | `GET /` and others, on a listener of its own | `fay`: avatars of Fay |
//! | `/live2d-models/…` `/bg/…` `/avatars/…` `/vtuber/…` | `files`: what that client loads |
//! | `POST /`, `/llm_response/`, `/llm_change_model/` | `linly`: the calls of Linly-Talker |
//! | `GET /`, `/static/…` | `front`: the page |
//! | `/healthz` `/readyz` `/metrics` | `operations` |
//! | `/admin/…` | `admin`: for operators |
//! | `/openapi.json` `/asyncapi.json` `/docs` | `documents`: all of this, described |
//!
//! An adapter has wire structs, two conversions and short handlers. Whatever needs a decision is
//! decided in `turn` or `session`.

pub mod access;
mod admin;
mod answers;
mod body;
mod checked;
pub mod connection;
mod cors;
mod documents;
mod error;
pub mod fay;
mod files;
mod frame_guard;
mod frames;
mod front;
mod generate;
mod linly;
mod openai;
mod operations;
pub mod origin;
pub mod panic_guard;
mod parameters;
mod realtime;
mod request;
mod rest;
mod scalar;
mod seat;
mod socket;
mod vtuber;
mod wire;

pub use access::Door;
pub use admin::Admin;
pub use vtuber::Stage;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::{
    avatars::livetalking::Drivers, pictures::PictureFetcher, session::Directory,
    settings::ServerSettings, turn::pipeline::Conversation,
};

/// What the adapters share.
#[derive(Clone)]
pub struct House {
    /// The sessions.
    pub directory: Directory,
    /// Answers turns that belong to no session.
    pub conversation: Arc<Conversation>,
    /// Limits of the wire.
    pub server: ServerSettings,
    /// The metrics, as text.
    pub metrics: PrometheusHandle,
    /// How the service stands.
    pub service: watch::Receiver<Service>,
    /// Open sockets.
    sockets: Arc<AtomicUsize>,
    /// What operators may do.
    admin: Admin,
    /// Where callers come in.
    door: Door,
    /// Whom callers of Linly-Talker's APIs get.
    linly: linly::Selected,
    /// Fetches what callers show by its address.
    pictures: Arc<PictureFetcher>,
    /// What clients of Open-LLM-VTuber are shown.
    stage: Arc<Stage>,
    /// The avatars at `LiveTalking`, where it is configured.
    livetalking: Option<Arc<Drivers>>,
}

impl House {
    /// What the adapters share of a service that has just been wired.
    pub fn new(
        directory: Directory,
        conversation: Arc<Conversation>,
        server: ServerSettings,
        metrics: PrometheusHandle,
        service: watch::Receiver<Service>,
        admin: Admin,
        door: Door,
    ) -> Self {
        let (sockets, linly) = (Arc::default(), linly::Selected::default());
        let pictures = Arc::new(PictureFetcher::new(server.images.clone()));
        let stage = Arc::default();
        Self {
            directory,
            conversation,
            server,
            metrics,
            service,
            sockets,
            admin,
            door,
            linly,
            pictures,
            stage,
            livetalking: None,
        }
    }

    /// The same for a listener at another address, where nothing is open to everybody.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        let mut house = self.clone();
        (house.server.host, house.server.port) = (address.ip(), address.port());
        (house.server.listen, house.server.tls) = (Vec::new(), None);
        house.door = house.door.with_nothing_open();
        house
    }

    /// The same with something to show.
    #[must_use]
    pub fn with_stage(self, stage: Stage) -> Self {
        Self { stage: Arc::new(stage), ..self }
    }

    /// The same with avatars at `LiveTalking`, where there are any.
    #[must_use]
    pub fn with_livetalking(self, drivers: Option<Drivers>) -> Self {
        Self { livetalking: drivers.map(Arc::new), ..self }
    }
}

/// How the service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// It serves.
    Open,
    /// It is about to end: no new turns.
    Draining,
    /// Every turn has ended.
    Ended,
}

/// Counts an open socket for as long as it lives.
struct SocketPlace(Arc<AtomicUsize>);

impl SocketPlace {
    /// A place, unless all are taken.
    fn take(house: &House) -> Option<Self> {
        let place = Self(Arc::clone(&house.sockets));
        let taken = house.sockets.fetch_add(1, Ordering::SeqCst);
        metrics::gauge!("anima_open_sockets").increment(1);
        (taken < house.server.max_connections).then_some(place)
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        metrics::gauge!("anima_open_sockets").decrement(1);
    }
}

/// Adds every route.
pub fn routes(config: &mut ServiceConfig) {
    config
        .app_data(web::QueryConfig::default().error_handler(error::invalid_query))
        .service(
            web::resource("/")
                .route(web::get().to(front::page))
                .route(web::head().to(front::page))
                .route(web::post().to(linly::answer))
                .default_service(web::to(error::method_not_allowed)),
        )
        .service(
            resource("/static/{path:.*}", web::get().to(front::file))
                .route(web::head().to(front::file)),
        )
        .service(resource("/ws", web::get().to(socket::open)))
        .service(resource("/v1/realtime", web::get().to(realtime::open)))
        .service(resource("/client-ws", web::get().to(vtuber::open)))
        .configure(files::routes)
        .service(resource("/llm_response{slash:/?}", web::post().to(linly::talker::answer)))
        .service(resource("/llm_change_model{slash:/?}", web::post().to(linly::talker::change)))
        .service(
            resource("/generate", web::post().to(generate::answer))
                .route(web::method(Method::OPTIONS).to(generate::preflight)),
        )
        .service(resource("/health", web::get().to(operations::alive)))
        .configure(rest::routes)
        .configure(openai::routes)
        .service(
            resource("/healthz", web::get().to(operations::health))
                .route(web::head().to(operations::health)),
        )
        .service(
            resource("/readyz", web::get().to(operations::ready))
                .route(web::head().to(operations::ready)),
        )
        .service(resource("/metrics", web::get().to(operations::metrics)))
        .service(resource("/admin/providers", web::get().to(admin::providers)))
        .service(resource("/admin/provider", web::post().to(admin::change)))
        .service(resource("/admin/reload", web::post().to(admin::reload)))
        .service(resource("/openapi.json", web::get().to(documents::openapi)))
        .service(resource("/asyncapi.json", web::get().to(documents::asyncapi)))
        .service(resource("/docs", web::get().to(documents::page)))
        .default_service(web::to(error::not_found));
}

/// A path with one method.
fn resource(path: &str, route: actix_web::Route) -> actix_web::Resource {
    web::resource(path).route(route).default_service(web::to(error::method_not_allowed))
}
