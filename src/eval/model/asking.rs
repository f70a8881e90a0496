//! Puts a question to a provider, and gives back what it says without reasoning and tags.

use std::time::{Duration, Instant};

use anima_provider::{
    Input, LaneId, Message, ProviderError, ProviderEvent, Request, Role, Sampling, TextPart,
};
use futures::StreamExt;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::suite::{Item, Lang, Rule};
use crate::{
    registry::Entry,
    turn::{
        emotion::{EmotionFilter, Marked},
        think::ThinkFilter,
    },
};

/// How often a provider that is at its limit is asked again, and how long one waits at most.
const RETRIES: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An answer, and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) model: String,
    pub(super) first_token_ms: Option<f64>,
    pub(super) total_ms: f64,
}

impl Answer {
    /// What stands for an answer where none came.
    pub(super) fn none() -> Self {
        Self { text: String::new(), model: String::new(), first_token_ms: None, total_ms: 0.0 }
    }
}

/// What the model is asked, without the system text.
pub(super) fn question(item: &Item) -> String {
    let mut question = item.prompt.clone();
    if let Rule::Choice { choices, .. } = &item.score {
        for (letter, choice) in (b'A'..=b'Z').map(char::from).zip(choices) {
            question.extend(["\n", &letter.to_string(), ". ", choice]);
        }
        question.push_str(match item.lang {
            Lang::Zh => "\n只回答一个字母。",
            Lang::En => "\nAnswer with one letter only.",
        });
    }
    question
}

/// What the model is told of the functions that it may call. They are told in words, because not
/// every provider takes them otherwise, and so that all are asked alike.
fn offer(item: &Item) -> Option<String> {
    if item.tools.is_empty() {
        return None;
    }
    let tools = Value::Array(item.tools.clone());
    Some(match item.lang {
        Lang::Zh => format!(
            "你可以调用下列函数（JSON 描述）：\n{tools}\n需要调用时，只输出一个 JSON 对象：\
             {{\"name\": 函数名, \"arguments\": {{参数名: 值}}}}，不要输出别的内容。没有合适的函数时，直接用文字回答。"
        ),
        Lang::En => format!(
            "You may call these functions, described in JSON:\n{tools}\nTo call one, answer with one JSON \
             object and nothing else: {{\"name\": FUNCTION, \"arguments\": {{NAME: VALUE}}}}. Where none of \
             them fits, answer in words."
        ),
    })
}

/// The request for an item; `system` is who is asked, where that is somebody.
pub(super) fn request(
    item: &Item,
    system: Option<&str>,
    sampling: &Sampling,
    takes_chat: bool,
) -> Request {
    let system = match (system.map(str::to_owned), offer(item)) {
        (Some(system), Some(offer)) => Some(format!("{system}\n{offer}")),
        (system, offer) => system.or(offer),
    };
    let question = question(item);
    let input = if takes_chat {
        Input::Chat { system, messages: vec![Message::new(Role::User, question)] }
    } else {
        let mut parts = Vec::new();
        parts.extend(system.map(|system| TextPart::Template(system + "\n\n")));
        parts.extend([TextPart::Said(question), TextPart::Template("\n".to_owned())]);
        Input::Text { parts }
    };
    Request::new(input, sampling.clone(), LaneId("eval".to_owned()))
}

/// Asks, again where the provider is at its limit.
///
/// # Errors
/// The provider's own.
pub(super) async fn ask(entry: &Entry, request: Request) -> Result<Answer, ProviderError> {
    for attempt in 0..RETRIES {
        match ask_once(entry, request.clone()).await {
            Err(ProviderError::RateLimited { retry_after }) => {
                let wait = retry_after.unwrap_or(Duration::from_secs(1 << attempt));
                sleep(wait.min(LONGEST_WAIT)).await;
            }
            outcome => return outcome,
        }
    }
    ask_once(entry, request).await
}

