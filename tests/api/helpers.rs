//! A whole service for one test.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use anima::{
    app::Application,
    registry::Registry,
    settings::{Overrides, Settings},
};
use anima_provider::Provider;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a provider may be silent, where a test does not say.
const FIRST_TOKEN: Duration = Duration::from_mins(1);

/// The providers of a service.
pub(crate) type Providers = Vec<Arc<dyn Provider>>;

/// A running service.
pub(crate) struct TestApp {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it listens for TLS.
    pub(crate) secure: Vec<SocketAddr>,
    /// Where it listens for avatars of Fay.
    pub(crate) fay: Option<SocketAddr>,
    folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
}

impl TestApp {
    /// A service with these providers; the first is the default, the others are the fallback.
    pub(crate) async fn start(providers: Providers) -> Self {
        Self::start_with(providers, |_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn start_with(
        providers: Providers,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::launch(Arc::new(tempfile::tempdir().unwrap()), providers, FIRST_TOKEN, change).await
    }

    /// The same on a data folder that is there already.
    pub(crate) async fn start_in(folder: Arc<TempDir>, providers: Providers) -> Self {
        Self::launch(folder, providers, FIRST_TOKEN, |_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn start_in_with(
        folder: Arc<TempDir>,
        providers: Providers,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::launch(folder, providers, FIRST_TOKEN, change).await
    }

    /// A service whose providers may be silent for no longer than `first_token`.
    pub(crate) async fn start_patiently(providers: Providers, first_token: Duration) -> Self {
        Self::launch(Arc::new(tempfile::tempdir().unwrap()), providers, first_token, |_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn start_patiently_with(
        providers: Providers,
        first_token: Duration,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::launch(Arc::new(tempfile::tempdir().unwrap()), providers, first_token, change).await
    }

    async fn launch(
        folder: Arc<TempDir>,
        providers: Providers,
        first_token: Duration,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings(folder.path());
        change(&mut settings);
        Self::run(build(&settings, &providers, first_token).await, folder)
    }

    /// A service that has been built.
    pub(crate) fn run(application: Application, folder: Arc<TempDir>) -> Self {
        let address = application.address();
        let secure = application.secure_addresses().to_vec();
        let fay = application.fay_address();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            if stopped.await.is_err() {
                // The test is over without having stopped it.
                pending::<()>().await;
            }
        };
        let running = tokio::spawn(application.run_until_stopped(stopped));
        Self { address, secure, fay, folder, stop, running }
    }

    /// A request to the service.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        http().request(method, format!("http://{}{path}", self.address))
    }

    /// Gets JSON; the status has to be 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        json(response, StatusCode::OK).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// Makes a session over HTTP and gives its id.
    pub(crate) async fn session(&self) -> String {
        let response = self.request(Method::POST, "/v1/sessions").send().await.unwrap();
        let record = json(response, StatusCode::CREATED).await;
        record["id"].as_str().unwrap().to_owned()
    }

    /// The exchanges of a session, oldest first.
    pub(crate) async fn exchanges(&self, session: &str) -> Vec<Value> {
        let history = self.get(&format!("/v1/sessions/{session}/history")).await;
        history["exchanges"].as_array().unwrap().clone()
    }

    /// Where the data is.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Tells the service to end, as a termination signal does.
    pub(crate) fn begin_stop(self) -> Stopping {
        self.stop.send(()).unwrap();
        Stopping { folder: self.folder, running: self.running }
    }

    /// Ends the service in order and gives its data folder.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.begin_stop().ended().await
    }
}

/// The settings of a service that keeps its data in this folder.
pub(crate) fn settings(folder: &Path) -> Settings {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let overrides =
        Overrides { port: Some(0), data: Some(folder.to_owned()), ..Overrides::default() };
    let mut settings = Settings::load(&config, "local", &overrides).unwrap();
    // A test that is not about what personas know is not to wait for it, or be answered by it.
    settings.knowledge.enabled = false;
    settings
}

/// Settings by which nobody is left alone and nothing is repeated: each turn asks each provider once.
pub(crate) fn once_each(settings: &mut Settings) {
    settings.turn.breaker.failures = 0;
    settings.turn.breaker.unauthorized_ms = 0;
    settings.turn.retry.per_turn = 0;
}

/// The client of all tests: it takes its time to be made. Each service has a port of its own, so no
/// connection outlives its test.
pub(crate) fn http() -> &'static Client {
    static HTTP: LazyLock<Client> =
        LazyLock::new(|| Client::builder().no_proxy().timeout(PATIENCE).build().unwrap());
    &HTTP
}

/// A service that was told to end.
pub(crate) struct Stopping {
    folder: Arc<TempDir>,
    running: JoinHandle<io::Result<()>>,
}

impl Stopping {
    /// Waits for the end.
    pub(crate) async fn ended(self) -> Arc<TempDir> {
        timeout(2 * PATIENCE, self.running)
            .await
            .expect("the service did not end")
            .unwrap()
            .unwrap();
        self.folder
    }
}

/// Builds the service. A service that has just ended may hold its file for a moment, which no other
/// process would see.
async fn build(settings: &Settings, providers: &Providers, first_token: Duration) -> Application {
    let begun = Instant::now();
    loop {
        let registry = Registry::of(providers.iter().cloned(), first_token);
        match Application::with_registry(settings.clone(), registry) {
            Ok(application) => return application,
            Err(error) if begun.elapsed() > PATIENCE => panic!("cannot start: {error:#}"),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The body of a response that has to have this status.
pub(crate) async fn json(response: Response, status: StatusCode) -> Value {
    let was = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(was, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The error of a response that has to have this status, in the one shape of HTTP errors.
pub(crate) async fn error(response: Response, status: StatusCode) -> Value {
    let body = json(response, status).await;
    let error = &body["error"];
    assert!(error["message"].is_string() && error["type"].is_string(), "{body}");
    assert!(error["code"].is_string() && error.get("param").is_some(), "{body}");
    error.clone()
}

/// Waits until something holds that no frame tells.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
