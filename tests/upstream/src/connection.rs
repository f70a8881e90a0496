//! One connection: requests in, answers out, as well or as badly as ordered.

use std::{future::pending, io, sync::Arc, time::Duration};

use serde_json::{Value, json};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::{
    Fault, Plan, completions,
    dialect::Question,
    http::{Call, Reader},
    server::Shared,
    stream::{Next, stream},
    vectors::embeddings,
    writer::Writer,
};

/// Serves a connection to its end.
pub(crate) async fn serve(socket: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (read, write) = socket.into_split();
    let mut reader = Reader::new(read);
    let mut answer = Writer::new(write);
    while let Some(call) = reader.next().await? {
        let next = tokio::select! {
            next = reply(&call, &shared, &mut answer) => next?,
            () = reader.gone() => return Ok(()),
        };
        match next {
            Next::Keep => {}
            Next::Close => return Ok(()),
            Next::Reset => {
                // Without lingering, closing is a reset.
                let socket = answer.socket().as_ref();
                return SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
        }
    }
    Ok(())
}

async fn reply(call: &Call, shared: &Shared, answer: &mut Writer) -> io::Result<Next> {
    let path = call.path.split('?').next().unwrap_or_default();
    match path {
        "/control" => return control(call, shared, answer).await,
        "/control/refuse" => return refuse(call, shared, answer).await,
        _ => {}
    }
    let number = shared.record(call);
    if call.method == "POST"
        && path.ends_with("/completions")
        && !path.ends_with("/chat/completions")
    {
        answer.json(200, &[], &completions::echo(call)).await?;
        return Ok(Next::Keep);
    }
    let Some(mut question) = Question::read(call, number) else {
        if call.method == "GET" && path.ends_with("/models") {
            answer.json(200, &[], &models()).await?;
        } else {
            answer.json(404, &[], &json!({ "detail": "Not Found" })).await?;
        }
        return Ok(Next::Keep);
    };
    let mut plan = shared.plan();
    let named = call.header("x-fault").or_else(|| question.model.strip_prefix("fault-"));
    if let Some(fault) = named.and_then(|name| name.parse().ok()) {
        plan.fault = fault;
    }
    question.thinks = plan.fault == Fault::Thinking;
    match early(&plan.fault, &question, call, answer).await? {
        Some(next) => Ok(next),
        None if path.ends_with("/embeddings") => {
            answer.json(200, &[], &embeddings(call, &plan)).await?;
            Ok(Next::Keep)
        }
        None => whole_or_stream(&question, &plan, number, answer).await,
    }
}

/// Answers where it is the whole answer that is wrong.
async fn early(
    fault: &Fault,
    question: &Question,
    call: &Call,
    answer: &mut Writer,
) -> io::Result<Option<Next>> {
    match fault {
        Fault::Status { status, after, code } => {
            let error = question.error(*status, code.as_deref(), "ordered by the test");
            let after = after.map(|seconds| ("Retry-After", seconds.to_string()));
            let after: Vec<_> = after.iter().map(|(name, value)| (*name, value.as_str())).collect();
            answer.json(*status, &after, &error).await?;
        }
        Fault::Echo => {
            let message = format!("you sent {} with {:?}", call.path, call.headers);
            answer.json(401, &[], &question.error(401, None, &message)).await?;
        }
        Fault::Html => {
            let page = "<!doctype html><title>Welcome</title><p>Please log in to the network.";
            answer.whole(200, "text/html; charset=utf-8", &[], page.as_bytes()).await?;
        }
        Fault::Redirect => {
            let elsewhere = [("Location", "http://127.0.0.1:9/elsewhere")];
            answer.whole(302, "text/plain", &elsewhere, b"elsewhere").await?;
        }
        Fault::Blocked => {
            let (status, body) = question.blocked();
            if status == 200 && question.stream {
                answer.begin("text/event-stream").await?;
                answer.frame(&body.to_string(), "\n").await?;
                answer.end().await?;
            } else {
                answer.json(status, &[], &body).await?;
            }
        }
        Fault::Silence => pending().await,
        _ => return Ok(None),
    }
    Ok(Some(Next::Keep))
}

async fn whole_or_stream(
    question: &Question,
    plan: &Plan,
    number: u64,
    answer: &mut Writer,
) -> io::Result<Next> {
    let pieces = plan.pieces(number);
    if question.stream && plan.fault != Fault::NotStreamed {
        return stream(question, plan, &pieces, answer).await;
    }
    let text = if plan.fault == Fault::NoText { String::new() } else { pieces.concat() };
    let whole = question.whole(&text, pieces.len());
    answer.json(200, &[], &whole).await?;
    Ok(Next::Keep)
}

async fn control(call: &Call, shared: &Shared, answer: &mut Writer) -> io::Result<Next> {
    if call.method == "GET" {
        answer.json(200, &[], &shared.report()).await?;
        return Ok(Next::Keep);
    }
    match serde_json::from_slice::<Plan>(&call.body) {
        Ok(plan) => {
            shared.set_plan(plan);
            answer.json(200, &[], &json!({})).await?;
        }
        Err(error) => {
            answer.json(400, &[], &json!({ "detail": error.to_string() })).await?;
        }
    }
    Ok(Next::Keep)
}

async fn refuse(call: &Call, shared: &Shared, answer: &mut Writer) -> io::Result<Next> {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let pause = Duration::from_millis(body["ms"].as_u64().unwrap_or_default());
    answer.json(200, &[], &json!({})).await?;
    shared.refuse(pause);
    Ok(Next::Close)
}

fn models() -> Value {
    json!({ "object": "list", "data": [
        { "id": "stand-in", "object": "model", "created": 1_764_000_000, "owned_by": "anima" },
    ] })
}