async fn ask_once(entry: &Entry, request: Request) -> Result<Answer, ProviderError> {
    let mut began = Instant::now();
    let mut events = entry.provider.generate(request).await?;
    let mut reader = AnswerReader::new();
    let (mut model, mut first) = (String::new(), None);
    loop {
        // While a request waits for its place, there is nothing to wait for that could fail.
        let event = if model.is_empty() {
            events.next().await
        } else {
            let silent = |_| ProviderError::Timeout(entry.first_token);
            timeout(entry.first_token, events.next()).await.map_err(silent)?
        };
        let ended = || ProviderError::Protocol("the answer has no end".into());
        match event.ok_or_else(ended)?? {
            ProviderEvent::Admitted { model: name } => {
                // What an answer took is told without the time in the queue.
                (model, began) = (name, Instant::now());
            }
            ProviderEvent::Text(text) => {
                first.get_or_insert_with(|| milliseconds(began));
                reader.push(&text);
            }
            ProviderEvent::Done { .. } => break,
            _ => {}
        }
    }
    let total_ms = milliseconds(began);
    Ok(Answer { text: reader.finish(), model, first_token_ms: first, total_ms })
}

/// Takes reasoning and emotion tags out of an answer.
struct AnswerReader {
    think: ThinkFilter,
    tags: EmotionFilter,
    text: String,
}

impl AnswerReader {
    fn new() -> Self {
        Self { think: ThinkFilter::new(false), tags: EmotionFilter::new(), text: String::new() }
    }

    fn push(&mut self, text: &str) {
        let thought = self.think.push(text);
        let marked = self.tags.push(&thought.answer);
        self.put(marked);
    }

    fn finish(mut self) -> String {
        let thought = self.think.finish();
        let mut marked = self.tags.push(&thought.answer);
        marked.extend(self.tags.finish());
        self.put(marked);
        self.text.trim().to_owned()
    }

    fn put(&mut self, marked: Vec<Marked>) {
        self.text.extend(marked.into_iter().filter_map(|marked| match marked {
            Marked::Text(text) => Some(text),
            _ => None,
        }));
    }
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use anima_provider::{Provider, Script, ScriptedProvider, Step};

    use super::*;
    use crate::registry::Registry;

    fn entry(provider: ScriptedProvider, seconds: u64) -> Entry {
        let provider: Arc<dyn Provider> = Arc::new(provider);
        let registry = Registry::of([provider], Duration::from_secs(seconds));
        registry.pick(None).unwrap().remove(0)
    }

    fn item(json: &str) -> Item {
        serde_json::from_str(json).unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_without_reasoning_and_tags() {
        let script = Script::saying(["<think>42?</think>", "[jo", "y]It is 42", "."]);
        let provider = ScriptedProvider::playing("it", [script]);
        let entry = entry(provider, 5);
        let item = item(
            r#"{"id":"1","category":"tools","lang":"en","prompt":"?","tools":[{"name":"f"}],"score":{"kind":"tool","name":null}}"#,
        );
        let request = request(&item, Some("You are X."), &Sampling::default(), true);
        let Input::Chat { system: Some(system), .. } = &request.input else {
            panic!("{request:?}")
        };
        assert!(system.starts_with("You are X.\n") && system.contains(r#"[{"name":"f"}]"#));
        let answer = ask(&entry, request).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.model.as_str()), ("It is 42.", "scripted"));
        assert!(answer.first_token_ms.is_some());
    }

    #[tokio::test]
    async fn a_provider_at_its_limit_is_asked_again_and_a_silent_one_given_up() {
        let busy = || {
            let retry_after = Some(Duration::from_millis(1));
            Script::admitted().then(Step::Fail(ProviderError::RateLimited { retry_after }))
        };
        let scripts =
            [busy(), busy(), Script::saying(["yes"]), Script::admitted().then(Step::Hang)];
        let provider = ScriptedProvider::playing("it", scripts);
        let entry = entry(provider, 1);
        let item = item(
            r#"{"id":"1","category":"code","lang":"zh","prompt":"问","score":{"kind":"choice","choices":["x","y"],"answer":"A"}}"#,
        );
        assert_eq!(question(&item), "问\nA. x\nB. y\n只回答一个字母。");
        let request = request(&item, None, &Sampling::default(), false);
        assert_eq!(ask(&entry, request.clone()).await.unwrap().text, "yes");
        assert!(matches!(ask(&entry, request).await, Err(ProviderError::Timeout(_))));
    }
}
