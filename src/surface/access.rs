//! Who a request is from: the key that it brings, and what is open to everybody.
//!
//! A key comes as `Authorization: Bearer KEY`. A page cannot send that when it opens a WebSocket, so
//! there it may come as the subprotocol `anima-key.KEY` (or as browsers send it to `OpenAI`,
//! `openai-insecure-api-key.KEY`). In an address a key is never looked for: addresses are logged.

use std::{
    future::{Ready, ready},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    web::Data,
};
use tracing::Instrument;

use super::{
    House,
    error::{self, HttpError},
    files, operations,
};
use crate::{
    access::{Caller, Gate, Stranger},
    settings::{AccessSettings, WhoReads},
    telemetry::trace::{self, Asker},
};

/// What a key follows among the subprotocols that a page offers.
const KEY_PROTOCOLS: [&str; 2] = ["anima-key.", "openai-insecure-api-key."];

/// Where callers come in.
#[derive(Clone)]
pub struct Door {
    gate: Arc<Gate>,
    metrics: WhoReads,
    address_header: Option<String>,
    /// Whether some paths are open to everybody.
    opens: bool,
}

impl Door {
    /// A door that lets in whom the gate knows.
    pub fn new(gate: Arc<Gate>, settings: &AccessSettings) -> Self {
        let address_header = settings.address_header.clone();
        Self { gate, metrics: settings.metrics, address_header, opens: true }
    }

    /// The same with no path that is open to everybody.
    pub(super) fn with_nothing_open(self) -> Self {
        Self { opens: false, ..self }
    }

    /// Whose request it is.
    fn caller(&self, request: &HttpRequest) -> Result<Caller, HttpError> {
        let address = self.address(request);
        let caller = self.gate.caller(key(request), address).map_err(|stranger| {
            let limit = match stranger {
                Stranger::NoKey => "no_key",
                Stranger::WrongKey => "wrong_key",
            };
            metrics::counter!("anima_caller_refused_total", "caller" => "unknown", "limit" => limit)
                .increment(1);
            // Whoever guesses keys may do that as often as callers without one may ask.
            if let Err(refusal) = self.gate.turn_away(address) {
                return HttpError::from(refusal);
            }
            let message = stranger.to_string();
            HttpError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
        })?;
        caller.take_request()?;
        Ok(caller)
    }

    /// Where the caller is, as far as somebody says who can be believed.
    fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let Some(name) = &self.address_header else { return peer };
        // What stands last was added by the proxy; what stands before may be the caller's own invention.
        let told = request.headers().get_all(name.as_str()).last();
        let told = told.and_then(|value| value.to_str().ok()?.rsplit(',').next());
        told.and_then(read_address).or(peer)
    }

    /// Whether a request needs no key here: it is open to everybody, or asks for another key itself.
    fn is_open(&self, request: &HttpRequest) -> bool {
        let path = request.path();
        if request.method() == Method::OPTIONS {
            // What a browser asks before it sends anything; it sends no key then.
            return true;
        }
        if !self.opens {
            return false;
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match path {
            "/metrics" => self.metrics == WhoReads::Open,
            "/" | "/openapi.json" | "/asyncapi.json" | "/docs" | "/favicon.ico" => reads,
            "/llm_change_model" | "/llm_change_model/" => true,
            path if operations::is_probe(path) || path.starts_with("/admin/") => true,
            path => {
                let shown = ["/static/", "/docs/"].iter().any(|place| path.starts_with(place));
                reads && (shown || files::is_one(path))
            }
        }
    }

    /// Whose request it is; `None` for what is open to everybody.
    fn admit(&self, house: &House, request: &HttpRequest) -> Result<Option<Caller>, HttpError> {
        let reads_metrics = request.path() == "/metrics" && self.may_read_metrics(house, request);
        if reads_metrics || self.is_open(request) {
            return Ok(None);
        }
        self.caller(request).map(Some)
    }

    /// Lets those read the metrics who have a key of any kind, where one is needed.
    fn may_read_metrics(&self, house: &House, request: &HttpRequest) -> bool {
        house.admin.knows(request) || key(request).is_some_and(|key| self.gate.knows(key))
    }
}

/// Lets requests in or refuses them, and says to whoever answers them whose they are.
///
/// # Errors
/// When whoever answers fails to. A refusal is an answer, so that pages get to read it.
pub async fn guard<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(house) = request.app_data::<Data<House>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    match house.door.admit(&house, request.request()) {
        Ok(Some(caller)) => {
            let asker = asker(&caller);
            request.extensions_mut().insert(caller);
            let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
            let span = trace::asked(parent, asker);
            Ok(next.call(request).instrument(span).await?.map_into_left_body())
        }
        Ok(None) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => Ok(request.into_response(refusal.error_response()).map_into_right_body()),
    }
}

/// How far the caller decides what is traced.
pub(super) fn asker(caller: &Caller) -> Asker {
    if caller.is_known() { Asker::Known } else { Asker::Stranger }
}

/// An address as proxies write it: alone, in brackets, or with a port behind it.
fn read_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bare)
}

/// What a request brings as `Authorization: Bearer …`.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?;
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The key that a request brings.
fn key(request: &HttpRequest) -> Option<&str> {
    bearer(request).or_else(|| {
        let key =
            |offered| KEY_PROTOCOLS.iter().find_map(|prefix| str::strip_prefix(offered, prefix));
        protocols(request).find_map(key)
    })
}

/// The subprotocols that a client offers for its WebSocket.
pub(super) fn protocols(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    offers.filter_map(|offer| offer.to_str().ok()).flat_map(|offer| offer.split(',').map(str::trim))
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| error::internal("nobody asked whose request it is").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::read_address;

    #[test]
    fn an_address_is_read_however_proxies_write_it() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1:5678", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80 ", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(read_address(text), address.parse().ok(), "{text}");
        }
        for text in ["", "unknown", "[192.0.2.1", "192.0.2.1:", "_hidden:80"] {
            assert_eq!(read_address(text), None, "{text}");
        }
    }
}
