//! Where verdicts are told.

use super::*;
use crate::{client::Client, providers::answering};

#[tokio::test]
async fn a_verdict_has_its_fields_on_the_socket_and_in_the_history() {
    let app = service("annotate", vec![answering("demo", ANSWER)]).await;
    let (mut client, session) = Client::join(&app, "").await;
    client
        .send(&json!({ "type": "say", "turn": "a", "text": "介绍", "knowledge": KNOWLEDGE }))
        .await;
    let told = client.turn("a").await;
    let verdict = told.all("verdict")[1];
    assert_eq!((&verdict["sentence"], &verdict["status"]), (&json!(1), &json!("contradicted")));
    assert_eq!(verdict["reasons"], json!(["unsupported_number"]));
    let span = json!({ "start": 4, "end": 7, "reason": "unsupported_number", "value": "80元",
        "nearest": "40元" });
    assert_eq!(verdict["spans"], json!([span]));
    assert_eq!((&verdict["sources"], &verdict["layer"]), (&json!(["caller:1"]), &json!("lexical")));
    assert_eq!(verdict["correction"], json!({ "text": "门票每人40元。", "proved": false }));
    assert_eq!(verdict["action"], "none");
    assert!(verdict["score"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)));
    assert!(verdict["latency_us"].is_u64());
    let kept = &app.exchanges(&session).await[0];
    for (number, kept) in kept["verdicts"].as_array().unwrap().iter().enumerate() {
        for (field, value) in kept.as_object().unwrap() {
            assert_eq!(value, &told.all("verdict")[number][field], "{field}");
        }
    }
    assert_eq!(kept["sentences"][0]["sources"], json!(["caller:1"]));
}

#[tokio::test]
async fn linly_s_callers_get_the_check_beside_the_answer() {
    let app = service("annotate", vec![answering("demo", "你是讲解员。您好！")]).await;
    for call in [json!({ "prompt": "你好" }), json!({ "prompt": "你好", "session": "a-session" })]
    {
        let answer = body(app.post("/", &call).await, StatusCode::OK).await;
        assert_eq!(answer["response"], "你是讲解员。您好！");
        let check = &answer["check"];
        assert_eq!(check["status"], "supported", "{answer}");
        let verdicts = check["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), 2);
        assert_eq!(
            (&verdicts[0]["text"], &verdicts[0]["sources"]),
            (&json!("你是讲解员。"), &json!(["persona"]))
        );
        assert_eq!(
            (&verdicts[1]["text"], &verdicts[1]["status"]),
            (&json!("您好！"), &json!("not_checkable"))
        );
    }
}

#[tokio::test]
async fn openai_s_callers_get_an_anima_object_from_a_persona_and_from_nobody_else() {
    let app = service("annotate", vec![answering("demo", ANSWER), good_judge()]).await;
    let call = |model: &str, stream: bool| {
        json!({ "model": model, "stream": stream, "messages": [
            { "role": "system", "content": KNOWLEDGE[0] }, { "role": "user", "content": "介绍" },
        ] })
    };
    let path = "/v1/chat/completions";
    let whole = body(app.post(path, &call("annotate", false)).await, StatusCode::OK).await;
    let check = &whole["choices"][0]["anima"];
    assert_eq!(check["status"], "contradicted", "{whole}");
    let told: Vec<_> =
        check["verdicts"].as_array().unwrap().iter().map(|told| told["text"].clone()).collect();
    assert_eq!(told, SENTENCES);
    assert_eq!(check["verdicts"][1]["layer"], "judge");
    assert_eq!(check["verdicts"][1]["correction"]["proved"], true);
    let passed = body(app.post(path, &call("demo", false)).await, StatusCode::OK).await;
    assert!(passed["choices"][0].get("anima").is_none(), "{passed}");
    let stream = app.post(path, &call("annotate", true)).await.text().await.unwrap();
    let chunks: Vec<Value> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["choices"][0]["anima"]["status"], "contradicted");
    assert!(before.iter().all(|chunk| chunk["choices"][0].get("anima").is_none()));
    let passed = app.post(path, &call("demo", true)).await.text().await.unwrap();
    assert!(!passed.contains("anima"), "{passed}");
}

#[tokio::test]
async fn what_is_spoken_as_given_is_not_checked() {
    let app = service("strict", vec![answering("demo", ANSWER)]).await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    let call = json!({ "purpose": "speak", "text": "门票每人80元。", "knowledge": KNOWLEDGE });
    let told = body(app.post(&path, &call).await, StatusCode::OK).await;
    assert_eq!(said(&told), ["门票每人80元。"]);
    assert_eq!(each(&told, "reasons"), [&json!(["as_given"])]);
}

#[tokio::test]
async fn verdicts_and_calls_are_counted() {
    let app = service("annotate", vec![answering("demo", ANSWER), good_judge()]).await;
    turn(&app).await;
    let metrics = app.request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "anima_verdicts_total{status=\"supported\",layer=\"lexical\"}",
        "anima_verdicts_total{status=\"contradicted\",layer=\"judge\"}",
        "anima_check_call_seconds_count{role=\"judge\"}",
    ] {
        assert!(metrics.contains(line), "{line} is missing:\n{metrics}");
    }
}
