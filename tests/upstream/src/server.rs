//! The server: it listens, counts and remembers what it was asked.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{Plan, connection, http::Call};

/// How many requests are remembered, the latest ones.
const REMEMBERED: usize = 1000;

/// A request that came.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Path and query.
    pub path: String,
    /// Headers, with their names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, `null` where it is no JSON.
    pub body: Value,
}

impl Recorded {
    /// The value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests that came, control calls aside.
    pub requests: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that are open.
    pub open: usize,
}

/// What the connections share.
pub(crate) struct Shared {
    requests: AtomicU64,
    connections: AtomicU64,
    open: AtomicUsize,
    plan: Mutex<Plan>,
    recorded: Mutex<VecDeque<Recorded>>,
    remember: bool,
    /// Holds how long nobody shall listen; one order at a time, a second one is dropped.
    refusals: mpsc::Sender<Duration>,
}

impl Shared {
    /// Counts a request and remembers it; gives its number.
    pub(crate) fn record(&self, call: &Call) -> u64 {
        if self.remember {
            let body = serde_json::from_slice(&call.body).unwrap_or_default();
            let (path, headers) = (call.path.clone(), call.headers.clone());
            let mut recorded = lock(&self.recorded);
            if recorded.len() == REMEMBERED {
                recorded.pop_front();
            }
            recorded.push_back(Recorded { path, headers, body });
        }
        self.requests.fetch_add(1, Ordering::SeqCst)
    }

    /// The plan for the next request.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = lock(&self.plan);
        match &mut plan.times {
            Some(0) => *plan = Plan::default(),
            Some(times) => *times -= 1,
            None => {}
        }
        plan.clone()
    }

    /// Closes the port for a while, and all connections for good.
    pub(crate) fn refuse(&self, pause: Duration) {
        // Full means that the port is about to be closed already.
        let _ = self.refusals.try_send(pause);
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        *lock(&self.plan) = plan;
    }

    /// Everything that was counted and remembered.
    pub(crate) fn report(&self) -> Value {
        let recorded: Vec<_> = lock(&self.recorded).iter().cloned().collect();
        json!({ "stats": self.stats(), "recorded": recorded })
    }

    fn stats(&self) -> Stats {
        Stats {
            requests: self.requests.load(Ordering::SeqCst),
            connections: self.connections.load(Ordering::SeqCst),
            open: self.open.load(Ordering::SeqCst),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a connection as open for as long as it lives.
struct OpenGuard(Arc<Shared>);

impl OpenGuard {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A running stand-in. Dropping it closes its port and all its connections.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Upstream {
    /// Starts one on a free port of this machine, which does as `plan` says.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(plan: Plan) -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), plan, true).await
    }

    /// Starts one at `address`; `remember` says whether it keeps the requests that come.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn listen(address: SocketAddr, plan: Plan, remember: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (refusals, orders) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            plan: Mutex::new(plan),
            recorded: Mutex::default(),
            remember,
            refusals,
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared), orders));
        Ok(Self { address, shared, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `path` on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Closes the port for a while, and all connections for good.
    pub fn refuse(&self, pause: Duration) {
        self.shared.refuse(pause);
    }

    /// Changes how the requests that come are answered.
    pub fn set_plan(&self, plan: Plan) {
        self.shared.set_plan(plan);
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The requests that came, oldest first.
    pub fn recorded(&self) -> Vec<Recorded> {
        lock(&self.shared.recorded).iter().cloned().collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Listens, but for the times in which nobody shall.
async fn listen(
    mut listener: TcpListener,
    shared: Arc<Shared>,
    mut orders: mpsc::Receiver<Duration>,
) {
    let Ok(address) = listener.local_addr() else { return };
    loop {
        let pause = tokio::select! {
            () = accept(listener, &shared) => return,
            order = orders.recv() => order,
        };
        let Some(pause) = pause else { return };
        sleep(pause).await;
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                // Somebody else had the port in the meantime.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        };
    }
}

/// Serves every connection on a task of its own; they end with this one.
async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here is a client that has gone again, or too many open files.
                let Ok((socket, _)) = accepted else { continue };
                let guard = OpenGuard::new(shared);
                connections.spawn(async move {
                    let shared = Arc::clone(&guard.0);
                    // A client that goes away in the middle is nobody's mistake.
                    let _ = connection::serve(socket, shared).await;
                    drop(guard);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
