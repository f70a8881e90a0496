//! `POST /llm_response/` and `POST /llm_change_model/`: Linly-Talker's second API.
//!
//! Shapes from its `api/llm_api.py`: `{"question", "model_name", …}` becomes `{"answer"}`, errors
//! are `{"detail"}`. That program loads one model for everybody and ignores the names and keys of a
//! call. Here a name chooses the provider; keys are left unread, since they belong in the
//! configuration.

use actix_web::{HttpRequest, HttpResponse, ResponseError, http::StatusCode, web};
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{body::Body, request},
    Answered, House, HttpError, stateless, surface_sampling,
};
use crate::{
    access::Caller,
    session::CommandError,
    turn::{Choice, Context, Task, Turn, TurnId, UserText},
};

/// The name that callers send when they mean the model that is loaded.
const LOADED: &str = "Linly";

/// The body of a question; `gemini_apikey`, `openai_apikey` and `proxy_url` are left unread.
#[derive(Deserialize)]
struct Question {
    question: String,
    #[serde(default = "loaded")]
    model_name: String,
}

/// The query of a change of model.
#[derive(Deserialize)]
pub(in super::super) struct Change {
    #[serde(default = "loaded")]
    model_name: String,
}

fn loaded() -> String {
    LOADED.to_owned()
}

/// Answers a question.
pub(in super::super) async fn answer(
    house: web::Data<House>,
    caller: Caller,
    body: Body,
) -> HttpResponse {
    match respond(&house, &caller, body).await {
        Ok(answered) => HttpResponse::Ok().json(json!({ "answer": answered.text })),
        Err(error) => told(&error, format!("处理LLM请求失败: {}", error.message())),
    }
}

async fn respond(house: &House, caller: &Caller, body: Body) -> Result<Answered, HttpError> {
    if !house.directory.is_open() {
        return Err(CommandError::ShuttingDown.into());
    }
    let call: Question = request::json(body, house.server.max_message_bytes).await?;
    if call.question.trim().is_empty() {
        return Err(HttpError::parameter("question", "问题内容不能为空"));
    }
    let lineup = house.conversation.lineup();
    let provider = if call.model_name == LOADED {
        // A reload may have taken out whom somebody selected.
        house.linly.get().filter(|name| lineup.registry().knows(name))
    } else {
        Some(lineup.registry().resolve(&call.model_name)?.to_owned())
    };
    let choice = Choice { provider, surface_sampling: surface_sampling(), ..Choice::default() };
    let turn = Turn {
        id: TurnId::generate(),
        task: Task::Answer { said: UserText::parse(call.question)?, images: Vec::new() },
        context: Context::default(),
        choice,
    };
    stateless(house, caller, turn).await
}

/// Changes the model that callers get who name none, for both APIs and until the service ends.
/// Only for callers on this machine, or with the admin key.
pub(in super::super) async fn change(
    house: web::Data<House>,
    request: HttpRequest,
    query: Result<web::Query<Change>, actix_web::Error>,
) -> HttpResponse {
    if !house.admin.lets_change(&request) {
        let message = "the model can only be changed from this machine, or with the admin key";
        let refusal = HttpError::new(StatusCode::FORBIDDEN, "forbidden", message);
        return told(&refusal, message.to_owned());
    }
    let name = match query {
        Ok(query) => query.into_inner().model_name,
        Err(error) => {
            let wrong = HttpError::invalid("invalid_query", error.to_string());
            return told(&wrong, wrong.message().to_owned());
        }
    };
    match house.conversation.lineup().registry().resolve(&name) {
        Ok(provider) => house.linly.set(Some(provider.to_owned())),
        // Nobody is called so: the service's own default is what is loaded.
        Err(_) if name == LOADED => house.linly.set(None),
        Err(error) => {
            let shown: String = name.chars().take(64).collect();
            let unknown = HttpError::invalid("model_not_found", error.to_string());
            return told(&unknown, format!("未知的LLM模型: {shown}"));
        }
    }
    HttpResponse::Ok().json(json!({ "message": format!("{name} 模型加载成功") }))
}

/// An error in the dialect.
fn told(error: &HttpError, detail: String) -> HttpResponse {
    let detail = if error.code() == "invalid_value" { error.message().to_owned() } else { detail };
    let status = error.status_code();
    error.builder().status(status).json(json!({ "detail": detail }))
}
