//! `POST /generate`: the calls of vLLM's old server, and of the generator of texts.

use std::{sync::Arc, time::Duration};

use anima_provider::{
    Capabilities, FinishReason, Input, ProviderError, ProviderEvent, Sampling, Script,
    ScriptedProvider, Step, TextPart, TokenLogprob,
};
use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    helpers::{PATIENCE, TestApp, error, json},
    providers::{Puppet, answering, conversation, playing, system, unavailable, user},
};

const PATH: &str = "/generate";

async fn whole(app: &TestApp, call: &Value) -> Value {
    json(app.post(PATH, call).await, StatusCode::OK).await
}

/// The objects of a stream, as vLLM's own client splits it.
async fn pieces(app: &TestApp, call: &Value) -> Vec<Value> {
    let response = app.post(PATH, call).await;
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    assert!(text.ends_with('\0'), "{text:?}");
    text.split_terminator('\0').map(|piece| serde_json::from_str(piece).unwrap()).collect()
}

fn as_it_stands(prompt: &str) -> Input {
    Input::Text { parts: vec![TextPart::Template(prompt.to_owned())] }
}

#[tokio::test]
async fn a_prompt_comes_back_with_what_follows_it() {
    let provider = playing("far", [Script::saying([" world", "!"])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    // The line of the documentation.
    let call = json!({ "prompt": "hello", "max_tokens": 100, "temperature": 0 });
    assert_eq!(whole(&app, &call).await, json!({ "text": ["hello world!"] }));
    let asked = &provider.requests()[0];
    assert_eq!(asked.input, as_it_stands("hello"));
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(1.0),
        top_k: Some(0),
        repetition_penalty: Some(1.0),
        max_tokens: Some(100),
        ..Sampling::default()
    };
    assert_eq!(asked.sampling, sampling);
}

#[tokio::test]
async fn everything_that_old_callers_send_is_taken() {
    let provider = playing("far", (0..2).map(|_| Script::saying(["好"])));
    let app = TestApp::start(vec![provider.clone()]).await;
    let prompt = "<s>Human: 介绍一下北京\n</s><s>Assistant: ";
    let call = json!({
        "prompt": prompt, "n": 1, "best_of": 1, "presence_penalty": 0.0, "frequency_penalty": 0.2,
        "temperature": 0.3, "top_p": 0.95, "top_k": 50, "use_beam_search": false, "stop": [],
        "ignore_eos": false, "max_tokens": 2048, "logprobs": null, "prompt_logprobs": 0,
        "length_penalty": 1.0, "early_stopping": false, "skip_special_tokens": true,
        "stop_token_ids": [], "min_p": 0.0, "repetition_penalty": 1.1, "stream": false,
    });
    assert_eq!(whole(&app, &call).await, json!({ "text": [format!("{prompt}好")] }));
    let asked = &provider.requests()[0];
    assert!(asked.extra.is_empty() && asked.logprobs.is_none(), "{asked:?}");
    assert_eq!((asked.sampling.top_k, asked.sampling.max_tokens), (Some(50), Some(2048)));
    whole(&app, &json!({ "prompt": "a" })).await;
    let sampling = &provider.requests()[1].sampling;
    assert_eq!((sampling.temperature, sampling.max_tokens), (Some(1.0), Some(16)));
}

#[tokio::test]
async fn a_stream_repeats_everything_in_each_piece() {
    let (puppet, mut hand) = Puppet::new("far");
    let app = TestApp::start(vec![puppet]).await;
    let call = json!({ "prompt": "一", "stream": true });
    let sent = tokio::spawn(async move { app.post(PATH, &call).await });
    let asked = hand.admitted().await;
    asked.say("二");
    let mut body = sent.await.unwrap().bytes_stream();
    for text in ["一二", "一二三"] {
        let piece = timeout(PATIENCE, body.next()).await.unwrap().unwrap().unwrap();
        // What comes at once is one object, for clients that read the last piece alone.
        let object = piece.strip_suffix(b"\0").unwrap();
        assert_eq!(serde_json::from_slice::<Value>(object).unwrap(), json!({ "text": [text] }));
        asked.say("三");
    }
    asked.finish();
}

#[tokio::test]
async fn a_model_that_says_nothing_for_long_is_told_of_by_an_empty_piece() {
    let long = Duration::from_secs(20);
    let told = async |fails: bool| {
        let (puppet, mut hand) = Puppet::new("far");
        let app = TestApp::start(vec![puppet]).await;
        let call = json!({ "prompt": "一", "stream": true });
        let sent = app.request(Method::POST, PATH).timeout(long).json(&call).send();
        let (sent, asked) = tokio::join!(sent, hand.admitted());
        let response = sent.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.bytes_stream();
        let first = timeout(PATIENCE, body.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(first, b"\0"[..]);
        if fails {
            drop(asked);
        } else {
            asked.say("二");
            asked.finish();
        }
        let mut rest = Vec::new();
        while let Some(piece) = timeout(PATIENCE, body.next()).await.unwrap() {
            rest.extend(piece.unwrap());
        }
        serde_json::from_slice::<Value>(rest.strip_suffix(b"\0").unwrap()).unwrap()
    };
    let (answered, failed) = tokio::join!(told(false), told(true));
    assert_eq!(answered, json!({ "text": ["一二"] }));
    assert!(failed["error"]["message"].is_string(), "{failed}");
}

#[tokio::test]
async fn several_answers_stand_side_by_side() {
    let scripts = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]].map(Script::saying);
    let app = TestApp::start(vec![playing("far", scripts)]).await;
    let call = json!({ "prompt": "0", "n": 2 });
    assert_eq!(whole(&app, &call).await, json!({ "text": ["0ab", "0cd"] }));
    let told = pieces(&app, &json!({ "prompt": "0", "n": 2, "stream": true })).await;
    assert_eq!(told.last().unwrap(), &json!({ "text": ["0ef", "0gh"] }));
    for texts in told.windows(2) {
        for index in [0, 1] {
            let text = |piece: &Value| piece["text"][index].as_str().unwrap().to_owned();
            assert!(text(&texts[1]).starts_with(&text(&texts[0])), "{told:?}");
        }
    }
}

