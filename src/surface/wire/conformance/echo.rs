//! The route that gives back what it gets, as a server of its own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    rt::System,
    web::{self, Payload},
};
use actix_ws::AggregatedMessage;
use futures::StreamExt;
use tokio::sync::watch;

use super::super::{End, Service, Terms, Wire, deliver, farewell, upgrade};
use crate::surface::{
    connection::{self, Connections},
    error::HttpError,
};

/// A server with that route at `/`; it ends when this is dropped.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Serves messages of at most so many bytes, in at most so many fragments.
    pub(super) fn start(max_message_bytes: usize, max_fragments: u32) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            System::new().block_on(async move {
                let connections = Connections::new(64);
                let admitted = connections.clone();
                // Nobody says farewell to it.
                let (_open, service) = watch::channel(Service::Open);
                let server = HttpServer::new(move || {
                    let service = service.clone();
                    let echo = move |request, body| {
                        let terms = Terms {
                            max_message_bytes,
                            max_fragments,
                            messages_per_minute: 1_000_000,
                            service: service.clone(),
                        };
                        open(request, body, terms)
                    };
                    App::new().wrap(from_fn(connection::watch)).route("/", web::get().to(echo))
                })
                .workers(1)
                .on_connect(move |stream, data| admitted.admit(stream, data))
                .tcp_nodelay(true)
                .h1_write_buffer_size(connection::WRITE_BUFFER)
                .h1_allow_half_closed(false)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run();
                actix_web::rt::spawn(connections.sweep());
                ready.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { address, handle: started.recv().unwrap(), thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // The order is given at once, and the answer to it is the end of the thread.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn open(
    request: HttpRequest,
    body: Payload,
    terms: Terms,
) -> Result<HttpResponse, HttpError> {
    let (response, wire) = upgrade(&request, body, &[], terms).await?;
    actix_web::rt::spawn(async move {
        let connection = wire.serve_by(give_back).await;
        farewell(&connection).await;
    });
    Ok(response)
}

async fn give_back(mut wire: Wire) -> End {
    loop {
        let step = match wire.messages.next().await {
            Some(Ok(AggregatedMessage::Binary(bytes))) => {
                wire.connection.reserve(bytes.len()).await;
                deliver(wire.frames.binary(bytes)).await
            }
            message => match wire.take(message).await {
                Ok(Some(text)) => wire.send_text(text).await,
                Ok(None) => Ok(()),
                Err(end) => Err(end),
            },
        };
        if let Err(end) = step {
            return end;
        }
    }
}
