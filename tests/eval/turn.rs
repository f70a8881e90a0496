//! `anima eval turn`

use serde_json::json;

use crate::ground::Ground;

const BOOK: &str = r#"
[[answers]]
asks = ["name"]
says = "[joy]I am Anima. [calm]Nice to meet you."
[[answers]]
asks = ["before"]
says = "{shown}"
[[answers]]
asks = ["long"]
says = "One two three four five six seven eight nine ten, eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty, twenty-one twenty-two twenty-three twenty-four twenty-five twenty-six."
[[answers]]
asks = ["broken"]
ends = "unavailable"
[[answers]]
asks = ["secret"]
says = "The secret is <b>42</b>."
"#;

#[tokio::test]
async fn dialogues_go_through_the_whole_pipeline() {
    let ground = Ground::new(BOOK, "");
    let dialogues = [
        json!({ "id": "one", "style": "chat", "turns": [
            { "says": "your name?", "expects": ["Anima", ["pleased", "nice"]] },
            { "says": "what was before?", "expects": ["name", "meet you"] },
        ] }),
        json!({ "id": "two", "turns": [
            { "says": "long", "expects": ["twenty-six"] },
            { "says": "broken", "expects": ["x"] },
            { "says": "secret", "forbids": ["42"] },
        ] }),
    ];
    ground.write("turns.jsonl", &dialogues.map(|dialogue| dialogue.to_string()).join("\n"));
    let arguments = ["turn", "--data", "turns.jsonl", "--json", "out.json", "--html", "out.html"];
    let run = ground.run(&arguments).await;
    run.succeeded();
    let report = ground.json("out.json");
    let turns = report["turns"].as_array().unwrap();
    assert_eq!((turns.len(), &report["interrupted"]), (5, &false.into()));
    assert_eq!(turns[0]["answer"], "I am Anima. Nice to meet you.");
    assert_eq!(turns[0]["sentences"][1]["emotion"], "calm");
    assert_eq!(turns[0]["verdicts"].as_array().unwrap().len(), 2);
    assert_eq!((&turns[0]["found"], &turns[0]["fewer_than"]), (&2.into(), &json!(null)));
    assert_eq!(turns[1]["found"], 2, "what was answered is shown to the next turn: {}", turns[1]);
    // The stage keeps the answer below the limit of the style, which costs the fact.
    assert_eq!((&turns[2]["fewer_than"], &turns[2]["too_long"]), (&25.into(), &false.into()));
    assert!(turns[2]["units"].as_u64().unwrap() < 25 && turns[2]["found"] == 0, "{}", turns[2]);
    assert!(turns[3]["error"].is_string() && turns[4]["forbidden"] == true);
    let summary = &report["summary"];
    assert_eq!((&summary["failed"], &summary["limited"]), (&1.into(), &2.into()));
    // Two wholes and two nothings.
    assert!((summary["facts"].as_f64().unwrap() - 0.5).abs() < 1e-9, "{summary}");
    assert!(run.out.contains("two turn 2: failed") && run.out.contains("50.0 %"), "{}", run.out);
    let page = ground.read("out.html");
    assert!(page.contains("&lt;b&gt;42") && !page.contains("<b>") && page.contains("<svg"));
}

#[tokio::test]
async fn the_dialogues_that_ship_can_be_led() {
    let ground = Ground::new("[[answers]]\nsays = \"好的。\"", "");
    let data = format!("{}/evals/turns.jsonl", env!("CARGO_MANIFEST_DIR"));
    ground.run(&["turn", "--data", &data, "--json", "out.json"]).await.succeeded();
    let report = ground.json("out.json");
    assert_eq!(report["turns"].as_array().unwrap().len(), 22);
    assert_eq!(report["summary"]["failed"], 0);
}

#[tokio::test]
async fn a_dialogue_in_which_nothing_is_said_is_named() {
    let ground = Ground::new(BOOK, "");
    ground.write("turns.jsonl", "{\"id\":\"x\",\"turns\":[]}");
    ground.run(&["turn", "--data", "turns.jsonl"]).await.failed_with("turns.jsonl, line 1");
}