#[tokio::test]
async fn the_best_of_several_are_the_likeliest() {
    let saying = |text: &str, logprob: f64| {
        let token: TokenLogprob =
            serde_json::from_value(json!({ "token": text, "logprob": logprob })).unwrap();
        Script::admitted()
            .then(Step::Event(ProviderEvent::Logprobs(vec![token])))
            .text(text)
            .done(FinishReason::Stop)
    };
    let scripts = [("a", -2.0), ("b", -0.5), ("c", -1.0)];
    let scripts =
        [scripts, scripts].concat().into_iter().map(|(text, logprob)| saying(text, logprob));
    let capabilities = Capabilities { text: true, logprobs: true, ..Capabilities::default() };
    let provider = ScriptedProvider::playing("far", scripts).with_capabilities(capabilities);
    let app = TestApp::start(vec![Arc::new(provider)]).await;
    let mut call = json!({ "prompt": "0", "n": 2, "best_of": 3 });
    assert_eq!(whole(&app, &call).await, json!({ "text": ["0b", "0c"] }));
    call["stream"] = json!(true);
    assert_eq!(pieces(&app, &call).await, [json!({ "text": ["0b", "0c"] })]);
    // A model that does not tell how likely its words are cannot choose.
    let app = TestApp::start(vec![answering("plain", "好。")]).await;
    let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
    assert!(error["message"].as_str().unwrap().contains("logprobs"), "{error}");
}

