//! The document of HTTP: every path, in the order of the route table.

use serde_json::{Map, Value, json};

use super::{
    openai::{
        ChatCall, ChatCompletion, Completion, CompletionCall, EmbeddingCall, EmbeddingList, Model,
        ModelList,
    },
    operation::Operation,
    others::{
        Alive, DefaultChange, DefaultChanged, ExchangeShape, Failure, GenerateAnswer, GenerateCall,
        GeneratorAnswer, GeneratorCall, HistoryList, Interrupted, LinlyAnswer, LinlyCall,
        ProviderReports, Readiness, SessionList, TalkerAnswer, TalkerFailure, TalkerMessage,
        TalkerQuestion,
    },
    schemas::Schemas,
};
use crate::{
    history::SessionRecord,
    reload::Report,
    surface::{
        request::TurnFields,
        rest::{
            Changes, InterruptCall, Manner, WholeTurn,
            livetalking::{AvatarCall, AvatarShape},
        },
    },
};

const SESSIONS: &str = "Sessions";
const OPENAI: &str = "OpenAI";
const LINLY: &str = "Linly-Talker";
const GENERATE: &str = "vLLM and the text generator";
const OPERATIONS: &str = "Operations";
const ADMIN: &str = "Administration";
const DOCUMENTS: &str = "Documents";
const PAGE: &str = "Page";
const AVATARS: &str = "Avatars";
const FAY: &str = "Fay";

/// Where Fay itself is, and avatars of it look for it.
const FAY_SERVER: &str = "http://127.0.0.1:10002";

const EVENTS: &str = "text/event-stream";

/// The document.
pub(super) fn document() -> Value {
    let mut schemas = Schemas::default();
    let groups = [
        sessions(&mut schemas),
        openai(&mut schemas),
        linly(&mut schemas),
        generate(&mut schemas),
        operations(&mut schemas),
        admin(&mut schemas),
        documents(&mut schemas),
        page(&mut schemas),
        avatars(&mut schemas),
    ];
    let mut paths: Map<String, Value> = Map::new();
    for operation in groups.into_iter().flatten() {
        let (path, method) = operation.place();
        paths.entry(path).or_insert_with(|| json!({}))[method] = operation.into_value();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Anima",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The brain of a digital human. The native WebSocket, GET /ws, is described by /asyncapi.json.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.into_value(),
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer",
                "description": "where the configuration asks for keys; for /admin/… the admin key" } },
        },
        "security": [{}, { "key": [] }],
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// A stream of events. It has no type: some readers hold the whole body to one, others each event.
fn events() -> Value {
    json!({ "description": "server-sent events" })
}

fn count(least: u32) -> Value {
    json!({ "type": "integer", "minimum": least })
}

