//! Connections: how many there may be, what each one owes, and an end for clients that take nothing.
//!
//! actix-web writes without a deadline: a client that stops reading would keep its connection, and
//! what was made for it, for as long as it likes. Three things bound that here. The kernel gives up
//! on a peer that acknowledges nothing or keeps its window shut ([`Connections::admit`]). Every
//! response passes through `watched::Watched`, which hands it on in small pieces and notes when
//! the client last made room. And [`Connections::sweep`] cuts those that owe room for too long,
//! through a second handle on the socket.

mod watched;

use std::{
    any::Any,
    collections::HashMap,
    net::Shutdown,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{Extensions, ServiceRequest, ServiceResponse},
    middleware::Next,
    rt::net::TcpStream,
};
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{MissedTickBehavior, interval},
};
use tracing::debug;

use super::error;
use watched::Watched;

/// How long the kernel waits for a peer that acknowledges nothing or takes nothing.
const KERNEL_PATIENCE: Duration = Duration::from_secs(15);
/// How long a client may leave a response untaken, and how long it may take over the head of its
/// next request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// What the kernel may hold for a client, in bytes; it grants itself twice as much.
const KERNEL_BUFFER: usize = 32 * 1024;
/// Bytes made for a WebSocket that may wait for its client. Hundreds may watch one session, and each
/// that does not read is served until so much waits.
const MAX_WAITING: usize = 16 * 1024;
/// Bytes that the kernel takes for the client of a WebSocket before it has room to send them.
const MAX_UNSENT: u32 = 16 * 1024;
/// Bytes made ready to be written on a connection, beside the piece that reaches it.
pub const WRITE_BUFFER: usize = 8 * 1024;
/// Connections beyond the limit that are still answered, with a refusal; more are not accepted until
/// others end.
pub const REFUSABLE: usize = 256;

/// Every open connection.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    began: Instant,
    /// Most connections that carry requests.
    limit: usize,
    open: Mutex<HashMap<u64, Weak<Connection>>>,
    next: AtomicU64,
    /// Connections that have become `WebSockets`.
    sockets: AtomicUsize,
}

/// One connection.
pub(super) struct Connection {
    id: u64,
    house: Arc<Inner>,
    /// The same socket once more; `None` when the process had no file left to open.
    handle: Option<Socket>,
    /// Since when its client owes room, in milliseconds; 0 when it owes nothing.
    owing_since: AtomicU64,
    /// When it ends whatever its client does, in milliseconds; 0 when it need not.
    ends_at: AtomicU64,
    is_socket: AtomicBool,
    /// Bytes of WebSocket frames that wait for room.
    waiting: AtomicUsize,
    room: Notify,
    /// All of its `WebSocket` was handed on.
    ended: Notify,
}

impl Connections {
    /// No connections yet, and room for `limit` that carry requests.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            began: Instant::now(),
            limit,
            open: Mutex::default(),
            next: AtomicU64::new(0),
            sockets: AtomicUsize::new(0),
        }))
    }

    /// Takes note of a connection that has just been accepted; it is forgotten when it ends.
    pub fn admit(&self, stream: &dyn Any, data: &mut Extensions) {
        let plain = stream.downcast_ref::<TcpStream>();
        let beneath =
            || stream.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
        let handle = plain.or_else(beneath).and_then(|stream| {
            let socket = SockRef::from(stream);
            let keepalive = TcpKeepalive::new()
                .with_time(Duration::from_secs(30))
                .with_interval(Duration::from_secs(10));
            let bounded = socket
                .set_tcp_user_timeout(Some(KERNEL_PATIENCE))
                .and_then(|()| socket.set_tcp_keepalive(&keepalive))
                .and_then(|()| socket.set_send_buffer_size(KERNEL_BUFFER));
            if let Err(error) = bounded {
                debug!(error = %error, "A connection ended before it began");
            }
            socket.try_clone().ok()
        });
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            id,
            house: Arc::clone(&self.0),
            handle,
            owing_since: AtomicU64::new(0),
            ends_at: AtomicU64::new(0),
            is_socket: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            room: Notify::new(),
            ended: Notify::new(),
        });
        self.0.open().insert(id, Arc::downgrade(&connection));
        metrics::gauge!("anima_open_connections").increment(1);
        data.insert(connection);
    }

    /// Cuts connections that owe room for too long, until nobody holds the connections any more.
    pub async fn sweep(self) {
        let house = Arc::downgrade(&self.0);
        drop(self);
        let mut rounds = interval(SWEEP);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let Some(house) = house.upgrade() else { return };
            let open: Vec<_> = house.open().values().filter_map(Weak::upgrade).collect();
            for connection in open {
                connection.cut_if_due();
            }
        }
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the beginning; never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Connections that carry requests.
    fn requests(&self) -> usize {
        self.open().len().saturating_sub(self.sockets.load(Ordering::Relaxed))
    }
}