#[tokio::test]
async fn ranges_are_those_of_the_old_server() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    for (parameters, message) in [
        (json!({ "n": 0 }), "n must be 1 to 10"),
        (
            json!({ "n": 2, "best_of": 1 }),
            "best_of must be greater than or equal to n, got n=2 and best_of=1.",
        ),
        (
            json!({ "n": 2, "temperature": 0 }),
            "best_of must be 1 when using greedy sampling, got 2.",
        ),
        (json!({ "presence_penalty": 3 }), "presence_penalty must be in [-2, 2], got 3."),
        (json!({ "frequency_penalty": -2.5 }), "frequency_penalty must be in [-2, 2], got -2.5."),
        (json!({ "repetition_penalty": 0 }), "repetition_penalty must be in (0, 2], got 0."),
        (json!({ "temperature": -1 }), "temperature must be non-negative, got -1."),
        (json!({ "temperature": 2.5 }), "temperature must be 0 to 2"),
        (json!({ "top_p": 0 }), "top_p must be in (0, 1], got 0."),
        (json!({ "top_k": 0 }), "top_k must be -1 (disable), or at least 1, got 0."),
        (json!({ "min_p": 1.5 }), "min_p must be in [0, 1], got 1.5."),
        (json!({ "max_tokens": 0 }), "max_tokens must be at least 1"),
        (json!({ "early_stopping": true }), "early_stopping is not effective"),
        (
            json!({ "use_beam_search": true, "best_of": 4, "temperature": 0 }),
            "use_beam_search is not supported",
        ),
        (json!({ "length_penalty": 2 }), "length_penalty"),
        (json!({ "ignore_eos": true }), "ignore_eos"),
        (json!({ "temprature": 1 }), "did you mean `temperature`"),
        (json!({ "model": "lingxi" }), "goes on with no prompt"),
        (json!({ "prompt": 7 }), "prompt has to be a text"),
        (json!({ "prompt": null }), "prompt is required"),
    ] {
        for stream in [false, true] {
            let mut call = json!({ "prompt": "a", "stream": stream });
            for (name, value) in parameters.as_object().unwrap() {
                call[name] = value.clone();
            }
            let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
            assert!(error["message"].as_str().unwrap().contains(message), "{parameters}: {error}");
        }
    }
    let unknown = app.post(PATH, &json!({ "prompt": "a", "model": "fra" })).await;
    assert_eq!(error(unknown, StatusCode::NOT_FOUND).await["code"], "model_not_found");
}

#[tokio::test]
async fn a_failure_has_its_status_before_the_first_piece_and_is_the_last_one_after_it() {
    let early = Script::admitted().then(Step::Fail(ProviderError::Unauthorized));
    let late = Script::admitted().text("一").then(Step::Fail(unavailable()));
    let app = TestApp::start(vec![playing("far", [early])]).await;
    let call = json!({ "prompt": "零", "stream": true });
    let refused = error(app.post(PATH, &call).await, StatusCode::BAD_GATEWAY).await;
    assert_eq!(refused["code"], "provider_auth");
    let app = TestApp::start(vec![playing("far", [late])]).await;
    let told = pieces(&app, &call).await;
    assert_eq!(told[0], json!({ "text": ["零一"] }));
    assert_eq!(told.last().unwrap()["error"]["code"], "provider_unavailable");
}

