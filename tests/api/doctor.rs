//! `anima doctor`: what it finds, and what it says to do.

use std::{fs, net::TcpListener, path::Path, process::Output};

use anima_upstream::{Plan, Upstream};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{helpers::TestApp, providers::answering};

/// A configuration with this profile, the local model aside.
fn configured(profile: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    fs::create_dir(&config).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let base = fs::read_to_string(root.join("config/base.toml")).unwrap();
    let prompts = format!("prompts = \"{}\"", root.join("prompts").display());
    fs::write(config.join("base.toml"), base.replace("prompts = \"prompts\"", &prompts)).unwrap();
    let without = "[providers.demo]\nenabled = false\n[turn]\nprovider = \"direct\"\n";
    fs::write(config.join("local.toml"), format!("{without}{profile}")).unwrap();
    folder
}

async fn doctor(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anima"));
    command.arg("doctor").arg("--config").arg(folder.path().join("config")).args(arguments);
    command.env("DOCTORS_KEY", "canary-0123456789").output().await.unwrap()
}

async fn findings(folder: &TempDir, arguments: &[&str]) -> (bool, Value) {
    let output = doctor(folder, &[&["--json"], arguments].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["ok"], output.status.success(), "{report}");
    (output.status.success(), report)
}

fn find<'report>(report: &'report Value, name: &str) -> &'report Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}"))
}

#[tokio::test]
async fn a_machine_that_is_ready_is_told_to_be() {
    let folder = configured("");
    let (well, report) = findings(&folder, &["--port", "0"]).await;
    assert!(well, "{report}");
    for name in ["configuration", "access", "prompts", "port 0", "store", "provider direct"] {
        assert_eq!(find(&report, name)["status"], "ok", "{report}");
    }
    for name in ["processor", "memory", "gpu", "open files"] {
        find(&report, name);
    }
    assert_eq!(report["failures"], 0);
    let page = String::from_utf8(doctor(&folder, &["--port", "0"]).await.stdout).unwrap();
    assert!(page.contains("✓ provider direct") && page.contains("(default)"), "{page}");
    assert!(!page.contains('\u{1b}'), "colours where there is no terminal");
    // It leaves nothing behind.
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let profile = format!(
        "prompts = \"nowhere\"\n[server]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [keys.kiosk]\nkey_env = \"NO_SUCH_KEY\"\n\
         [history]\nstore = \"redis\"\n[history.redis]\nurl = \"redis://127.0.0.1:9\"\n\
         [providers.far]\nkind = \"openai\"\nmodel = \"far\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
         [telemetry]\notlp_endpoint = \"http://127.0.0.1:9\"\n"
    );
    let folder = configured(&profile);
    let (well, report) = findings(&folder, &[]).await;
    assert!(!well);
    let told = |name: &str, status: &str, message: &str| {
        let finding = find(&report, name);
        assert_eq!(finding["status"], status, "{finding}");
        assert!(finding["message"].as_str().unwrap().contains(message), "{finding}");
        assert!(!finding["advice"].as_str().unwrap().is_empty(), "{finding}");
    };
    told("access", "failure", "NO_SUCH_KEY");
    told("prompts", "failure", "nowhere");
    told(&format!("port {port}"), "failure", "cannot listen");
    told("redis", "failure", "");
    told("provider far", "failure", "unavailable");
    told("traces", "warning", "127.0.0.1:9");
    assert!(find(&report, "provider direct")["status"] == "ok");
}

#[tokio::test]
async fn a_server_is_asked_for_one_short_answer_unless_it_is_not_to_be() {
    let upstream = Upstream::start(Plan::saying(["Hi."])).await.unwrap();
    let profile = format!(
        "[providers.far]\nkind = \"openai\"\nmodel = \"far\"\napi_key_env = \"DOCTORS_KEY\"\nbase_url = {:?}\n",
        upstream.url("/v1")
    );
    let folder = configured(&profile);
    let (well, report) = findings(&folder, &["--port", "0", "--no-calls"]).await;
    assert!(well && upstream.recorded().is_empty(), "{report}");
    let (_, report) = findings(&folder, &["--port", "0"]).await;
    let answers = find(&report, "provider far")["message"].as_str().unwrap().to_owned();
    assert!(answers.starts_with("answers after "), "{answers}");
    let asked = upstream.recorded();
    let tokens = &asked.last().unwrap().body["max_tokens"];
    assert!(asked.len() == 1 && tokens.as_u64().is_none_or(|most| most <= 16), "{asked:?}");
    upstream.set_plan(Plan::failing("status-401".parse().unwrap()));
    let (well, report) = findings(&folder, &["--port", "0"]).await;
    let finding = find(&report, "provider far");
    assert!(!well && finding["advice"].as_str().unwrap().contains("key"), "{finding}");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_a_finding_too() {
    let folder = configured("[server]\nprot = 1\n");
    let (well, report) = findings(&folder, &[]).await;
    let finding = find(&report, "configuration");
    assert!(!well && finding["message"].as_str().unwrap().contains("prot"), "{finding}");
    find(&report, "processor");
}

#[tokio::test]
async fn a_port_that_anima_has_already_is_no_failure() {
    let app = TestApp::start(vec![answering("demo", "你好。")]).await;
    let port = app.address.port().to_string();
    let (_, report) = findings(&configured(""), &["--port", &port]).await;
    let finding = find(&report, &format!("port {port}"));
    assert_eq!(finding["status"], "ok", "{finding}");
}
