//! Autobahn's test suite, where it is at hand: `make test-autobahn`. It needs Python 2.7.

use std::{fmt::Write, fs, process::Command};

use serde_json::{Value, json};

use super::Echo;

/// Its largest message, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;

#[test]
#[ignore = "needs Autobahn's test suite: make test-autobahn WSTEST=…"]
#[expect(clippy::disallowed_methods, reason = "settings have no place for what only a test needs")]
fn autobahn_comes_to_the_recorded_result() {
    let program = std::env::var("WSTEST").expect("WSTEST names Autobahn's program wstest");
    let echo = Echo::start(LIMIT, 1 << 20);
    let folder = tempfile::tempdir().unwrap();
    let orders = folder.path().join("orders.json");
    // 12 and 13 are about compression, which is not offered.
    let content = json!({
        "outdir": folder.path(),
        "servers": [{ "agent": "anima", "url": format!("ws://{}/", echo.address) }],
        "cases": ["*"],
        "exclude-cases": ["12.*", "13.*"],
    });
    fs::write(&orders, content.to_string()).unwrap();
    let ran = Command::new(program)
        .args(["--mode", "fuzzingclient", "--spec"])
        .arg(&orders)
        .output()
        .expect("wstest does not start");
    let index = fs::read(folder.path().join("index.json"))
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stderr)));
    let index: Value = serde_json::from_slice(&index).unwrap();
    let mut cases: Vec<_> = index["anima"].as_object().unwrap().iter().collect();
    cases.sort_by_key(|(name, _)| -> Vec<u32> {
        name.split('.').map(|number| number.parse().unwrap()).collect()
    });
    let mut report = String::new();
    for (name, case) in cases {
        let said = |key: &str| case[key].as_str().unwrap_or("missing");
        writeln!(report, "{name} {} {}", said("behavior"), said("behaviorClose")).unwrap();
    }
    insta::assert_snapshot!("autobahn", report);
}