#[tokio::test]
async fn a_provider_that_only_converses_says_so_to_a_prompt() {
    let capabilities = Capabilities { chat: true, ..Capabilities::default() };
    let provider = ScriptedProvider::playing("chat", []).with_capabilities(capabilities);
    let app = TestApp::start(vec![Arc::new(provider)]).await;
    let error =
        error(app.post(PATH, &json!({ "prompt": "a" })).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(error["code"], "unsupported");
}

#[tokio::test]
async fn the_generator_goes_on_with_a_context() {
    let provider = playing("far", [" 一 ", "二", "三"].map(|text| Script::saying([text])));
    let app = TestApp::start(vec![provider.clone()]).await;
    let call = json!({ "context": "从前", "maxlength": 50, "samples": 2, "prompt": "not meant" });
    let told = whole(&app, &call).await;
    assert_eq!(told["result"], json!(["从前 一", "从前二"]));
    assert!(told["time"].is_f64(), "{told}");
    let asked = &provider.requests()[0];
    assert_eq!(asked.input, as_it_stands("从前"));
    let sampling = &asked.sampling;
    assert_eq!(
        (sampling.temperature, sampling.top_k, sampling.max_tokens),
        (Some(1.0), Some(30), Some(50))
    );
    // No sample is one, and no length is the model's own.
    let call = json!({ "context": "从前", "maxlength": -1, "samples": 0 });
    assert_eq!(whole(&app, &call).await["result"], json!(["从前三"]));
    assert_eq!(provider.requests()[2].sampling.max_tokens, None);
    // What that server says to nothing.
    let call = json!({ "context": "  ", "maxlength": 5, "samples": 1 });
    assert_eq!(whole(&app, &call).await, json!({ "result": "[]", "time": 0 }));
    for (call, param) in [
        (json!({ "context": "a", "samples": 1 }), "maxlength"),
        (json!({ "context": "a", "maxlength": 5 }), "samples"),
        (json!({ "context": null, "maxlength": 5, "samples": 1 }), "context"),
        (json!({ "context": "a", "maxlength": 0, "samples": 1 }), "maxlength"),
        (json!({ "context": "a", "maxlength": 5, "samples": 11 }), "samples"),
        (json!({ "context": 7, "maxlength": 5, "samples": 1 }), "context"),
    ] {
        let error = error(app.post(PATH, &call).await, StatusCode::BAD_REQUEST).await;
        assert_eq!(error["param"], param, "{call}");
    }
}

#[tokio::test]
async fn a_model_that_only_converses_is_told_to_go_on() {
    let capabilities = Capabilities { chat: true, ..Capabilities::default() };
    let provider = ScriptedProvider::playing("chat", [Script::saying(["有座山"])]);
    let provider = Arc::new(provider.with_capabilities(capabilities));
    let app = TestApp::start(vec![provider.clone()]).await;
    let call = json!({ "context": "从前", "maxlength": 50, "samples": 1 });
    assert_eq!(whole(&app, &call).await["result"], json!(["从前有座山"]));
    let asked = &provider.requests()[0];
    assert_eq!(conversation(asked), [user("从前")]);
    assert!(system(asked).contains("接着往下写"), "{}", system(asked));
}

#[tokio::test]
async fn pages_that_may_connect_may_read_the_generator() {
    let app = TestApp::start(vec![answering("far", "好。")]).await;
    let origin = "http://localhost:8080";
    let asking = app
        .request(Method::OPTIONS, PATH)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(asking.status(), StatusCode::OK);
    let header = |name: &str| asking.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), origin);
    assert_eq!(header("access-control-allow-credentials"), "true");
    assert_eq!(header("access-control-allow-methods"), "POST");
    assert_eq!(header("access-control-allow-headers"), "content-type");
    let keyed = app
        .request(Method::OPTIONS, PATH)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,traceparent");
    let keyed = keyed.send().await.unwrap();
    assert_eq!(
        keyed.headers()["access-control-allow-headers"],
        "authorization,content-type,traceparent"
    );
    for (call, status) in [
        (json!({ "context": "a", "maxlength": 5, "samples": 1 }), StatusCode::OK),
        (json!({ "context": "a" }), StatusCode::BAD_REQUEST),
    ] {
        let post = app.request(Method::POST, PATH).header("origin", origin).json(&call);
        let response = post.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], origin);
        let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("Retry-After") && exposed.contains("Content-Length"));
        let plain = app.post(PATH, &call).await;
        assert!(!plain.headers().contains_key("access-control-allow-origin"));
    }
    let other = app.request(Method::OPTIONS, PATH).header("origin", "https://evil.example");
    assert_eq!(other.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let bare = app.request(Method::OPTIONS, PATH).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(bare.headers()["allow"], "OPTIONS, POST");
}

#[tokio::test]
async fn old_callers_keep_their_port() {
    let spare = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app = TestApp::start_with(vec![answering("far", "好。")], |settings| {
        settings.server.listen = vec![spare];
    })
    .await;
    let url = format!("http://{spare}/generate");
    let sent = crate::helpers::http().post(url).body("{\"prompt\": \"你\"}").send().await.unwrap();
    assert_eq!(json(sent, StatusCode::OK).await, json!({ "text": ["你好。"] }));
    let health = crate::helpers::http().get(format!("http://{spare}/health")).send().await.unwrap();
    assert_eq!((health.status(), health.text().await.unwrap().as_str()), (StatusCode::OK, ""));
    drop(app);
}
