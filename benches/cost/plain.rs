//! A WebSocket server with nothing behind it: what actix-ws itself takes.

use std::{io::Write, net::TcpListener};

use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, rt, web};
use futures::StreamExt;

/// Serves until it is killed.
pub(crate) fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let server = HttpServer::new(|| App::new().route("/ws", web::get().to(open)))
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .listen(listener)?;
    writeln!(std::io::stdout(), "it listens on http://{address}")?;
    Ok(rt::System::new().block_on(server.run())?)
}

/// Reads what comes and answers nothing.
async fn open(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let (response, session, mut messages) = actix_ws::handle(&request, body)?;
    // It ends with its client.
    rt::spawn(async move {
        let _session = session;
        while messages.next().await.is_some_and(|message| message.is_ok()) {}
    });
    Ok(response)
}
