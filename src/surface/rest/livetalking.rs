//! `/v1/sessions/{session}/livetalking`: the avatar at `LiveTalking` that speaks for a session.
//!
//! A resource of the session, since it belongs to whoever has that: a socket may come and go beside it,
//! and a page that has an avatar need not speak over a socket.

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::known;
use crate::{
    access::Caller,
    avatars::livetalking::{Avatar, AvatarId, Drivers},
    surface::{
        House,
        body::Body,
        error::{self, HttpError},
        request,
    },
    turn::SessionId,
};

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::resource("/v1/sessions/{session}/livetalking")
            .route(web::get().to(show))
            .route(web::put().to(attach))
            .route(web::delete().to(detach))
            .default_service(web::to(error::method_not_allowed)),
    );
}

/// The avatar that a session is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::surface) struct AvatarCall {
    /// The `sessionid` that `/offer` of `LiveTalking` answered with.
    sessionid: String,
}

/// The avatar that a session has.
#[derive(Serialize, ToSchema)]
pub(in crate::surface) struct AvatarShape {
    #[schema(value_type = String)]
    sessionid: AvatarId,
    /// Whether `LiveTalking` did as it was last asked.
    reachable: bool,
    /// Whether what is played is known; where it is not, what was sent counts as heard.
    acknowledges: bool,
}

impl From<Avatar> for AvatarShape {
    fn from(avatar: Avatar) -> Self {
        let Avatar { sessionid, reachable, acknowledges } = avatar;
        Self { sessionid, reachable, acknowledges }
    }
}

/// The avatars, where there are any.
fn drivers(house: &House) -> Result<&Drivers, HttpError> {
    house.livetalking.as_deref().ok_or_else(error::no_livetalking)
}

async fn attach(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, HttpError> {
    let session = known(&house, &caller, &id).await?;
    let call: AvatarCall = request::json(body, house.server.max_message_bytes).await?;
    let avatar = AvatarId::parse(call.sessionid)
        .map_err(|error| HttpError::parameter("sessionid", error.to_string()))?;
    let avatar = drivers(&house)?.attach(session, avatar).await?;
    Ok(HttpResponse::Ok().json(AvatarShape::from(avatar)))
}

async fn show(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let id = caller.tenant().session(id.into_inner())?;
    let avatar = drivers(&house)?.avatar(&id).ok_or_else(error::no_avatar)?;
    Ok(HttpResponse::Ok().json(AvatarShape::from(avatar)))
}

async fn detach(
    house: Data<House>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, HttpError> {
    let id = caller.tenant().session(id.into_inner())?;
    if drivers(&house)?.detach(&id).await {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(error::no_avatar())
    }
}

/// Lets the avatar of a session go that is about to be forgotten.
pub(super) async fn forget(house: &House, session: &SessionId) {
    if let Some(drivers) = &house.livetalking {
        drivers.detach(session).await;
    }
}
