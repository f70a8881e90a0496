//! `GET /`: what to try, until there is a page.

use actix_web::{HttpRequest, HttpResponse};

/// Examples that work as they stand.
pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    let connection = request.connection_info();
    // The name comes from the caller; only what a host can hold is repeated.
    let host: String = connection
        .host()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".:-[]".contains(*c))
        .take(255)
        .collect();
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!(
        "Anima, the brain of a digital human.\n\n\
         Ask it:\n  curl -X POST http://{host}/ -H 'Content-Type: application/json' -d '{{\"prompt\": \"如何应对压力\"}}'\n\n\
         Talk in a terminal:\n  anima chat --url ws://{host}/ws\n\n\
         Speak the protocol: connect to ws://{host}/ws and send\n  {{\"type\":\"say\",\"text\":\"你好\"}}\n\n\
         Other paths: /v1/chat/completions, /v1/completions, /v1/embeddings and /v1/models (OpenAI), /generate (vLLM), /v1/sessions (REST), /llm_response/ and /llm_change_model/ (Linly-Talker), /healthz, /readyz, /metrics\n"
    ))
}