fn sessions(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let record = schemas.of::<SessionRecord>();
    let changes = schemas.of::<Changes>();
    let whole = schemas.of::<WholeTurn>();
    let turn = json!({ "allOf": [schemas.of::<TurnFields>(), schemas.of::<Manner>()] });
    let page = |operation: Operation| operation.query("limit", count(0));
    let of = |method, path, summary| Operation::new(method, path, SESSIONS, summary);
    let session = "/v1/sessions/{session}";
    let history = "/v1/sessions/{session}/history";
    let operations = vec![
        of("get", "/ws", "Opens the native WebSocket").gives_nothing("101"),
        page(of("get", "/v1/sessions", "Lists the sessions, the one last used first"))
            .query("skip", count(0))
            .gives("200", schemas.of::<SessionList>()),
        of("post", "/v1/sessions", "Makes a session")
            .may_take(changes.clone())
            .gives("201", record.clone()),
        of("get", session, "Shows a session").gives("200", record.clone()),
        of("patch", session, "Changes its title, persona or provider")
            .takes(changes)
            .gives("200", record),
        of("delete", session, "Forgets it").gives_nothing("204"),
        page(of("get", history, "Tells what was said lately"))
            .query("skip", count(0))
            .gives("200", schemas.of::<HistoryList>()),
        of("delete", history, "Forgets what was said").gives_nothing("204"),
        of("get", "/v1/sessions/{session}/export", "Tells everything, one exchange a line")
            .gives_as("200", "application/jsonl", text()),
        of("post", "/v1/sessions/{session}/turns", "Answers, or speaks")
            .takes(turn)
            .gives("200", whole)
            .gives_as("200", EVENTS, events()),
        of("post", "/v1/sessions/{session}/interrupt", "Cuts in")
            .may_take(schemas.of::<InterruptCall>())
            .gives("200", schemas.of::<Interrupted>()),
    ];
    schemas.of::<ExchangeShape>();
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

fn openai(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let of = |method, path, summary| Operation::new(method, path, OPENAI, summary);
    let operations = vec![
        of("post", "/v1/chat/completions", "Answers a conversation")
            .takes(schemas.of::<ChatCall>())
            .gives("200", schemas.of::<ChatCompletion>())
            .gives_as("200", EVENTS, events()),
        of("post", "/v1/completions", "Goes on with texts")
            .takes(schemas.of::<CompletionCall>())
            .gives("200", schemas.of::<Completion>())
            .gives_as("200", EVENTS, events()),
        of("post", "/v1/embeddings", "Makes vectors of texts")
            .takes(schemas.of::<EmbeddingCall>())
            .gives("200", schemas.of::<EmbeddingList>()),
        of("get", "/v1/realtime", "Opens a WebSocket of the Realtime API, in text")
            .query("model", text())
            .gives_nothing("101"),
        of("get", "/v1/models", "Lists whom a call can name")
            .gives("200", schemas.of::<ModelList>()),
        of("get", "/v1/models/{model}", "Shows one of them").gives("200", schemas.of::<Model>()),
    ];
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

fn linly(schemas: &mut Schemas) -> Vec<Operation> {
    let (failure, answer) = (schemas.of::<Failure>(), schemas.of::<LinlyAnswer>());
    let talker = json!({ "anyOf": [schemas.of::<TalkerFailure>(), failure.clone()] });
    vec![
        Operation::new("post", "/", LINLY, "Answers a prompt")
            .takes(schemas.of::<LinlyCall>())
            .gives("200", answer.clone())
            .fails(json!({ "anyOf": [answer, failure] })),
        Operation::new("post", "/llm_response/", LINLY, "Answers a question")
            .takes(schemas.of::<TalkerQuestion>())
            .gives("200", schemas.of::<TalkerAnswer>())
            .fails(talker.clone()),
        Operation::new("post", "/llm_change_model/", LINLY, "Changes who answers these callers")
            .query("model_name", text())
            .gives("200", schemas.of::<TalkerMessage>())
            .fails(talker),
    ]
}

fn generate(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let calls = [schemas.of::<GenerateCall>(), schemas.of::<GeneratorCall>()];
    let answers = [schemas.of::<GenerateAnswer>(), schemas.of::<GeneratorAnswer>()];
    let operations = vec![
        Operation::new("post", "/generate", GENERATE, "Goes on with a prompt, or with a context")
            .takes(json!({ "anyOf": calls }))
            .gives("200", json!({ "anyOf": answers }))
            .gives_as("200", "application/octet-stream", text()),
        Operation::new("options", "/generate", GENERATE, "Tells a browser whether a page may call")
            .gives_nothing("200"),
        Operation::new("get", "/health", GENERATE, "The process is alive").gives_nothing("200"),
    ];
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let (alive, readiness) = (schemas.of::<Alive>(), schemas.of::<Readiness>());
    let of = |method, path, summary| Operation::new(method, path, OPERATIONS, summary);
    let operations = vec![
        of("get", "/healthz", "The process is alive").gives("200", alive),
        of("head", "/healthz", "The process is alive").gives_nothing("200"),
        of("get", "/readyz", "The service takes turns")
            .gives("200", readiness.clone())
            .gives("503", readiness),
        of("head", "/readyz", "The service takes turns").gives_nothing("200").gives_nothing("503"),
        of("get", "/metrics", "Metrics in Prometheus' text form").gives_as(
            "200",
            "text/plain",
            text(),
        ),
    ];
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

fn admin(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let of = |method, path, summary| Operation::new(method, path, ADMIN, summary);
    let operations = vec![
        of("get", "/admin/providers", "Tells how the providers are doing")
            .gives("200", schemas.of::<ProviderReports>()),
        of("post", "/admin/provider", "Changes who answers by default")
            .takes(schemas.of::<DefaultChange>())
            .gives("200", schemas.of::<DefaultChanged>()),
        of("post", "/admin/reload", "Reads the configuration again")
            .gives("200", schemas.of::<Report>()),
    ];
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

fn documents(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let object = || json!({ "type": "object" });
    let of = |path, summary| Operation::new("get", path, DOCUMENTS, summary);
    let operations = vec![
        of("/openapi.json", "This document").gives("200", object()),
        of("/asyncapi.json", "The document of the native WebSocket").gives("200", object()),
        of("/docs", "Both for people").gives_as("200", "text/html", text()),
    ];
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

fn avatars(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let of = |method, path, summary| Operation::new(method, path, AVATARS, summary);
    let mut operations = vec![
        of("get", "/client-ws", "Opens the WebSocket of Open-LLM-VTuber's web client")
            .gives_nothing("101"),
    ];
    let avatar = "/v1/sessions/{session}/livetalking";
    operations.extend([
        of("get", avatar, "Shows the avatar at LiveTalking that speaks for a session")
            .gives("200", schemas.of::<AvatarShape>()),
        of("put", avatar, "Lets an avatar at LiveTalking speak for it")
            .takes(schemas.of::<AvatarCall>())
            .gives("200", schemas.of::<AvatarShape>()),
        of("delete", avatar, "Lets it go").gives_nothing("204"),
    ]);
    for (path, summary) in [
        ("/live2d-models/{file}", "A file of a Live2D model"),
        ("/bg/{file}", "A background"),
        ("/avatars/{file}", "A picture of a character"),
        ("/vtuber/{file}", "A file of the web client of Open-LLM-VTuber"),
    ] {
        operations.push(of("get", path, summary).gives_as("200", "*/*", text()));
        operations.push(of("head", path, summary).gives_nothing("200"));
    }
    operations.extend(fay());
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

/// What is on the listener for avatars of Fay alone; its socket is at `/`.
fn fay() -> Vec<Operation> {
    let of =
        |method, path, summary| Operation::new(method, path, FAY, summary).elsewhere(FAY_SERVER);
    vec![
        of("post", "/api/send", "Says something, as a form whose field data holds the JSON")
            .gives("200", json!({ "type": "object" })),
        of("post", "/to-stop-talking", "Cuts in on an answer")
            .may_take(json!({ "type": "object", "properties": { "username": text() } }))
            .gives("200", json!({ "type": "object" })),
        of("get", "/audio/{milliseconds}.wav", "A silence as long as a sentence").gives_as(
            "200",
            "audio/wav",
            text(),
        ),
    ]
}

fn page(schemas: &mut Schemas) -> Vec<Operation> {
    let failure = schemas.of::<Failure>();
    let of = |method, path, summary| Operation::new(method, path, PAGE, summary);
    let file = "/static/{path}";
    let operations = vec![
        of("get", "/", "The page for browsers, and what to try for others")
            .gives_as("200", "text/html", text())
            .gives_as("200", "text/plain", text())
            .gives_nothing("304"),
        of("head", "/", "The same without its text").gives_nothing("200").gives_nothing("304"),
        of("get", file, "A file of the page").gives_as("200", "*/*", text()).gives_nothing("304"),
        of("head", file, "The same without its content").gives_nothing("200").gives_nothing("304"),
    ];
    operations.into_iter().map(|operation| operation.fails(failure.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::parameters::Parameters;

    /// The fields of a shape, those of what it is put together from included.
    fn fields(document: &Value, schema: &Value) -> Vec<String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#')).unwrap();
            return fields(document, target);
        }
        let own = schema["properties"].as_object().into_iter().flatten();
        let parts = schema["allOf"].as_array().into_iter().flatten();
        own.map(|(name, _)| name.clone())
            .chain(parts.flat_map(|part| fields(document, part)))
            .collect()
    }

    #[test]
    fn every_documented_parameter_has_a_meaning() {
        let document = document();
        for (shape, subject) in
            [("ChatCall", "messages"), ("CompletionCall", "prompt"), ("EmbeddingCall", "input")]
        {
            let found = fields(&document, &document["components"]["schemas"][shape]);
            assert!(found.len() >= 4, "{shape}: {found:?}");
            for name in found {
                assert!(name == subject || Parameters::knows(&name), "{shape}: {name}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        for document in [document(), super::super::asyncapi::document()] {
            let text = document.to_string();
            for reference in text.split("\"$ref\":\"#").skip(1) {
                let reference = reference.split('"').next().unwrap();
                assert!(document.pointer(reference).is_some(), "{reference}");
            }
            let names: Vec<_> = text.split("\"operationId\":\"").skip(1).collect();
            let names: Vec<_> = names.iter().map(|rest| rest.split('"').next().unwrap()).collect();
            let different: std::collections::HashSet<_> = names.iter().collect();
            assert_eq!(names.len(), different.len(), "{names:?}");
        }
    }
}
