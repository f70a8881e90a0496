//! Fay's calls by which something is said and somebody falls silent, and the sounds that frames name.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{self, Data, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        House,
        body::Body,
        error::{self, HttpError},
        request::{self, Purpose, TurnFields},
    },
    user::User,
};
use crate::{
    access::Caller,
    avatars::{self, wave::Wave},
    session::{CommandError, Session},
};

/// The form that `/api/send` takes: JSON in a field.
#[derive(Deserialize)]
struct Form {
    data: String,
}

/// What is in it.
#[derive(Deserialize)]
struct Sent {
    username: String,
    msg: String,
}

/// Whom `/to-stop-talking` is about.
#[derive(Default, Deserialize)]
struct Stopped {
    username: Option<String>,
}

/// `POST /api/send`: the person says something. The answer goes to the clients that show them.
pub(super) async fn send(house: Data<House>, caller: Caller, body: Body) -> HttpResponse {
    let sent = async {
        let bytes = body.read(house.server.max_message_bytes).await?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let form = Query::<Form>::from_query(text);
        let form = form.map_err(|_| HttpError::missing("data"))?.into_inner();
        let sent: Sent = request::whole(form.data.as_bytes())?;
        let user = User::parse(&sent.username, "username")?;
        let session = house.directory.open(&user.session(caller.tenant())?);
        say(&session, &caller, sent.msg).await
    };
    match sent.await {
        Ok(()) => HttpResponse::Ok().json(json!({ "result": "successful" })),
        Err(refused) => refuse(&refused, "result", "message"),
    }
}

/// `POST /to-stop-talking`: the answer that is being given ends.
pub(super) async fn stop(house: Data<House>, caller: Caller, body: Body) -> HttpResponse {
    let stopped = async {
        let limit = house.server.max_message_bytes;
        let stopped: Stopped = request::optional_json(body, limit).await?;
        let user = match &stopped.username {
            Some(name) => User::parse(name, "username")?,
            None => User::default(),
        };
        interrupt(&house.directory.open(&user.session(caller.tenant())?)).await?;
        Ok(user)
    };
    match stopped.await {
        Ok(user) => HttpResponse::Ok().json(json!({ "status": "success", "data": "interrupted",
            "msg": format!("已停止用户 {} 的说话", user.name()) })),
        Err(refused) => refuse(&refused, "status", "msg"),
    }
}

/// `GET /audio/{milliseconds}.wav`: the silence that stands for the voice of a sentence.
pub(super) async fn silence(
    _caller: Caller,
    milliseconds: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let length = milliseconds.parse().ok().map(Duration::from_millis);
    let length = length.filter(|length| *length <= avatars::LONGEST);
    let Some(length) = length else { return error::not_found().await };
    Ok(HttpResponse::Ok().content_type("audio/wav").body(Wave::silent(length).bytes))
}

/// An error in the words of a call.
fn refuse(refused: &HttpError, outcome: &str, message: &str) -> HttpResponse {
    let mut told = json!({ "code": refused.code() });
    (told[outcome], told[message]) = (Value::from("error"), Value::from(refused.message()));
    refused.builder().json(told)
}

/// The person says something in their session.
pub(super) async fn say(session: &Session, caller: &Caller, said: String) -> Result<(), HttpError> {
    let fields = TurnFields { text: Some(said), ..TurnFields::default() };
    session.submit(fields.submission(Purpose::Say, caller)?).await?;
    Ok(())
}

/// The person cuts in on whatever is being answered.
pub(super) async fn interrupt(session: &Session) -> Result<(), HttpError> {
    match session.interrupt(None, None).await {
        // Nothing was ever said: it is silent already.
        Ok(_) | Err(CommandError::TurnNotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
