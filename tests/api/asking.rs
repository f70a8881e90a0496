//! Who is asked, and how often: repetitions and their budget, providers that are left alone, hedges.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anima::settings::Settings;
use anima_provider::{
    Capabilities, EventStream, Provider, ProviderError, Request, Script, ScriptedProvider, Step,
};
use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    client::Client,
    helpers::{PATIENCE, TestApp, error, eventually, json, once_each},
    providers::{
        ANSWER, Puppet, SENTENCES, answering, failing, half_an_answer, playing, unavailable,
    },
};

fn down() -> Script {
    Script::admitted().then(Step::Fail(unavailable()))
}

fn limited(wait: Duration) -> Script {
    let error = ProviderError::RateLimited { retry_after: Some(wait) };
    Script::admitted().then(Step::Fail(error))
}

/// A provider that fails until it is told to answer.
fn switched(name: &str) -> (Arc<ScriptedProvider>, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&well);
    let author = move |_: &_| {
        Ok(if well.load(Ordering::SeqCst) { Script::saying([ANSWER]) } else { down() })
    };
    (Arc::new(ScriptedProvider::new(name, author)), switch)
}

/// Takes a turn over REST, and gives its status and its body.
async fn turn(app: &TestApp) -> (StatusCode, serde_json::Value) {
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    let response = app.post(&path, &json!({ "text": "你好" })).await;
    (response.status(), response.json().await.unwrap())
}

async fn metric(app: &TestApp, line: &str) -> u64 {
    let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let value = metrics.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or_default()
}

#[tokio::test]
async fn what_may_be_over_by_now_is_tried_again_and_nobody_notices() {
    for (what, failure) in [("down", down()), ("at its limit", limited(Duration::from_millis(100)))]
    {
        let provider = playing("flaky", [failure, Script::saying([ANSWER])]);
        let app = TestApp::start(vec![provider.clone()]).await;
        let (mut client, _) = Client::join(&app, "").await;
        let told = client.ask("one", "你好").await;
        assert_eq!(told.finished("complete"), SENTENCES.concat(), "{what}");
        assert_eq!(told.all("started").len(), 1, "{what}");
        assert_eq!(provider.requests().len(), 2, "{what}");
    }
}

#[tokio::test]
async fn every_other_provider_is_asked_before_one_is_asked_again() {
    let first = playing("first", [down(), Script::saying(["一。"])]);
    let second = playing("second", [down(), Script::saying(["二。"])]);
    let app = TestApp::start(vec![first.clone(), second.clone()]).await;
    let (mut client, _) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    assert_eq!(first.requests().len() + second.requests().len(), 3);
    assert!(first.requests().len() * second.requests().len() > 0);
    assert_eq!(told.all("started").len(), 1);
}

