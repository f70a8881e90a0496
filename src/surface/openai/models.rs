//! `GET /v1/models`: whom a call can name.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{super::House, HttpError, call};

/// When this process looked first: what a model has to have and nobody reads.
static SINCE: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_second());

/// Every provider, every other name of one, and every persona. A name that several have is the first
/// one's.
fn models(house: &House) -> Vec<Value> {
    let lineup = house.conversation.lineup();
    let (registry, prompts) = (lineup.registry(), lineup.prompts());
    let mut models: Vec<Value> = Vec::new();
    let mut add = |name: &str, kind: &str, more: Option<(&str, &str)>| {
        let mut model = json!({ "id": name, "object": "model", "created": *SINCE,
            "owned_by": "anima", "kind": kind });
        if let Some((key, value)) = more {
            model[key] = json!(value);
        }
        if models.iter().all(|known| known["id"] != name) {
            models.push(model);
        }
    };
    for name in registry.names() {
        add(name, "provider", None);
    }
    for (alias, name) in registry.aliases() {
        add(alias, "alias", Some(("provider", name)));
    }
    for persona in prompts.personas() {
        add(&persona.name, "persona", Some(("title", &persona.title)));
    }
    models
}

/// Lists them.
pub(super) async fn list(house: Data<House>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "object": "list", "data": models(&house) }))
}

/// Shows one of them.
pub(super) async fn show(
    house: Data<House>,
    name: Path<String>,
) -> Result<HttpResponse, HttpError> {
    let model = models(&house).into_iter().find(|model| model["id"] == name.as_str());
    let unknown = || call::unknown_model(&house.conversation, &name);
    Ok(HttpResponse::Ok().json(model.ok_or_else(unknown)?))
}
