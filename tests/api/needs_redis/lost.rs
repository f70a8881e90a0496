//! A barge-in of which nobody knows whether Redis has kept it: the answer that it cuts into is told no
//! further than Redis may have it.

use serde_json::{Value, json};

use super::{
    Place,
    outage::becomes_ready,
    proxy::{Loss, Proxy},
    server::RedisServer,
};
use crate::{
    client::Client,
    helpers::TestApp,
    providers::{Asked, Hand, Puppet, SENTENCES, assistant, conversation, user},
};

/// A conversation in which somebody cuts in, and the way to Redis.
struct Scene {
    proxy: Proxy,
    app: TestApp,
    hand: Hand,
    client: Client,
    session: String,
    /// The answer that is cut into.
    first: Asked,
}

impl Scene {
    /// An answer of which two sentences were told, and a barge-in whose beginning gets lost.
    async fn cut_in(loss: Loss, outage: bool) -> Self {
        let proxy = Proxy::before(RedisServer::shared()).await;
        let (puppet, mut hand) = Puppet::new("demo");
        let place = Place { url: proxy.url(), ..Place::on(RedisServer::shared()) };
        let app = place.start(vec![puppet]).await;
        let (mut client, session) = Client::join(&app, "").await;
        client.say("first", "讲个故事").await;
        let first = hand.admitted().await;
        first.say("[calm]先深呼吸，把大事拆成小步。累");
        client.sentences("first", 2).await;
        proxy.lose(loss, "\r\nsecond\r\n", outage);
        client.send(&barge_in()).await;
        Self { proxy, app, hand, client, session, first }
    }

    /// The barge-in is refused, nothing more is told of the first answer, and Redis comes back.
    async fn is_refused(&mut self) {
        let refused = self.client.error("store_unavailable").await;
        assert_eq!(refused["turn"], "second");
        assert_eq!(self.client.next_of_turn("first", "failed").await["code"], "store_unavailable");
        self.first.say("了就休息一会儿。");
        self.proxy.restore();
        becomes_ready(&self.app).await;
        let told = self.client.left_over();
        let sentences = told.iter().filter(|frame| frame["type"] == "sentence").count();
        assert_eq!(sentences, 2, "{told:?}");
    }

    /// Cuts in again, and has that answered.
    async fn cut_in_again(&mut self) -> Asked {
        self.client.send(&barge_in()).await;
        self.hand.admitted().await
    }

    /// The exchanges as they are kept at last: id, end, text and what was heard.
    async fn kept(&self) -> Vec<[Value; 4]> {
        let kept = self.app.exchanges(&self.session).await;
        let fields = ["turn", "reason", "text", "heard"];
        kept.iter().map(|kept| fields.map(|field| kept[field].clone())).collect()
    }
}

fn barge_in() -> Value {
    json!({ "type": "say", "turn": "second", "text": "别讲了", "heard": "先深" })
}

fn kept<const COUNT: usize>(rows: [[&str; 4]; COUNT]) -> Vec<[Value; 4]> {
    rows.map(|row| row.map(|field| json!(field))).into()
}

#[tokio::test]
async fn a_barge_in_that_was_kept_without_an_answer_leaves_the_two_answers_whole() {
    let mut scene = Scene::cut_in(Loss::Answer, true).await;
    scene.is_refused().await;
    let asked = scene.cut_in_again().await;
    let shown = [user("讲个故事"), assistant("[calm]先深"), user("别讲了")];
    assert_eq!(conversation(&asked.request), shown);
    asked.say("好的。");
    asked.finish();
    scene.client.turn("second").await.finished("complete");
    // The one that failed is told as Redis has it: what its client was told before.
    let again = scene.client.ask("first", "讲个故事").await;
    assert_eq!(again.frames[0]["replay"], true);
    assert_eq!(again.finished("interrupted"), SENTENCES[..2].concat());
    let rows = [
        ["first", "interrupted", "先深呼吸，把大事拆成小步。", "先深"],
        ["second", "complete", "好的。", "好的。"],
    ];
    assert_eq!(scene.kept().await, kept(rows));
}

#[tokio::test]
async fn an_answer_that_a_lost_barge_in_ended_runs_again_in_its_old_position() {
    let mut scene = Scene::cut_in(Loss::Command, true).await;
    scene.is_refused().await;
    scene.client.say("first", "讲个故事").await;
    let again = scene.hand.admitted().await;
    again.say("好吧。");
    again.finish();
    let told = scene.client.turn("first").await;
    assert!(told.frames[0].get("replay").is_none());
    told.finished("complete");
    let asked = scene.cut_in_again().await;
    asked.say("好的。");
    asked.finish();
    scene.client.turn("second").await.finished("complete");
    // What the barge-in says was heard is nothing of this answer.
    let rows = [["first", "complete", "好吧。", ""], ["second", "complete", "好的。", "好的。"]];
    assert_eq!(scene.kept().await, kept(rows));
}

#[tokio::test]
async fn a_barge_in_is_taken_although_its_answer_was_lost_once() {
    let mut scene = Scene::cut_in(Loss::Answer, false).await;
    let first = scene.client.turn("first").await;
    assert_eq!(first.finished("interrupted"), SENTENCES[..2].concat());
    assert_eq!(first.end()["heard"], "先深");
    let asked = scene.hand.admitted().await;
    asked.say("好的。");
    asked.finish();
    scene.client.turn("second").await.finished("complete");
    let rows = [
        ["first", "interrupted", "先深呼吸，把大事拆成小步。", "先深"],
        ["second", "complete", "好的。", "好的。"],
    ];
    assert_eq!(scene.kept().await, kept(rows));
}
