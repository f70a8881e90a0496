//! Who helps to check, when they are asked, and what becomes of what they say.

use std::time::Instant;

use anima_provider::Step;
use tokio::time::sleep;

use super::*;
use crate::{
    client::Client,
    helpers::eventually,
    providers::{Puppet, answering, playing},
};

#[tokio::test]
async fn without_a_judge_the_comparison_of_words_decides() {
    let caution = "资料里的说法可能不一样，我记得是：门票每人80元。";
    let instead = "这一点我需要再确认一下。";
    for (rule, expected) in [
        ("off", SENTENCES),
        ("annotate", SENTENCES),
        ("hedge", [SENTENCES[0], caution, SENTENCES[2]]),
        ("rewrite", [SENTENCES[0], caution, SENTENCES[2]]),
        ("withhold", [SENTENCES[0], instead, ""]),
        ("correct", [SENTENCES[0], caution, SENTENCES[2]]),
        ("chat", [SENTENCES[0], caution, SENTENCES[2]]),
        ("guide", [SENTENCES[0], caution, SENTENCES[2]]),
        ("strict", [SENTENCES[0], instead, ""]),
    ] {
        let app = service(rule, vec![answering("demo", ANSWER)]).await;
        let told = turn(&app).await;
        assert_eq!(said(&told), expected, "{rule}");
        assert_eq!(told["text"], expected.concat(), "{rule}");
        let statuses = if rule == "off" {
            ["unchecked"; 3]
        } else {
            ["supported", "contradicted", "contradicted"]
        };
        assert_eq!(each(&told, "status"), statuses, "{rule}");
        let sources = &told["sentences"][0]["sources"];
        let expected = if rule == "off" { json!([]) } else { json!(["caller:1"]) };
        assert_eq!(sources, &expected, "{rule}");
    }
}

#[tokio::test]
async fn with_a_judge_what_is_proved_is_corrected_or_replaced() {
    let corrections = ["更正一下：门票每人40元。", "更正一下：云雾茶馆于1987年开馆。"];
    for (rule, actions) in [
        ("annotate", vec!["none", "none", "none"]),
        ("correct", vec!["none", "correct_after", "correct_after"]),
        ("chat", vec!["none", "correct_after", "correct_after"]),
        ("rewrite", vec!["none", "replace", "replace"]),
        ("guide", vec!["none", "replace", "replace"]),
        ("hedge", vec!["none", "hedge", "hedge"]),
        ("withhold", vec!["none", "withhold", "withhold"]),
    ] {
        let judge = good_judge();
        let app = service(rule, vec![answering("demo", ANSWER), judge.clone()]).await;
        let told = turn(&app).await;
        let is_correction = |text: &&str| text.starts_with("更正一下");
        let (after, own): (Vec<_>, Vec<_>) = said(&told).into_iter().partition(is_correction);
        assert_eq!(own.len(), 3, "{rule}: {told}");
        assert_eq!(after.is_empty(), actions[1] != "correct_after", "{rule}");
        if !after.is_empty() {
            assert_eq!(after, corrections);
        }
        if actions[1] == "replace" {
            assert_eq!(own[1..], ["门票每人40元。", "云雾茶馆于1987年开馆。"]);
        }
        let own_actions: Vec<_> = each(&told, "action")
            .into_iter()
            .zip(said(&told))
            .filter(|(_, text)| !is_correction(text))
            .map(|(action, _)| action.clone())
            .collect();
        assert_eq!(own_actions, actions, "{rule}");
        assert_eq!(told["text"], said(&told).concat(), "{rule}");
        let layers = each(&told, "layer");
        assert_eq!(layers.iter().filter(|layer| **layer == "judge").count(), 2 + after.len());
        assert!(judge.requests().len() <= 2, "{rule}");
        assert_eq!(judge.requests()[0].sampling.temperature, Some(0.0));
    }
}

#[tokio::test]
async fn a_sentence_is_said_while_its_judge_still_thinks() {
    let (judge, mut hand) = Puppet::new("judge");
    let app = service("correct", vec![answering("demo", ANSWER), judge]).await;
    let (mut client, _) = Client::join(&app, "").await;
    let say = json!({ "type": "say", "turn": "a", "text": "介绍", "knowledge": KNOWLEDGE });
    client.send(&say).await;
    client.sentences("a", 3).await;
    // The first sentence in doubt is asked about at once, the other one at the end of the answer.
    for _ in 0..2 {
        let asked = hand.admitted().await;
        asked.say(&verdicts(&data(&asked.request), &right));
        asked.finish();
    }
    let told = client.turn("a").await;
    told.finished("complete");
    let kinds = told.kinds();
    let last_own = kinds.iter().position(|kind| *kind == "verdict").unwrap();
    assert_eq!(kinds[last_own - 1], "sentence", "what is sure has its verdict at once");
    assert_eq!(told.texts("sentence").len(), 5);
    assert_eq!(told.all("verdict").len(), 5);
    // Told again and read again it is the same.
    let again = client.ask_again(&say).await;
    let verdict = |frame: &Value| (frame["sentence"].clone(), frame["status"].clone());
    let mut first: Vec<_> = told.all("verdict").into_iter().map(verdict).collect();
    first.sort_by_key(|(sentence, _)| sentence.as_u64());
    assert_eq!(again.all("verdict").into_iter().map(verdict).collect::<Vec<_>>(), first);
}

