//! The listener for avatars of Fay, beside those of everything else.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use actix_web::{HttpServer, dev::Server, web::Data};

use super::{LAST_REQUESTS_SECONDS, guarded};
use crate::surface::{
    self, House,
    connection::{self, Connections},
};

/// A listener that is served.
pub(super) struct Fay {
    /// Where it listens.
    pub(super) address: SocketAddr,
    pub(super) server: Server,
}

impl Fay {
    /// Serves a listener for the same house; its connections count among all others.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub(super) fn serve(
        listener: TcpListener,
        house: &House,
        connections: &Connections,
        max_connections: usize,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let house = Data::new(house.at(address));
        let connections = connections.clone();
        let server = HttpServer::new(move || guarded(house.clone(), surface::fay::routes))
            // A few avatars need no more.
            .workers(1)
            .max_connections(max_connections)
            .on_connect(move |stream, data| connections.admit(stream, data))
            .tcp_nodelay(true)
            .h1_write_buffer_size(connection::WRITE_BUFFER)
            .h1_allow_half_closed(false)
            .disable_signals()
            .shutdown_timeout(LAST_REQUESTS_SECONDS)
            .listen(listener)?
            .run();
        Ok(Self { address, server })
    }
}
