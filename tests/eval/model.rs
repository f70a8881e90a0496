//! `anima eval model`

use std::{process::Command, time::Duration};

use anima_upstream::{Plan, Upstream};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::ground::{Ground, Run};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(1);

const BOOK: &str = r#"
[[answers]]
asks = ["Au"]
says = "[joy]Gold!"
[[answers]]
asks = ["capital"]
thinks = "Rome?"
says = "The answer is B."
[[answers]]
asks = ["planet"]
says = "C"
[[answers]]
asks = ["fox"]
says = "the quick red fox"
[[answers]]
asks = ["weather"]
says = '{"name": "weather", "arguments": {"city": "Rome"}}'
[[answers]]
asks = ["who are you"]
says = "{shown}"
[[answers]]
asks = ["broken"]
ends = "unavailable"
[[answers]]
asks = ["slow"]
says = "4"
first_ms = 60000
"#;

const SUITE: &str = r#"
{"id":"gold","category":"knowledge","lang":"en","prompt":"What is Au?","score":{"kind":"exact","answers":["gold"]}}
{"id":"capital","category":"knowledge","lang":"en","prompt":"The capital of France?","score":{"kind":"choice","choices":["Rome","Paris","Oslo"],"answer":"B"}}
{"id":"planet","category":"knowledge","lang":"en","prompt":"The nearest planet?","score":{"kind":"choice","choices":["Mercury","Mars","Venus"],"answer":"A"}}
{"id":"fox","category":"comprehension","lang":"en","prompt":"Which fox?","score":{"kind":"f1","answers":["red fox"],"at_least":0.9}}
{"id":"weather","category":"tools","lang":"zh","prompt":"weather","tools":[{"name":"weather"}],"score":{"kind":"tool","name":"weather","arguments":{"city":"Rome"}}}
{"id":"who","category":"persona","lang":"zh","persona":"lingxi","prompt":"who are you","score":{"kind":"contains","all":["灵犀"]}}
{"id":"nobody","category":"persona","lang":"zh","persona":"nobody","prompt":"who are you","score":{"kind":"contains","all":["x"]}}
{"id":"broken","category":"arithmetic","lang":"zh","prompt":"broken","score":{"kind":"number","answer":4}}
"#;

fn group<'a>(report: &'a Value, name: &str) -> &'a Value {
    let groups = report["groups"].as_array().unwrap();
    groups.iter().find(|group| group["name"] == name).unwrap()
}

#[track_caller]
fn near(value: &Value, expected: f64) {
    assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[tokio::test]
async fn known_answers_give_known_figures() {
    let ground = Ground::new(BOOK, "");
    ground.write("suite.jsonl", SUITE);
    let arguments = ["model", "--data", "suite.jsonl", "--runs", "2", "--json", "out.json"];
    let run = ground.run(&[&arguments[..], &["--html", "out.html"]].concat()).await;
    run.succeeded();
    let report = ground.json("out.json");
    assert_eq!((&report["planned"], &report["stopped"]), (&14.into(), &Value::Null));
    let all = group(&report, "all");
    assert_eq!(
        (&all["questions"], &all["answers"], &all["errors"]),
        (&7.into(), &14.into(), &2.into())
    );
    // gold, capital, weather: the playbook shows no system text, so that `who` is asked in vain.
    near(&all["accuracy"], 3.0 / 7.0);
    near(&all["deviation"], 0.0);
    // The fox is worth 0.8 although it is not right.
    near(&all["score"], 3.8 / 7.0);
    let knowledge = group(&report, "knowledge");
    near(&knowledge["accuracy"], 2.0 / 3.0);
    // A: never made; B: always right; C: made and never right.
    near(&knowledge["choices"]["accuracy"], 0.5);
    near(&knowledge["choices"]["precision"], 1.0 / 3.0);
    near(&knowledge["choices"]["recall"], 1.0 / 3.0);
    near(&group(&report, "comprehension")["overlap"]["recall"], 1.0);
    assert!(
        run.out.contains("There is no persona nobody") && run.out.contains("Seeds"),
        "{}",
        run.out
    );
    assert!(ground.read("out.html").contains("<svg"));
}

#[tokio::test]
async fn hostile_answers_stay_text_on_the_page() {
    let book = "[[answers]]\nsays = '<script>alert(1)</script><img src=x onerror=\"alert(2)\">'";
    let ground = Ground::new(book, "");
    let suite = SUITE.replace("What is Au?", "</td><script>alert(3)</script>");
    ground.write("suite.jsonl", &suite);
    ground.run(&["model", "--data", "suite.jsonl", "--html", "out.html"]).await.succeeded();
    let page = ground.read("out.html");
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("&lt;script&gt;alert(3)"));
    assert!(!page.contains("<script") && !page.contains("<img"));
}

