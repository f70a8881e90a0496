//! `/v1/sessions`: sessions over HTTP, the twin of the native WebSocket.

pub(super) mod livetalking;
mod telling;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Query, ServiceConfig},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    House,
    body::Body,
    error,
    error::HttpError,
    frames,
    request::{self, Purpose, TurnFields},
};
use crate::{
    access::Caller,
    history::{SessionRecord, SessionSettings},
    session::Session,
    turn::{SessionId, TurnId},
};
use telling::events;

pub(super) use telling::{WholeTurn, collect};

/// Most bytes of exchanges in one answer.
const MAX_HISTORY: usize = 1024 * 1024;

/// Adds the routes of sessions.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/v1/sessions")
                .route(web::get().to(list))
                .route(web::post().to(create))
                .default_service(web::to(error::method_not_allowed)),
        )
        .service(
            web::resource("/v1/sessions/{session}")
                .route(web::get().to(show))
                .route(web::patch().to(change))
                .route(web::delete().to(delete))
                .default_service(web::to(error::method_not_allowed)),
        )
        .service(
            web::resource("/v1/sessions/{session}/history")
                .route(web::get().to(history))
                .route(web::delete().to(clear))
                .default_service(web::to(error::method_not_allowed)),
        )
        .service(super::resource("/v1/sessions/{session}/export", web::get().to(export)))
        .service(super::resource("/v1/sessions/{session}/turns", web::post().to(take_turn)))
        .service(super::resource("/v1/sessions/{session}/interrupt", web::post().to(interrupt)))
        .configure(livetalking::routes);
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    skip: usize,
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, frames::MAX_EXCHANGES)
    }
}

/// What can be changed of a session.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    title: Option<String>,
    persona: Option<String>,
    provider: Option<String>,
}

impl Changes {
    /// The title, when there is one and it can be one.
    fn title(&self) -> Result<Option<String>, HttpError> {
        let Some(title) = self.title.as_deref().map(str::trim) else { return Ok(None) };
        if !(1..=100).contains(&title.chars().count()) || title.chars().any(is_unseen) {
            let message = "a title has 1 to 100 characters, none of them unseen";
            return Err(HttpError::parameter("title", message));
        }
        Ok(Some(title.to_owned()))
    }
}

/// Whether a character is not seen itself, or changes how others are seen, which has no place in a
/// name. Joiners do: emoji and some scripts need them.
fn is_unseen(character: char) -> bool {
    let unseen = ['\u{200b}', '\u{200e}', '\u{200f}', '\u{feff}'];
    character.is_control()
        || unseen.contains(&character)
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// A session of the caller's that is known.
async fn known(house: &House, caller: &Caller, id: &str) -> Result<Session, HttpError> {
    let id = caller.tenant().session(id)?;
    if house.directory.is_known(&id).await? {
        Ok(house.directory.open(&id))
    } else {
        Err(HttpError::new(StatusCode::NOT_FOUND, "session_not_found", "there is no such session"))
    }
}

async fn record(house: &House, id: &SessionId) -> Result<SessionRecord, HttpError> {
    let record = house.directory.store().session(id).await?;
    record.ok_or_else(|| {
        HttpError::new(StatusCode::NOT_FOUND, "session_not_found", "there is no such session")
    })
}

async fn list(
    house: Data<House>,
    caller: Caller,
    page: Query<Page>,
) -> Result<HttpResponse, HttpError> {
    let sessions = house.directory.store().list(caller.tenant(), page.skip, page.limit()).await?;
    Ok(HttpResponse::Ok().json(json!({ "sessions": sessions })))
}

async fn create(house: Data<House>, caller: Caller, body: Body) -> Result<HttpResponse, HttpError> {
    let changes: Changes = request::optional_json(body, house.server.max_message_bytes).await?;
    let title = changes.title()?;
    let wanted = SessionSettings { persona: changes.persona, provider: changes.provider };
    let settings = house.conversation.with_changes(&SessionSettings::default(), wanted)?;
    let id = caller.tenant().new_session();
    let store = house.directory.store();
    let mut record = store.create(&id, &settings).await?;
    if let Some(title) = title {
        record = store.rename(&id, &title).await?;
    }
    Ok(HttpResponse::Created().json(record))
}

async fn show(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let id = caller.tenant().session(id.into_inner())?;
    Ok(HttpResponse::Ok().json(record(&house, &id).await?))
}

async fn change(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    let session = known(&house, &caller, &id).await?;
    let changes: Changes = request::json(body, house.server.max_message_bytes).await?;
    let title = changes.title()?;
    let wanted = SessionSettings { persona: changes.persona, provider: changes.provider };
    if wanted != SessionSettings::default() {
        session.configure(wanted).await?;
    }
    if let Some(title) = title {
        house.directory.store().rename(session.id(), &title).await?;
    }
    Ok(HttpResponse::Ok().json(record(&house, session.id()).await?))
}

async fn delete(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let session = known(&house, &caller, &id).await?;
    livetalking::forget(&house, session.id()).await;
    house.directory.delete(session).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn history(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
    page: Query<Page>,
) -> Result<HttpResponse, HttpError> {
    let exchanges = known(&house, &caller, &id).await?.recent(page.limit()).await?;
    Ok(HttpResponse::Ok().json(json!({ "exchanges": frames::exchanges(&exchanges, MAX_HISTORY) })))
}

async fn clear(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    known(&house, &caller, &id).await?.clear().await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The whole conversation, one exchange a line.
async fn export(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let exchanges = known(&house, &caller, &id).await?.recent(usize::MAX).await?;
    let mut lines = String::new();
    for exchange in &exchanges {
        lines.push_str(&frames::exchange(exchange).to_string());
        lines.push('\n');
    }
    Ok(HttpResponse::Ok().content_type("application/jsonl; charset=utf-8").body(lines))
}

#[derive(Default, Deserialize, ToSchema)]
pub(super) struct InterruptCall {
    #[schema(value_type = Option<String>)]
    turn: Option<TurnId>,
    heard: Option<String>,
}

async fn interrupt(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    let session = known(&house, &caller, &id).await?;
    let call: InterruptCall = request::optional_json(body, house.server.max_message_bytes).await?;
    let told = session.interrupt(call.turn, call.heard).await?;
    Ok(HttpResponse::Ok().json(json!({ "turn": told.turn, "heard": told.text })))
}

/// How a turn is taken, beside what it is.
#[derive(Deserialize, ToSchema)]
pub(super) struct Manner {
    /// `say` (default), `regenerate` or `speak`.
    #[serde(default)]
    purpose: Purpose,
    /// Answer as server-sent events.
    #[serde(default)]
    stream: bool,
    /// Tell the model's reasoning among the events.
    #[serde(default)]
    reasoning: bool,
}

/// Takes a turn: answers with one JSON object, or with the frames of the turn as events.
async fn take_turn(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    let session = known(&house, &caller, &id).await?;
    let bytes = body.read(house.server.max_message_bytes).await?;
    // Read twice, since fields that are flattened would be kept in memory, all that are not known.
    let fields: TurnFields = request::whole(&bytes)?;
    let manner: Manner = request::whole(&bytes)?;
    let submission = fields.submission(manner.purpose, &caller)?;
    let turn = submission.turn.id.clone();
    let submitted = session.submit(submission).await?;
    if manner.stream {
        return Ok(events(session, &turn, submitted.from, manner.reasoning));
    }
    let told = collect(session.log(), &turn, submitted.from).await?;
    Ok(HttpResponse::Ok().json(told))
}
