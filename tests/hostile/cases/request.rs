//! A case of one request.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;

use crate::{
    expand::expand,
    http::{Response, ends, exchange, last_exchange},
    process::Process,
};

/// What is sent, and what has to come back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// The bytes, as they are.
    raw: Option<String>,
    /// Else a method and a path, to which the headers that are needed are added,
    ask: Option<String>,
    /// further headers,
    #[serde(default)]
    headers: Vec<String>,
    /// another host,
    host: Option<String>,
    /// and a body with its length.
    body: Option<String>,
    /// Nothing more is sent, and the service is told so.
    #[serde(default)]
    half_close: bool,
    /// The status, or those of which one has to come. 0 is the end of the connection.
    status: Statuses,
    /// The short name of the error.
    code: Option<String>,
    /// Texts that are in the body.
    #[serde(default)]
    says: Vec<String>,
    /// Texts that are not in the answer at all.
    #[serde(default)]
    hides: Vec<String>,
    /// Headers that the answer has.
    #[serde(default)]
    has: Vec<String>,
    /// The connection ends after the answer, without a second one.
    #[serde(default)]
    closes: bool,
    /// How long the answer may take.
    #[serde(default = "two_seconds")]
    within_ms: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Statuses {
    One(u16),
    Any(Vec<u16>),
}

/// An answer is a matter of milliseconds; this is for busy machines.
fn two_seconds() -> u64 {
    2000
}

impl Case {
    /// Runs it; the error says what is not as it has to be.
    pub(super) fn run(
        &self,
        service: &Process,
        known: &HashMap<&str, String>,
    ) -> Result<(), String> {
        let bytes = self.bytes(known);
        let mut stream = service.connect();
        let send = if self.half_close { last_exchange } else { exchange };
        let wanted = match &self.status {
            Statuses::One(status) => std::slice::from_ref(status),
            Statuses::Any(any) => any,
        };
        let Some(mut response) = send(&mut stream, &bytes) else {
            return wanted.contains(&0).then_some(()).ok_or_else(|| "no answer".to_owned());
        };
        if !wanted.contains(&response.status) {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            let body: String = body.chars().take(200).collect();
            return Err(format!("{} instead of {wanted:?}: {body}", response.status));
        }
        self.check(&response)?;
        let patience = Duration::from_secs(8);
        if self.closes && !ends(&mut stream, &mut response.rest, patience) {
            return Err("the connection stays open".to_owned());
        }
        if self.closes && response.rest.starts_with(b"HTTP/") {
            return Err("there is a second answer".to_owned());
        }
        Ok(())
    }

    fn bytes(&self, known: &HashMap<&str, String>) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return expand(raw, known);
        }
        let ask = self.ask.as_deref().expect("a case has `raw` or `ask`");
        let host = self.host.as_deref().unwrap_or("${host}");
        let mut bytes = expand(&format!("{ask} HTTP/1.1\r\nHost: {host}\r\n"), known);
        for header in &self.headers {
            bytes.extend(expand(&format!("{header}\r\n"), known));
        }
        let body = self.body.as_deref().map(|body| expand(body, known));
        if let Some(body) = &body {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.unwrap_or_default());
        bytes
    }

    fn check(&self, response: &Response) -> Result<(), String> {
        let body = String::from_utf8_lossy(&response.body);
        let told = || body.chars().take(200).collect::<String>();
        if response.after > Duration::from_millis(self.within_ms) {
            return Err(format!("the answer took {:?}", response.after));
        }
        if self.code.is_some() && self.code != response.code() {
            return Err(format!("{:?} instead of {:?}: {}", response.code(), self.code, told()));
        }
        if let Some(missing) = self.says.iter().find(|text| !body.contains(*text)) {
            return Err(format!("{missing:?} is not in {}", told()));
        }
        if let Some(found) = self.hides.iter().find(|text| body.contains(*text)) {
            return Err(format!("{found:?} is in {}", told()));
        }
        match self.has.iter().find(|name| response.header(name).is_none()) {
            Some(name) => Err(format!("there is no {name}")),
            None => Ok(()),
        }
    }
}