#[tokio::test]
async fn what_cannot_be_over_is_not_tried_again() {
    let protocol = || Step::Fail(ProviderError::Protocol("<html>".into()));
    let long = limited(Duration::from_mins(1));
    for script in [
        Script::admitted().then(protocol()),
        long,
        Script::admitted().then(Step::Fail(ProviderError::Unauthorized)),
        half_an_answer().then(Step::Fail(unavailable())),
    ] {
        let provider = playing("broken", [script, Script::saying([ANSWER])]);
        let app = TestApp::start(vec![provider.clone()]).await;
        let (mut client, _) = Client::join(&app, "").await;
        client.ask("one", "你好").await.failed();
        assert_eq!(provider.requests().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_repeated_after_the_deadline() {
    let provider = playing("late", [down(), Script::admitted().then(Step::Hang)]);
    let app = TestApp::start_with(vec![provider.clone()], |settings| {
        settings.turn.first_sentence_ms = 500;
    })
    .await;
    // The repetition hangs, and its provider would have a minute for its first token.
    assert_eq!(turn(&app).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(provider.requests().len(), 2);
    eventually("the repetition stops", || provider.running() == 0).await;
}

#[tokio::test]
async fn an_outage_costs_no_more_than_the_budget() {
    let provider = Arc::new(ScriptedProvider::new("dead", |_| Ok(down())));
    let app = TestApp::start_with(vec![provider.clone()], |settings| {
        settings.turn.breaker.failures = 0;
        settings.turn.retry.share = 0.2;
        settings.turn.retry.spare = 2;
    })
    .await;
    let turns = 50;
    for _ in 0..turns {
        let (status, _) = turn(&app).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let attempts = provider.requests().len();
    // The window of ten seconds may have moved on once or twice on a slow machine.
    assert!((turns + 2..=turns + turns / 5 + 3 * 2).contains(&attempts), "{attempts}");
    assert!(metric(&app, "anima_retry_budget_exhausted_total ").await >= 1);
    assert!(metric(&app, "anima_retries_total{provider=\"dead\"} ").await >= 2);
}

#[tokio::test]
async fn a_provider_that_fails_in_a_row_is_left_alone_until_one_turn_has_tried_it() {
    let (shaky, well) = switched("shaky");
    let app = TestApp::start_with(vec![shaky.clone(), answering("steady", "稳。")], |settings| {
        settings.turn.retry.per_turn = 0;
        settings.turn.breaker.failures = 3;
        settings.turn.breaker.open_ms = 2_500;
    })
    .await;
    let (mut client, _) = Client::join(&app, "").await;
    for number in 0..6 {
        let told = client.ask(&format!("a{number}"), "你好").await;
        assert_eq!(told.finished("complete"), "稳。");
    }
    assert_eq!(shaky.requests().len(), 3, "after three failures nobody asks it");
    let state = "anima_provider_breaker_state{provider=\"shaky\"} ";
    assert_eq!(metric(&app, state).await, 2);
    assert_eq!(metric(&app, "anima_provider_skipped_total{provider=\"shaky\"} ").await, 3);
    well.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(2_600)).await;
    for number in 0..3 {
        let told = client.ask(&format!("b{number}"), "你好").await;
        assert_eq!(told.finished("complete"), SENTENCES.concat());
    }
    assert_eq!(metric(&app, state).await, 0);
}

#[tokio::test]
async fn a_turn_whose_only_provider_is_left_alone_fails_at_once_and_says_when_to_come_back() {
    let dead = Arc::new(ScriptedProvider::new("lonely", |_| Ok(down())));
    let app = TestApp::start_with(vec![dead.clone()], |settings| {
        settings.turn.retry.per_turn = 0;
        settings.turn.breaker.failures = 1;
        settings.turn.breaker.open_ms = 30_000;
    })
    .await;
    turn(&app).await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    let response = app.post(&path, &json!({ "text": "你好" })).await;
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((20..=30).contains(&wait), "{wait}");
    let error = error(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(error["code"], "provider_unavailable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("lonely is not asked for a while"), "{message}");
    assert_eq!(dead.requests().len(), 1);
}

#[tokio::test]
async fn how_long_a_provider_asks_us_to_stay_away_is_obeyed() {
    let wait = Duration::from_millis(2_500);
    let provider = playing("busy", [limited(wait), Script::saying([ANSWER])]);
    let app = TestApp::start(vec![provider.clone()]).await;
    for _ in 0..3 {
        let (status, body) = turn(&app).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(body["error"]["code"], "overloaded");
    }
    assert_eq!(provider.requests().len(), 1);
    let state = "anima_provider_breaker_state{provider=\"busy\"} ";
    assert_eq!(metric(&app, state).await, 2);
    sleep(wait).await;
    assert_eq!(turn(&app).await.0, StatusCode::OK);
    assert_eq!(metric(&app, state).await, 0);
}

#[tokio::test]
async fn a_refused_key_is_not_tried_with_every_turn() {
    let locked = Arc::new(ScriptedProvider::new("locked", |_| Err(ProviderError::Unauthorized)));
    let app = TestApp::start(vec![locked.clone()]).await;
    for _ in 0..3 {
        let (status, body) = turn(&app).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert_eq!(body["error"]["code"], "provider_auth");
    }
    assert!(locked.requests().is_empty());
    let attempts = "anima_provider_attempts_total{provider=\"locked\",outcome=\"unauthorized\"} ";
    assert_eq!(metric(&app, attempts).await, 1);
}

#[tokio::test]
async fn content_that_is_refused_says_nothing_against_a_provider() {
    let prim = Arc::new(ScriptedProvider::new("prim", |_| {
        Ok(Script::admitted().then(Step::Fail(ProviderError::Refused("no".to_owned()))))
    }));
    let app = TestApp::start_with(vec![prim.clone()], |settings| {
        settings.turn.breaker.failures = 1;
    })
    .await;
    for _ in 0..4 {
        assert_eq!(turn(&app).await.1["error"]["code"], "content_filter");
    }
    assert_eq!(prim.requests().len(), 4);
}

fn hedging(settings: &mut Settings) {
    settings.turn.hedge_ms = 50;
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_overtaken_by_the_next_one_and_dropped() {
    let silent = playing("silent", [Script::admitted().then(Step::Hang)]);
    let quick = answering("quick", ANSWER);
    let app = TestApp::start_with(vec![silent.clone(), quick.clone()], hedging).await;
    let (mut client, _) = Client::join(&app, "").await;
    let told = client.ask("one", "你好").await;
    assert_eq!(told.kinds()[..2], ["accepted", "started"]);
    assert_eq!(told.all("started")[0]["provider"], "quick");
    assert_eq!(told.finished("complete"), SENTENCES.concat());
    eventually("the silent one stops", || silent.running() == 0).await;
    assert_eq!(metric(&app, "anima_hedges_total{provider=\"quick\"} ").await, 1);
    assert_eq!(metric(&app, "anima_hedges_won_total{provider=\"quick\"} ").await, 1);
    let given_up = "anima_provider_attempts_total{provider=\"silent\",outcome=\"given_up\"} ";
    assert_eq!(metric(&app, given_up).await, 1);
}

#[tokio::test]
async fn of_two_that_are_asked_only_the_one_with_the_first_sentence_is_heard() {
    let ((one, mut first), (two, mut second)) = (Puppet::new("one"), Puppet::new("two"));
    let app = TestApp::start_with(vec![one, two], hedging).await;
    let (mut client, _) = Client::join(&app, "").await;
    // The first one begins late, and is the first to finish a sentence all the same.
    client.say("a", "你好").await;
    let asked = first.admitted().await;
    let other = second.admitted().await;
    other.say("[joy]第二个");
    asked.say("第一个说完。再");
    client.sentences("a", 1).await;
    other.say("也说完。再见。");
    asked.say("见。");
    asked.finish();
    let told = client.turn("a").await;
    assert_eq!(told.finished("complete"), "第一个说完。再见。");
    assert_eq!(told.all("started")[0]["provider"], "one");
    // The first one fails while the second one is asked: that one goes on.
    client.say("b", "你好").await;
    let asked = first.admitted().await;
    let other = second.admitted().await;
    drop(asked);
    other.say("第二个说完。");
    other.finish();
    let told = client.turn("b").await;
    assert_eq!(told.finished("complete"), "第二个说完。");
    assert_eq!(told.all("started").len(), 1);
}

/// A provider whose answer is never begun, though it should be at once.
struct Stuck(Capabilities);

#[async_trait]
impl Provider for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }

    async fn generate(&self, _request: Request) -> Result<EventStream, ProviderError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_provider_goes_on_while_the_one_beside_it_is_opened() {
    let (one, mut first) = Puppet::new("one");
    let stuck = Stuck(Capabilities { chat: true, ..Capabilities::default() });
    let app = TestApp::start_with(vec![one, Arc::new(stuck)], hedging).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("a", "你好").await;
    let asked = first.admitted().await;
    let hedged = "anima_hedges_total{provider=\"stuck\"} ";
    let begun = std::time::Instant::now();
    while metric(&app, hedged).await < 1 {
        assert!(begun.elapsed() < PATIENCE, "nobody is asked beside it");
    }
    asked.say("我说完。");
    asked.finish();
    assert_eq!(client.turn("a").await.finished("complete"), "我说完。");
}

#[tokio::test]
async fn nobody_is_asked_beside_a_provider_that_speaks_in_time_or_has_no_rival() {
    let ((one, mut first), (two, mut second)) = (Puppet::new("one"), Puppet::new("two"));
    let app = TestApp::start_with(vec![one, two], |settings| settings.turn.hedge_ms = 300).await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("a", "你好").await;
    let asked = first.admitted().await;
    asked.say("我在想");
    sleep(Duration::from_millis(500)).await;
    asked.say("，想好了。");
    asked.finish();
    assert_eq!(client.turn("a").await.finished("complete"), "我在想，想好了。");
    assert!(second.is_idle());
    // Without a budget nobody is asked beside another.
    let (one, mut first) = Puppet::new("one");
    let rival = answering("rival", ANSWER);
    let app = TestApp::start_with(vec![one, rival.clone()], |settings| {
        hedging(settings);
        (settings.turn.retry.share, settings.turn.retry.spare) = (0.0, 0);
    })
    .await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("a", "你好").await;
    let asked = first.admitted().await;
    sleep(Duration::from_millis(300)).await;
    asked.say("还是我。");
    asked.finish();
    assert_eq!(client.turn("a").await.finished("complete"), "还是我。");
    assert!(rival.requests().is_empty());
}

#[tokio::test]
async fn the_failure_of_one_that_is_asked_beside_another_changes_nothing() {
    let refusing = || Script::admitted().then(Step::Fail(ProviderError::Refused("no".to_owned())));
    for rival in [failing("rival"), playing("rival", [refusing()]), playing("rival", [down()])] {
        let (one, mut first) = Puppet::new("one");
        let app = TestApp::start_with(vec![one, rival.clone()], |settings| {
            once_each(settings);
            hedging(settings);
        })
        .await;
        let (mut client, _) = Client::join(&app, "").await;
        client.say("a", "你好").await;
        let asked = first.admitted().await;
        let hedged = "anima_hedges_total{provider=\"rival\"} ";
        let begun = std::time::Instant::now();
        while metric(&app, hedged).await < 1 {
            assert!(begun.elapsed() < PATIENCE, "nobody is asked beside it");
        }
        sleep(Duration::from_millis(50)).await;
        asked.say("我说完。");
        asked.finish();
        assert_eq!(client.turn("a").await.finished("complete"), "我说完。");
    }
}

#[tokio::test]
async fn how_providers_are_doing_is_told_in_prometheus_form() {
    let app = TestApp::start(vec![answering("measured", ANSWER)]).await;
    let session = app.session().await;
    let path = format!("/v1/sessions/{session}/turns");
    json(app.post(&path, &json!({ "text": "你好" })).await, StatusCode::OK).await;
    let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "anima_provider_attempts_total{provider=\"measured\",outcome=\"answered\"} 1",
        "anima_provider_in_flight{provider=\"measured\"} 0",
        "anima_provider_first_token_seconds_bucket{provider=\"measured\",le=\"60\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing:\n{metrics}");
    }
}