#[tokio::test]
async fn under_hedge_captions_wait_with_their_sentence_and_no_longer_than_they_may() {
    let (judge, mut hand) = Puppet::new("judge");
    let app =
        service("hedge", vec![answering("demo", "门票每人80元。茶馆共有12个展厅。"), judge]).await;
    let (mut client, _) = Client::join(&app, "").await;
    let began = Instant::now();
    client
        .send(&json!({ "type": "say", "turn": "a", "text": "介绍", "knowledge": KNOWLEDGE }))
        .await;
    let asked = hand.admitted().await;
    // The judge says nothing at all.
    client.sentences("a", 1).await;
    let held = began.elapsed();
    assert!(held >= Duration::from_millis(300), "{held:?}");
    let told = client.turn("a").await;
    drop(asked);
    assert_eq!(told.kinds()[..2], ["accepted", "started"]);
    assert!(told.texts("sentence")[0].starts_with("资料里的说法可能不一样"));
    let verdict = told.all("verdict").into_iter().find(|verdict| verdict["sentence"] == 0).unwrap();
    assert_eq!(
        (&verdict["status"], &verdict["layer"]),
        (&json!("contradicted"), &json!("lexical"))
    );
    assert!(verdict["reasons"].as_array().unwrap().contains(&json!("judge_timeout")), "{verdict}");
    assert!(verdict["latency_us"].as_u64().unwrap() >= 400_000, "{verdict}");
}

#[tokio::test]
async fn a_model_that_repairs_is_believed_with_a_proof_alone() {
    for (mended, said_then) in [
        (json!({ "correction": "门票每人40元。", "quote": "门票每人40元" }), "门票每人40元。"),
        (
            json!({ "correction": "门票免费。", "quote": "学生半价" }),
            "资料里的说法可能不一样，我记得是：门票每人80元。",
        ),
    ] {
        let mended = mended.to_string();
        let repair = helper("repair", move |_| Ok(Script::saying([mended.clone()])));
        let app = service("guide", vec![answering("demo", "门票每人80元。"), repair.clone()]).await;
        let told = turn(&app).await;
        assert_eq!(said(&told), [said_then]);
        assert_eq!(repair.requests().len(), 1);
    }
}

#[tokio::test]
async fn where_nothing_is_known_further_answers_are_compared() {
    let answers = ["它由卡拉设计。", "设计者是波尔森。", "那是艾达的作品。", "由卡拉设计。"];
    let demo = playing("demo", answers.map(|answer| Script::saying([answer])));
    let personas = Personas::new();
    let app = TestApp::start_with(vec![demo.clone()], |settings| {
        personas.choose(settings, "annotate", None);
        settings.check.samples = 3;
    })
    .await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    let told = body(app.post(&path, &json!({ "text": "谁设计的？" })).await, StatusCode::OK).await;
    assert_eq!(said(&told), ["它由卡拉设计。"]);
    assert_eq!(each(&told, "layer"), ["samples"]);
    assert_eq!(each(&told, "status"), ["uncertain"]);
    let requests = demo.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[1..].iter().all(|request| request.sampling.temperature == Some(1.0)));
}

#[tokio::test]
async fn a_strict_persona_is_drawn_with_care_and_others_are_not() {
    for (rule, temperature) in [("strict", Some(0.2)), ("guide", Some(0.9))] {
        let demo = answering("demo", "好的。");
        let app = service(rule, vec![demo.clone()]).await;
        let session = app.session().await;
        let call = json!({ "text": "你好", "sampling": { "temperature": 0.9, "top_p": 0.9 } });
        let path = format!("/v1/sessions/{session}/turns");
        body(app.post(&path, &call).await, StatusCode::OK).await;
        assert_eq!(demo.requests()[0].sampling.temperature, temperature, "{rule}");
    }
}

#[tokio::test]
async fn an_interrupted_turn_stops_its_judge() {
    let judge = helper("judge", |_| Ok(Script::admitted().then(Step::Hang)));
    let app = service("correct", vec![answering("demo", ANSWER), judge.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    client
        .send(&json!({ "type": "say", "turn": "a", "text": "介绍", "knowledge": KNOWLEDGE }))
        .await;
    client.sentences("a", 3).await;
    eventually("the judge is asked", || judge.running() > 0).await;
    client.send(&json!({ "type": "interrupt", "turn": "a" })).await;
    client.turn("a").await.finished("interrupted");
    eventually("the judge stops", || judge.running() == 0).await;
}

#[tokio::test]
async fn a_judge_that_is_down_is_soon_left_alone_and_answers_go_on() {
    let judge = helper("judge", |_| Ok(Script::admitted().then(Step::Hang)));
    let app = service("hedge", vec![answering("demo", "门票每人80元。"), judge.clone()]).await;
    for _ in 0..5 {
        turn(&app).await;
    }
    let began = Instant::now();
    let told = turn(&app).await;
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    assert_eq!(judge.requests().len(), 5);
    let reasons = each(&told, "reasons")[0].as_array().unwrap().clone();
    assert!(reasons.contains(&json!("judge_unavailable")), "{told}");
    sleep(Duration::from_millis(1)).await;
}
