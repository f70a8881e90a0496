//! The bytes of an answer. Those of a token are the same but for the token, so they are made once.

use crate::script::TOKEN;

/// The answer to a request that names no stream, such as a gateway's own look around.
pub(super) fn unknown() -> Vec<u8> {
    let body = r#"{"error":{"message":"the request names no stream"}}"#;
    let head = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length";
    format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

/// The head, and the piece in which OpenAI says who speaks.
pub(super) fn beginning() -> Vec<u8> {
    let role =
        event(r#"[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]"#);
    [HEAD.as_bytes(), &chunk(&role)].concat()
}

/// What follows the last token.
pub(super) fn end(usage: bool) -> Vec<u8> {
    let mut text = event(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#);
    if usage {
        let counts = r#""usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}"#;
        text += &event("[]").replace(r#""choices":[]"#, &format!(r#""choices":[],{counts}"#));
    }
    text += "data: [DONE]\n\n";
    [&chunk(&text)[..], b"0\r\n\r\n"].concat()
}

/// The piece that holds one token.
pub(super) struct TokenFrame {
    bytes: Vec<u8>,
    place: usize,
}

impl TokenFrame {
    pub(super) fn new() -> Self {
        let blank = "_".repeat(TOKEN);
        let content =
            format!(r#"[{{"index":0,"delta":{{"content":"{blank}"}},"finish_reason":null}}]"#);
        let bytes = chunk(&event(&content));
        let place = bytes.windows(TOKEN).position(|window| window == blank.as_bytes());
        Self { bytes, place: place.unwrap_or_default() }
    }

    /// The piece with this token of `text`.
    pub(super) fn saying(&mut self, text: &str, token: usize) -> &[u8] {
        let said = &text.as_bytes()[token * TOKEN..(token + 1) * TOKEN];
        self.bytes[self.place..self.place + TOKEN].copy_from_slice(said);
        &self.bytes
    }
}

fn event(choices: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\
         \"created\":1700000000,\"model\":\"bench\",\"choices\":{choices}}}\n\n"
    )
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