#[tokio::test]
async fn ctrl_c_keeps_what_is_done_and_resuming_asks_for_the_rest() {
    let ground = Ground::new(BOOK, "");
    let slow = SUITE.replace("\"broken\",\"score\"", "\"slow\",\"score\"");
    ground.write("suite.jsonl", &slow);
    let base = ["model", "--data", "suite.jsonl", "--concurrency", "1", "--json", "out.json"];
    let child = ground.start(&[&base[..], &["--records", "records.jsonl"]].concat());
    timeout(PATIENCE, async {
        while ground.read("records.jsonl").lines().count() < 6 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let run = Run::of(timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap());
    run.succeeded();
    assert!(run.out.contains("Stopped before the end: interrupted"), "{}", run.out);
    let report = ground.json("out.json");
    assert_eq!((report["records"].as_array().unwrap().len(), &report["planned"]), (6, &7.into()));
    // The model has become faster; the others are not asked again.
    ground.write("book.toml", "[[answers]]\nasks = [\"slow\"]\nsays = \"4\"");
    let run = ground.run(&[&base[..], &["--resume", "records.jsonl"]].concat()).await;
    run.succeeded();
    let report = ground.json("out.json");
    let all = group(&report, "all");
    assert_eq!((&all["answers"], &all["errors"]), (&7.into(), &0.into()));
    near(&group(&report, "arithmetic")["accuracy"], 1.0);
    assert_eq!(ground.read("records.jsonl").lines().count(), 7);
}

#[tokio::test]
async fn a_provider_that_only_fails_is_given_up() {
    let ground = Ground::new("[[answers]]\nends = \"unauthorized\"", "");
    ground.write("suite.jsonl", SUITE);
    let run = ground.run(&["model", "--data", "suite.jsonl", "--concurrency", "1"]).await;
    run.succeeded();
    assert!(
        run.out.contains("refused our key") && run.out.contains("1 of 7 answers"),
        "{}",
        run.out
    );
}

#[tokio::test]
async fn a_server_that_repeats_prompts_gives_a_perplexity() {
    let upstream = Upstream::start(Plan::default()).await.unwrap();
    let further = format!(
        "[providers.far]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"{}\"\naliases = [\"vllm\"]\n",
        upstream.url("/v1")
    );
    let ground = Ground::new(BOOK, &further);
    ground.write("text.txt", "一二三四五");
    let only = ["model", "--no-questions", "--perplexity", "text.txt", "--json", "out.json"];
    ground.run(&[&only[..], &["--provider", "vllm"]].concat()).await.succeeded();
    let report = ground.json("out.json");
    let text = &report["perplexity"][0];
    assert_eq!((&report["provider"], &text["tokens"]), (&"far".into(), &4.into()));
    // The stand-in gives −0.5, −1, −1.5 and −0.5: a mean of −0.875.
    near(&text["perplexity"], 0.875_f64.exp());
    near(&text["bits_per_character"], 3.5 / 2.0_f64.ln() / 5.0);
    let asked = &upstream.recorded()[0];
    assert_eq!((asked.path.as_str(), &asked.body["echo"]), ("/v1/completions", &true.into()));
    let run = ground.run(&only).await;
    run.succeeded();
    assert!(run.out.contains("the provider book gives no likelihoods"), "{}", run.out);
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let ground = Ground::new(BOOK, "");
    ground.write("suite.jsonl", "{\"id\":1}");
    ground.run(&["model", "--data", "suite.jsonl"]).await.failed_with("suite.jsonl, line 1");
    ground.write("suite.jsonl", SUITE);
    let unknown = ["model", "--data", "suite.jsonl", "--provider", "boook"];
    ground.run(&unknown).await.failed_with("did you mean `book`");
    let hot = ["model", "--data", "suite.jsonl", "--temperature", "3"];
    ground.run(&hot).await.failed_with("--temperature must be 0 to 2");
}
