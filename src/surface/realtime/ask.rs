//! A response is asked for: of a provider, or of a persona.

use std::sync::Arc;

use anima_provider::{Input, LaneId, Message, Request, Sampling};
use serde_json::Value;

use super::{
    super::{
        House,
        error::HttpError,
        openai::{Target, job, persona_turn},
    },
    Whom,
    item::Item,
    items::{Items, MOST_BYTES, messages},
    manner::Manner,
};
use crate::{
    access::Caller,
    session::CommandError,
    turn::{
        TurnId,
        pipeline::{Relay, TurnStream},
    },
};

/// Most items that a response may bring along.
const MOST_ITEMS: usize = 1024;

/// What a client asks for with `response.create`.
pub(super) struct Asked {
    /// How it is made.
    pub(super) manner: Manner,
    /// Whether it becomes part of the conversation.
    pub(super) in_conversation: bool,
    /// What is told back with it.
    pub(super) metadata: Option<Value>,
    /// What the model is shown.
    messages: Vec<Message>,
}

impl Asked {
    /// Reads the fields of a `response.create`.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub(super) fn read(
        fields: Option<&Value>,
        session: &Manner,
        items: &Items,
    ) -> Result<Self, HttpError> {
        let nothing = Value::Object(serde_json::Map::new());
        let fields = fields.unwrap_or(&nothing);
        let manner = session.changed(fields, "response")?;
        let in_conversation = match fields["conversation"].as_str() {
            None if fields["conversation"].is_null() => true,
            Some("auto") => true,
            Some("none") => false,
            _ => {
                let message = "conversation is auto or none";
                return Err(HttpError::parameter("response.conversation", message));
            }
        };
        let metadata = &fields["metadata"];
        if !(metadata.is_null() || metadata.is_object()) {
            return Err(HttpError::wrong_type("response.metadata", "an object"));
        }
        let messages = match &fields["input"] {
            Value::Null => messages(items.all()),
            Value::Array(input) if input.len() <= MOST_ITEMS => messages(&brought(input, items)?),
            _ => {
                let message = format!("input is a list of at most {MOST_ITEMS} items");
                return Err(HttpError::parameter("response.input", message));
            }
        };
        if messages.is_empty() {
            let message = "there is nothing to answer: create an item first";
            return Err(HttpError::invalid("empty_input", message));
        }
        let metadata = (!metadata.is_null()).then(|| metadata.clone());
        Ok(Self { manner, in_conversation, metadata, messages })
    }

    /// Begins to answer it.
    ///
    /// # Errors
    /// When whoever is to answer cannot do what is asked, or there is no place.
    pub(super) fn begin(
        &mut self,
        house: &House,
        caller: &Caller,
        whom: &Whom,
        lane: &LaneId,
    ) -> Result<TurnStream, HttpError> {
        if !house.directory.is_open() {
            return Err(CommandError::ShuttingDown.into());
        }
        let manner = &self.manner;
        let system = (!manner.instructions.is_empty()).then(|| manner.instructions.clone());
        let messages = std::mem::take(&mut self.messages);
        let sampling = Sampling { max_tokens: manner.max_output_tokens, ..Sampling::default() };
        let request = Request {
            tools: manner.offered.clone(),
            tool_choice: manner.choice.clone(),
            ..Request::new(Input::Chat { system, messages }, sampling, lane.clone())
        };
        let (id, conversation) = (TurnId::generate(), &house.conversation);
        match whom {
            Target::Provider(provider) => {
                let place = conversation.admit(&caller.take_turn()?)?;
                let (provider, request) = (provider.clone(), Arc::new(request));
                Ok(conversation.relay(Relay::new(id, provider, request), place))
            }
            Target::Persona(name) => {
                let turn = persona_turn(id, name.clone(), request)?;
                let job = job(conversation, turn, lane.clone())?;
                Ok(conversation.run(job, conversation.admit(&caller.take_turn()?)?))
            }
        }
    }
}

/// The items of a response's own input; some may be named and are those of the conversation. However
/// often one is named, together they are no larger than a conversation may be.
fn brought(input: &[Value], items: &Items) -> Result<Vec<Item>, HttpError> {
    let (mut brought, mut bytes) = (Vec::new(), 0_usize);
    for (index, value) in input.iter().enumerate() {
        let path = format!("response.input[{index}]");
        let item = if value["type"] == "item_reference" {
            let id = value["id"].as_str().unwrap_or_default();
            let named = items.get(id).map_err(|error| error.with_param(&format!("{path}.id")))?;
            bytes = bytes.saturating_add(named.bytes());
            if bytes > MOST_BYTES {
                let message = format!("input holds at most {} MiB", MOST_BYTES >> 20);
                return Err(HttpError::parameter("response.input", message));
            }
            named.clone()
        } else {
            Item::read(value.clone(), &path)?
        };
        brought.push(item);
    }
    Ok(brought)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_that_is_named_often_counts_each_time() {
        let mut items = Items::default();
        let large = "x".repeat(MOST_BYTES / 4);
        let item = json!({ "type": "message", "id": "a", "role": "user",
            "content": [{ "type": "input_text", "text": large }] });
        items.insert(Item::read(item, "item").unwrap(), None).unwrap();
        let named = |times| vec![json!({ "type": "item_reference", "id": "a" }); times];
        assert_eq!(brought(&named(3), &items).unwrap().len(), 3);
        let refused = brought(&named(5), &items).err().unwrap();
        assert!(refused.to_string().contains("4 MiB"), "{refused}");
    }
}
