//! A call whose model is a persona: the conversation goes through everything that a turn does.

use anima_provider::{Image, Input, Output, Request, Role};

use super::HttpError;
use crate::turn::{Choice, Context, Earlier, Task, Turn, TurnId, UserText};

/// The turn that a call to the persona `name` is. What is not the person's or the persona's own in
/// the conversation is something that the answer may rest on.
pub(in crate::surface) fn turn(
    id: TurnId,
    name: String,
    request: Request,
) -> Result<Turn, HttpError> {
    let refused = [
        ("tools", !request.tools.is_empty()),
        ("response_format", request.output != Output::Text),
        ("logprobs", request.logprobs.is_some()),
    ];
    let extra = request.extra.keys().next().map(String::as_str);
    let refused = refused.into_iter().find(|(_, asked)| *asked).map(|(param, _)| param).or(extra);
    if let Some(param) = refused {
        let message =
            format!("the persona {name} speaks in sentences: for {param} name a provider");
        return Err(HttpError::unsupported(param, message));
    }
    let Input::Chat { system, messages } = request.input else {
        return Err(HttpError::missing("messages"));
    };
    let mut knowledge: Vec<String> = system.into_iter().collect();
    let mut earlier: Vec<Earlier> = Vec::new();
    let mut last: Option<(String, Vec<Image>)> = None;
    for message in messages {
        match message.role {
            Role::System | Role::Tool => knowledge.push(message.text),
            Role::User => {
                if let Some((said, _)) = last.replace((message.text, message.images)) {
                    earlier.push(Earlier { said, heard: String::new(), emotion: None });
                }
            }
            Role::Assistant => {
                let said = last.take().map(|(said, _)| said).unwrap_or_default();
                earlier.push(Earlier { said, heard: message.text, emotion: None });
            }
        }
    }
    let (said, images) = last.ok_or_else(|| {
        let message = format!("the last message is the user's, which the persona {name} answers");
        HttpError::parameter("messages", message)
    })?;
    let said =
        UserText::parse(said).map_err(|error| HttpError::from(error).with_param("messages"))?;
    Ok(Turn {
        id,
        task: Task::Answer { said, images },
        context: Context { supplied: Some(earlier), turns: None, knowledge },
        choice: Choice { persona: Some(name), sampling: request.sampling, ..Choice::default() },
    })
}
