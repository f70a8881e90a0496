//! The connection to Redis: every call has a deadline, and an outage is found out once and not by
//! everybody.
//!
//! A call that gets no answer in time marks Redis as down. From then on calls are refused at once,
//! while one task asks again and again whether it is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, RedisResult,
    ScriptInvocation, Value,
};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::RedisOptions;
use super::fault::{Fault, is_lost};
use super::keys::Keys;

/// How often it is tried whether Redis is there again.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// How long a trial leaves its trace, in seconds.
const PROBE_TTL: u64 = 60;

/// After so many probes without an answer the connection itself is given up.
const SILENT_PROBES: u32 = 3;

/// The longest pause between two attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Calls that may wait to be sent; a full queue makes callers wait, until their deadline.
const QUEUE: usize = 1024;

/// What is asked of Redis.
pub(super) enum Request {
    Command(Cmd),
    /// Sent by its digest; its text follows when Redis does not know it.
    Script(ScriptInvocation<'static>),
}

/// The connection of a store.
pub(super) struct Link {
    client: Client,
    manager: ArcSwap<ConnectionManager>,
    /// The connection lives here, whichever thread a call comes from.
    runtime: Handle,
    deadline: Duration,
    /// The key of a [`Link::trial`].
    probe_key: String,
    /// Why Redis is down, while it is.
    down: Mutex<Option<String>>,
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(
        options: &RedisOptions,
        keys: &Keys,
        runtime: Handle,
    ) -> Result<Arc<Self>, Fault> {
        let unusable = |error: RedisError| Fault::Unusable(error.category().to_owned());
        let info = connection_info(options).map_err(unusable)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            // With more than one provider in the program rustls would not choose. It fails when
            // somebody has chosen before, which is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let client = Client::open(info).map_err(unusable)?;
        let manager = {
            let _entered = runtime.enter();
            manager(&client, options.deadline).map_err(unusable)?
        };
        Ok(Arc::new(Self {
            client,
            manager: ArcSwap::from_pointee(manager),
            runtime,
            deadline: options.deadline,
            probe_key: keys.probe(),
            down: Mutex::default(),
        }))
    }

    /// Sends a request and waits for its answer, no longer than the deadline. It is done even when
    /// the caller goes away.
    pub(super) async fn ask(self: &Arc<Self>, request: Request) -> Result<Value, Fault> {
        if let Some(reason) = self.down().clone() {
            return Err(Fault::Down(reason));
        }
        let link = Arc::clone(self);
        let answer = self.runtime.spawn(async move { link.perform(&request).await });
        answer.await.unwrap_or_else(|_| Err(Fault::Unacknowledged(Box::new(Fault::Closed))))
    }

    /// Writes something that nobody reads, to see whether that can be done.
    pub(super) fn trial(&self) -> Request {
        let mut command = redis::cmd("SET");
        command.arg(&self.probe_key).arg(1).arg("EX").arg(PROBE_TTL);
        Request::Command(command)
    }

    async fn perform(self: &Arc<Self>, request: &Request) -> Result<Value, Fault> {
        let mut broke = false;
        let attempt = self.attempt(request, &mut broke);
        let (fault, lost) = match timeout(self.deadline, attempt).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                let lost = is_lost(&error);
                (Fault::from(error), lost)
            }
            Err(_) => {
                broke = true;
                (Fault::Silent(self.deadline), true)
            }
        };
        if lost {
            self.go_down(&fault);
        }
        Err(if broke { Fault::Unacknowledged(Box::new(fault)) } else { fault })
    }

    /// Sends a request, and once more when the connection `broke`: a restarted Redis is not noticed
    /// before. Whatever is asked may be asked twice, and have been done although it fails at last.
    async fn attempt(&self, request: &Request, broke: &mut bool) -> RedisResult<Value> {
        match self.send(request).await {
            Err(error) if error.is_io_error() => {
                *broke = true;
                self.send(request).await
            }
            answer => answer,
        }
    }

    async fn send(&self, request: &Request) -> RedisResult<Value> {
        let mut connection = ConnectionManager::clone(&self.manager.load());
        match request {
            Request::Command(command) => command.query_async(&mut connection).await,
            Request::Script(script) => script.invoke_async(&mut connection).await,
        }
    }

    /// Refuses calls until Redis answers again.
    fn go_down(self: &Arc<Self>, fault: &Fault) {
        let before = self.down().replace(fault.to_string());
        if before.is_none() {
            warn!(reason = %fault, "Redis is not available; until it answers, its calls are refused");
            // It ends when Redis is there, or the store is gone.
            self.runtime.spawn(probe(Arc::downgrade(self)));
        }
    }

    fn come_up(&self) {
        *self.down() = None;
        info!("Redis is available again");
    }

    /// Gives up a connection on which nothing comes, and its attempts to connect.
    fn replace(&self) {
        // It failed for the same settings before it ever could here.
        if let Ok(manager) = manager(&self.client, self.deadline) {
            self.manager.store(Arc::new(manager));
        }
    }

    fn down(&self) -> MutexGuard<'_, Option<String>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks until Redis takes what is written.
async fn probe(link: Weak<Link>) {
    let mut silent = 0;
    loop {
        sleep(PROBE_EVERY).await;
        let Some(link) = link.upgrade() else { return };
        match timeout(link.deadline, link.attempt(&link.trial(), &mut false)).await {
            Ok(Ok(_)) => return link.come_up(),
            Ok(Err(error)) if !is_lost(&error) => return link.come_up(),
            Ok(Err(error)) => {
                *link.down() = Some(Fault::from(error.clone()).to_string());
                // The manager itself connects again only after errors of the network.
                if !error.is_io_error() {
                    link.replace();
                }
            }
            Err(_) => {
                silent += 1;
                if silent % SILENT_PROBES == 0 {
                    link.replace();
                }
            }
        }
    }
}

fn connection_info(options: &RedisOptions) -> RedisResult<ConnectionInfo> {
    let info = options.url.expose_secret().into_connection_info()?;
    let mut credentials = info.redis_settings().clone();
    if let Some(username) = &options.username {
        credentials = credentials.set_username(username);
    }
    if let Some(password) = &options.password {
        credentials = credentials.set_password(password.expose_secret());
    }
    // A peer that vanished is noticed although nothing more is sent to it.
    let keepalive = redis::io::tcp::socket2::TcpKeepalive::new().with_time(Duration::from_secs(15));
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(options.deadline * 4);
    Ok(info.set_redis_settings(credentials).set_tcp_settings(tcp))
}

fn manager(client: &Client, deadline: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_min_delay(RECONNECT_PAUSE / 4)
        .set_max_delay(RECONNECT_PAUSE)
        .set_connection_timeout(Some(deadline))
        // Each call has our own.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
