//! A fault of ours while a request is answered is a 500 and not the end of its connection.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use futures::FutureExt;
use tracing::error;

use super::error::internal;

/// Turns a panic into an answer.
///
/// # Errors
/// When the request was not answered.
pub async fn guard<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // What the panic left behind belongs to this request alone, and is dropped with it.
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        error!("A request was not answered because of a fault in the service; see the fault above");
        Err(internal("a fault of the service").into())
    })
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App, HttpResponse,
        middleware::from_fn,
        test::{TestRequest, call_service, init_service, try_call_service},
        web,
    };
    use serde_json::Value;

    use super::*;

    async fn faulty() -> HttpResponse {
        panic!("as the test wants it")
    }

    #[actix_web::test]
    async fn a_panic_is_a_500_in_the_shape_of_all_errors_and_the_next_request_is_answered() {
        let routes = App::new()
            .wrap(from_fn(guard))
            .route("/faulty", web::get().to(faulty))
            .route("/sound", web::get().to(HttpResponse::Ok));
        let app = init_service(routes).await;
        for _ in 0..3 {
            let request = TestRequest::get().uri("/faulty").to_request();
            let error = try_call_service(&app, request).await.unwrap_err();
            let response = error.error_response();
            assert_eq!(response.status(), 500);
            let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"]["code"], "internal_error");
            assert_eq!(body["error"]["type"], "server_error");
        }
        let request = TestRequest::get().uri("/sound").to_request();
        assert_eq!(call_service(&app, request).await.status(), 200);
    }
}
