//! The items of a conversation in their order, and what a model is shown of them.

use anima_provider::{Message, Role, ToolCall};

use super::{
    super::error::HttpError,
    item::{Content, Item, Part},
};

/// Most items of a conversation.
const MOST: usize = 1024;
/// Most bytes of all items together.
pub(super) const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The place before the first item.
const ROOT: &str = "root";

/// The items of a conversation.
#[derive(Debug, Default)]
pub(super) struct Items {
    list: Vec<Item>,
    bytes: usize,
}

impl Items {
    /// Whether there is room for more.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn reserve(&self, bytes: usize) -> Result<(), HttpError> {
        if self.list.len() < MOST && self.bytes.saturating_add(bytes) <= MOST_BYTES {
            return Ok(());
        }
        let message = format!(
            "a conversation has at most {MOST} items and {} MiB: delete some, or begin another",
            MOST_BYTES >> 20
        );
        Err(HttpError::invalid("conversation_too_long", message))
    }

    /// Adds a client's item after the one of this id, or at the end, and tells the id of the one
    /// before it.
    ///
    /// # Errors
    /// When there is no such item, one of its own id already, or no room.
    pub(super) fn insert(
        &mut self,
        item: Item,
        after: Option<&str>,
    ) -> Result<Option<String>, HttpError> {
        self.reserve(item.bytes())?;
        if item.id == ROOT || self.position(&item.id).is_some() {
            let message = "an item of this id is there already";
            return Err(HttpError::parameter("item.id", message).with_code("item_already_exists"));
        }
        let place = match after {
            None => self.list.len(),
            Some(ROOT) => 0,
            Some(id) => {
                let found = self.position(id).ok_or_else(|| unknown("previous_item_id"))?;
                found + 1
            }
        };
        let before = place.checked_sub(1).map(|before| self.list[before].id.clone());
        self.bytes += item.bytes();
        self.list.insert(place, item);
        Ok(before)
    }

    /// Adds an item of the model at the end; it is there whatever room there is.
    pub(super) fn push(&mut self, item: Item) -> Option<String> {
        let before = self.list.last().map(|last| last.id.clone());
        self.bytes += item.bytes();
        self.list.push(item);
        before
    }

    /// Puts an item in the place of the one of its id; one that was deleted meanwhile stays so.
    pub(super) fn replace(&mut self, item: Item) {
        if let Some(place) = self.position(&item.id) {
            self.bytes = self.bytes.saturating_sub(self.list[place].bytes()) + item.bytes();
            self.list[place] = item;
        }
    }

    /// The item of this id.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn get(&self, id: &str) -> Result<&Item, HttpError> {
        self.position(id).map(|place| &self.list[place]).ok_or_else(|| unknown("item_id"))
    }

    /// Takes an item out.
    ///
    /// # Errors
    /// When there is none of this id.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), HttpError> {
        let place = self.position(id).ok_or_else(|| unknown("item_id"))?;
        let item = self.list.remove(place);
        self.bytes = self.bytes.saturating_sub(item.bytes());
        Ok(())
    }

    /// All of them, in their order.
    pub(super) fn all(&self) -> &[Item] {
        &self.list
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.list.iter().position(|item| item.id == id)
    }
}

fn unknown(param: &str) -> HttpError {
    HttpError::parameter(param, "there is no item of this id").with_code("item_not_found")
}

/// The conversation that the items are. Calls that stand together are one message, as models make
/// them.
pub(super) fn messages<'item>(items: impl IntoIterator<Item = &'item Item>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for item in items {
        match &item.content {
            Content::Message { role, parts } => {
                let mut message = Message::new(*role, String::new());
                let mut texts = Vec::new();
                for part in parts {
                    match part {
                        Part::Text(text) => texts.push(text.as_str()),
                        Part::Image(image) => message.images.push(image.clone()),
                    }
                }
                message.text = texts.join("\n");
                // Some servers refuse an answer without a word.
                if !(*role == Role::Assistant && message.text.is_empty()) {
                    messages.push(message);
                }
            }
            Content::Call { call_id, name, arguments } => {
                let call = ToolCall {
                    id: call_id.clone(),
                    name: name.clone(),
                    arguments: arguments.clone(),
                };
                match messages.last_mut().filter(|last| last.role == Role::Assistant) {
                    Some(last) => last.tool_calls.push(call),
                    None => messages.push(Message {
                        tool_calls: vec![call],
                        ..Message::new(Role::Assistant, String::new())
                    }),
                }
            }
            Content::Output { call_id, output } => messages.push(Message {
                tool_call_id: Some(call_id.clone()),
                ..Message::new(Role::Tool, output.clone())
            }),
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn item(value: Value) -> Item {
        Item::read(value, "item").unwrap()
    }

    fn said(id: &str, text: &str) -> Item {
        item(json!({ "id": id, "type": "message", "role": "user",
            "content": [{ "type": "input_text", "text": text }] }))
    }

    #[test]
    fn items_go_where_they_are_put_and_room_is_given_back() {
        let mut items = Items::default();
        assert_eq!(items.insert(said("b", "b"), None).unwrap(), None);
        assert_eq!(items.insert(said("c", "c"), None).unwrap().as_deref(), Some("b"));
        assert_eq!(items.insert(said("a", "a"), Some("root")).unwrap(), None);
        assert_eq!(items.insert(said("d", "d"), Some("b")).unwrap().as_deref(), Some("b"));
        let order = |items: &Items| {
            items.all().iter().map(|item| item.id.clone()).collect::<Vec<_>>().concat()
        };
        assert_eq!(order(&items), "abdc");
        assert_eq!(items.insert(said("a", "a"), None).unwrap_err().code(), "item_already_exists");
        assert_eq!(items.insert(said("e", "e"), Some("x")).unwrap_err().code(), "item_not_found");
        items.delete("d").unwrap();
        assert!(items.delete("d").is_err());
        assert_eq!(order(&items), "abc");
        let large = "x".repeat(MOST_BYTES);
        let refused = items.insert(said("large", &large), None).unwrap_err();
        assert_eq!(refused.code(), "conversation_too_long");
        for id in ["a", "b", "c"] {
            items.delete(id).unwrap();
        }
        assert_eq!(items.bytes, 0);
    }

    #[test]
    fn calls_are_one_message_and_their_outputs_are_one_each() {
        let items = [
            said("a", "weather?"),
            item(
                json!({ "type": "function_call", "call_id": "1", "name": "f", "arguments": "{}" }),
            ),
            item(
                json!({ "type": "function_call", "call_id": "2", "name": "g", "arguments": "{}" }),
            ),
            item(json!({ "type": "function_call_output", "call_id": "1", "output": "sun" })),
            item(json!({ "type": "function_call_output", "call_id": "2", "output": "rain" })),
        ];
        let messages = messages(&items);
        let roles: Vec<_> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Tool]);
        let called: Vec<_> = messages[1].tool_calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(called, ["f", "g"]);
        assert_eq!(messages[3].tool_call_id.as_deref(), Some("2"));
    }
}