impl Connection {
    /// Its client owes nothing: a request is being answered, or there is nothing to take.
    fn settle(&self) {
        self.owing_since.store(0, Ordering::Relaxed);
    }

    /// Its client has to make room, or to send its next request, from now on.
    fn owe(&self) {
        self.owing_since.store(self.house.now(), Ordering::Relaxed);
    }

    /// It has become a WebSocket.
    pub(super) fn upgrade(&self) {
        if !self.is_socket.swap(true, Ordering::Relaxed) {
            self.house.sockets.fetch_add(1, Ordering::Relaxed);
            if let Some(handle) = &self.handle {
                // An error means that it has ended.
                let _ = handle.set_tcp_notsent_lowat(MAX_UNSENT);
            }
        }
    }

    /// Waits until so many bytes of frames may be made for its client; one frame always may when
    /// none waits.
    pub(super) async fn reserve(&self, bytes: usize) {
        let fits = |waiting: usize| waiting == 0 || waiting.saturating_add(bytes) <= MAX_WAITING;
        self.until(fits).await;
        self.waiting.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Waits until no frame waits.
    pub(super) async fn drained(&self) {
        self.until(|waiting| waiting == 0).await;
    }

    /// Waits until so few bytes wait. Only the one task that makes frames may wait.
    async fn until(&self, few: impl Fn(usize) -> bool) {
        loop {
            let room = self.room.notified();
            if few(self.waiting.load(Ordering::Acquire)) {
                return;
            }
            room.await;
        }
    }

    /// So many bytes of frames have left; the headers of frames count here and not before.
    fn release(&self, bytes: usize) {
        let less = |waiting: usize| Some(waiting.saturating_sub(bytes));
        let _ = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.room.notify_one();
    }

    /// The body of a response was handed on.
    fn end(&self) {
        if self.is_socket.load(Ordering::Relaxed) {
            self.ended.notify_one();
        }
    }

    /// Tells the client of a `WebSocket` that nothing follows, once it has room for the last frame;
    /// clients wait for that, and actix-web would wait for them.
    pub(super) async fn finish(&self) {
        self.ended.notified().await;
        let Some(handle) = &self.handle else { return };
        // Where no file is left to open, what has not been written yet may be lost.
        let stream = handle.try_clone().map(|socket| TcpStream::from_std(socket.into()));
        if let Ok(Ok(stream)) = stream {
            // An error means that it has ended already.
            let _ = stream.writable().await;
        }
        // What waited for room is written by another task of this thread, which wakes just now.
        yield_now().await;
        let _ = handle.shutdown(Shutdown::Write);
    }

    /// It ends after `patience`, whatever its client does.
    pub(super) fn end_within(&self, patience: Duration) {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.ends_at.store(self.house.now().saturating_add(patience), Ordering::Relaxed);
    }

    fn cut_if_due(&self) {
        let now = self.house.now();
        let (owing, end) =
            (self.owing_since.load(Ordering::Relaxed), self.ends_at.load(Ordering::Relaxed));
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        if (owing > 0 && now.saturating_sub(owing) > patience) || (end > 0 && now > end) {
            self.cut();
        }
    }

    /// Ends it at once: what the kernel still holds is dropped and the client sees a reset.
    fn cut(&self) {
        let Some(handle) = &self.handle else { return };
        // Errors mean that it has ended already.
        let _ = handle.set_linger(Some(Duration::ZERO));
        let _ = handle.shutdown(Shutdown::Both);
        metrics::counter!("anima_connections_cut_total").increment(1);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.house.open().remove(&self.id);
        if *self.is_socket.get_mut() {
            self.house.sockets.fetch_sub(1, Ordering::Relaxed);
        }
        metrics::gauge!("anima_open_connections").decrement(1);
    }
}

/// Refuses requests over connections beyond the limit, and watches how responses are taken.
///
/// # Errors
/// When there are too many connections. What watches over the service is answered all the same.
pub async fn watch<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Watched<B>>, Error> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    if let Some(connection) = &connection {
        connection.settle();
        let house = &connection.house;
        if house.requests() > house.limit && !super::operations::is_probe(request.path()) {
            connection.end_within(PATIENCE);
            return Err(error::overloaded("there are too many connections").into());
        }
    }
    let answered = next.call(request).await;
    if let Some(connection) = &connection {
        connection.owe();
    }
    Ok(answered?.map_body(|_, body| Watched::new(body, connection)))
}
