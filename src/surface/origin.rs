//! Which web pages may connect.
//!
//! Browsers open `WebSockets` and send simple requests across origins without asking, so the server
//! must look. Programs send no `Origin` and are let in; pages of this machine too; all others only
//! by the list. A page whose name was made to point to this machine (DNS rebinding) is of one
//! origin with us and sends no `Origin` when it reads; its `Host` gives it away.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web::Data,
};

use super::{House, cors, error::HttpError};

/// Lets requests in or refuses them, before anything else looks at them, and lets pages that are let in
/// read the answer.
///
/// # Errors
/// When the page that sends the request may not connect.
pub async fn guard<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if let Some(house) = request.app_data::<Data<House>>() {
        let server = &house.server;
        check(request.request(), &server.origins)?;
        if server.hosts().all(|(_, host)| host.is_loopback()) {
            check_host(request.request(), &server.origins)?;
        }
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut answered = match cors::preflight(&request) {
        Some(answer) => request.into_response(answer).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    if let Some(origin) = origin {
        cors::allow(origin, answered.headers_mut());
    }
    Ok(answered)
}

/// Refuses a name that is neither this machine's nor that of a listed origin.
fn check_host(request: &HttpRequest, allowed: &[String]) -> Result<(), HttpError> {
    let Some(host) = request.headers().get(header::HOST) else { return Ok(()) };
    let listed = |host: &str| {
        allowed.iter().any(|origin| origin.split_once("://").is_some_and(|(_, name)| name == host))
    };
    let known = host.to_str().is_ok_and(|host| {
        host.is_empty()
            || listed(host)
            || is_loopback(&format!("http://{host}"))
            || is_address(host)
    });
    if known {
        return Ok(());
    }
    Err(HttpError::new(
        StatusCode::FORBIDDEN,
        "host_not_allowed",
        "this name is not one of the service; see server.origins",
    ))
}

/// Whether a host is a number: only a name can be made to point elsewhere.
pub(super) fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok()
}

/// Lets a page in or refuses it.
fn check(request: &HttpRequest, allowed: &[String]) -> Result<(), HttpError> {
    let mut origins = request.headers().get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return Ok(()) };
    let known = origins.next().is_none()
        && origin
            .to_str()
            .is_ok_and(|origin| is_loopback(origin) || allowed.iter().any(|entry| entry == origin));
    if known {
        return Ok(());
    }
    Err(HttpError::new(
        StatusCode::FORBIDDEN,
        "origin_not_allowed",
        "pages of this origin may not connect; see server.origins",
    ))
}

/// Whether an origin is a page of this machine: exactly `http(s)://HOST[:PORT]`.
pub(super) fn is_loopback(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
    else {
        return false;
    };
    let (name, port) = match host.rfind(':').filter(|at| !host[*at..].contains(']')) {
        Some(at) => (&host[..at], Some(&host[at + 1..])),
        None => (host, None),
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_name_that_could_point_elsewhere() {
        for good in ["127.0.0.2", "127.0.0.2:7996", "10.0.0.7:80", "[::2]:80"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "1"] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn only_pages_of_this_machine_are_loopback() {
        for good in [
            "http://localhost",
            "http://localhost:5173",
            "https://127.0.0.1:7871",
            "http://[::1]:80",
            "http://[::1]",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "localhost",
            "file://",
            "http://localhost.evil.example",
            "http://evil.example#localhost",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.2",
            "http://user@localhost",
            "http://localhost:80:80",
            "http://localhost:99999",
            "http://localhost/",
            "HTTP://localhost",
            "http://[::1]x:80",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
