//! A changed configuration takes effect in a running service, whole or not at all.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anima::{
    app::Application,
    settings::{Overrides, Settings},
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::sleep,
};

use crate::{
    client::Client,
    helpers::{PATIENCE, TestApp, error, http, json as body},
};

/// Providers that say who they are; `slow` takes its time.
const PROVIDERS: &str = r#"
[providers.demo]
enabled = false

[providers.first]
kind = "scripted"
file = "first.toml"
aliases = ["one"]

[providers.second]
kind = "scripted"
file = "second.toml"

[providers.slow]
kind = "scripted"
file = "slow.toml"
"#;

/// A folder with a configuration of its own.
struct House {
    folder: Arc<TempDir>,
}

impl House {
    fn new() -> Self {
        let house = Self { folder: Arc::new(tempfile::tempdir().unwrap()) };
        let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(house.path("config")).unwrap();
        fs::copy(shipped.join("config/base.toml"), house.path("config/base.toml")).unwrap();
        for folder in ["prompts", "prompts/personas"] {
            fs::create_dir(house.path(folder)).unwrap();
            for file in fs::read_dir(shipped.join(folder)).unwrap() {
                let file = file.unwrap().path();
                if file.is_file() {
                    let name = file.file_name().unwrap().to_str().unwrap();
                    fs::copy(&file, house.path(&format!("{folder}/{name}"))).unwrap();
                }
            }
        }
        for name in ["first", "second"] {
            house.write(&format!("{name}.toml"), &playbook(name, 0));
        }
        house.write("slow.toml", &playbook("slow", 1000));
        house.default("first");
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes the profile with this default provider.
    fn default(&self, name: &str) {
        self.profile(&format!("[turn]\nprovider = \"{name}\"\nfallback = []\n{PROVIDERS}"));
    }

    fn profile(&self, text: &str) {
        self.write("config/local.toml", text);
    }

    fn settings(&self) -> Settings {
        let overrides =
            Overrides { port: Some(0), data: Some(self.path("data")), ..Overrides::default() };
        Settings::load(&self.path("config"), "local", &overrides).unwrap()
    }

    async fn start(&self) -> TestApp {
        let application = Application::build(self.settings()).await.unwrap();
        TestApp::run(application, Arc::clone(&self.folder))
    }
}

/// A playbook in which every answer is the provider's name.
fn playbook(name: &str, first_ms: u64) -> String {
    format!("[[answers]]\nsays = \"This is {name}.\"\nfirst_ms = {first_ms}\n")
}

/// What the default provider says.
async fn answer(app: &TestApp) -> String {
    let response = app.post("/", &json!({ "prompt": "Who is this?" })).await;
    body(response, StatusCode::OK).await["response"].as_str().unwrap().to_owned()
}

async fn reload(app: &TestApp) -> Response {
    app.request(Method::POST, "/admin/reload").send().await.unwrap()
}

async fn reloaded(app: &TestApp) -> Value {
    body(reload(app).await, StatusCode::OK).await
}

/// How often a provider has been asked since it was made.
async fn asked(app: &TestApp, name: &str) -> u64 {
    let told = app.get("/admin/providers").await;
    let providers = told["providers"].as_array().unwrap().clone();
    let found = providers.into_iter().find(|provider| provider["name"] == name).unwrap();
    found["attempts"].as_u64().unwrap()
}

/// Waits until the default provider says this.
async fn comes_to_say(app: &TestApp, wanted: &str) {
    let begun = Instant::now();
    while answer(app).await != wanted {
        assert!(begun.elapsed() < PATIENCE, "the service never says {wanted}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_edited_default_changes_the_next_answer_and_no_running_one() {
    let house = House::new();
    house.default("slow");
    let app = house.start().await;
    let (mut client, _) = Client::join(&app, "").await;
    client.say("one", "Who is this?").await;
    client.next_of_turn("one", "accepted").await;
    house.default("first");
    comes_to_say(&app, "This is first.").await;
    let finished = client.next_of_turn("one", "finished").await;
    assert_eq!(finished["text"], "This is slow.");
    assert_eq!(client.ask("two", "And now?").await.finished("complete"), "This is first.");
}

#[tokio::test]
async fn a_file_that_is_replaced_is_noticed() {
    let house = House::new();
    let app = house.start().await;
    // As editors save: beside the file, then in its place.
    let profile = fs::read_to_string(house.path("config/local.toml")).unwrap();
    house.write("config/.local.toml.swp", &profile.replace("\"first\"", "\"second\""));
    fs::rename(house.path("config/.local.toml.swp"), house.path("config/local.toml")).unwrap();
    comes_to_say(&app, "This is second.").await;
    // A playbook and a persona are part of the configuration, too.
    house.write("second.toml", &playbook("another", 0));
    comes_to_say(&app, "This is another.").await;
}

#[tokio::test]
async fn a_folder_of_links_that_change_their_target_is_noticed() {
    // This is how a cluster mounts a configuration and changes it.
    let house = House::new();
    let config = house.path("config");
    let versions = ["..2026_1", "..2026_2"];
    for (version, default) in versions.iter().zip(["first", "second"]) {
        house.default(default);
        fs::create_dir(config.join(version)).unwrap();
        for file in ["base.toml", "local.toml"] {
            fs::copy(config.join(file), config.join(version).join(file)).unwrap();
        }
    }
    symlink(versions[0], config.join("..data")).unwrap();
    for file in ["base.toml", "local.toml"] {
        fs::remove_file(config.join(file)).unwrap();
        symlink(format!("..data/{file}"), config.join(file)).unwrap();
    }
    let app = house.start().await;
    assert_eq!(answer(&app).await, "This is first.");
    symlink(versions[1], config.join("..data_tmp")).unwrap();
    fs::rename(config.join("..data_tmp"), config.join("..data")).unwrap();
    comes_to_say(&app, "This is second.").await;
}

#[tokio::test]
async fn a_call_reloads_and_says_what_has_changed() {
    let house = House::new();
    let app = house.start().await;
    assert_eq!(reloaded(&app).await["changed"], false);
    house.write("third.toml", &playbook("third", 0));
    house.profile(&format!(
        "[turn]\nprovider = \"third\"\nfallback = []\n[server]\nport = 9\nmax_turns = 7\n\
         [providers.third]\nkind = \"scripted\"\nfile = \"third.toml\"\n{}",
        PROVIDERS
            .replace("second.toml", "first.toml")
            .replace("[providers.slow]", "[providers.slow]\nenabled = false")
    ));
    let report = reloaded(&app).await;
    // The watcher may have been faster; then the call finds nothing new, and both are right.
    if report["changed"] == true {
        assert_eq!(report["added"], json!(["third"]));
        assert_eq!(report["rebuilt"], json!(["second"]));
        assert_eq!(report["removed"], json!(["slow"]));
        assert_eq!(report["needs_restart"], json!(["server.max_turns"]));
    }
    assert_eq!(report["default"], "third");
    assert_eq!(answer(&app).await, "This is third.");
    let known = app.get("/admin/providers").await;
    let names: Vec<_> =
        known["providers"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["direct", "first", "second", "third"]);
}

#[tokio::test]
async fn keys_come_and_go_and_change_without_a_restart() {
    let house = House::new();
    let app = house.start().await;
    let status = async |key: &str| {
        let request = app.request(Method::GET, "/v1/sessions").bearer_auth(key);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("first-0123456789").await, 200);
    let good = fs::read_to_string(house.path("config/local.toml")).unwrap();
    house.write("kiosk", "first-0123456789");
    house.profile(&format!("{good}\n[keys.kiosk]\nkey_file = \"kiosk\""));
    reloaded(&app).await;
    assert_eq!((status("first-0123456789").await, status("other-0123456789").await), (200, 401));
    // The file alone has changed, and nobody asks for a reload.
    house.write("kiosk", "second-0123456789");
    let begun = Instant::now();
    while status("second-0123456789").await != 200 {
        assert!(begun.elapsed() < PATIENCE, "the new key is never known");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status("first-0123456789").await, 401);
    // A key that is too weak changes nothing.
    house.write("kiosk", "weak");
    let refused = error(reload(&app).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("keys.kiosk") && !message.contains("weak"), "{message}");
    assert_eq!(status("second-0123456789").await, 200);
    house.profile(&good);
    reloaded(&app).await;
    assert_eq!(status("first-0123456789").await, 200);
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing_and_is_told() {
    let house = House::new();
    let app = house.start().await;
    let good = fs::read_to_string(house.path("config/local.toml")).unwrap();
    house.write("prompts/personas/bad.toml", "nonsense = true");
    for (bad, said) in [
        (good.clone(), "bad.toml"),
        (good.replace("\"first\"", "\"frist\""), "did you mean `first`"),
        (good.replace("second.toml", "missing.toml"), "providers.second"),
        (format!("{good}\n[turn"), "local.toml"),
        (format!("{good}\n[providers.x]\nkind = \"openia\""), "did you mean `openai`"),
        (
            format!(
                "{good}\n[providers.x]\nkind = \"openai\"\nmodel = \"m\"\napi_key_env = \"NO_SUCH_KEY\""
            ),
            "NO_SUCH_KEY",
        ),
    ] {
        house.profile(&bad);
        let refusal = error(reload(&app).await, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refusal["code"], "invalid_configuration");
        assert!(refusal["message"].as_str().unwrap().contains(said), "{refusal}");
        assert_eq!(answer(&app).await, "This is first.");
        let _ = fs::remove_file(house.path("prompts/personas/bad.toml"));
    }
    house.profile(&good.replace("\"first\"", "\"second\""));
    comes_to_say(&app, "This is second.").await;
    let metrics = app.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("anima_reloads_total{outcome=\"refused\"}"), "{metrics}");
}

#[tokio::test]
async fn half_bad_reloads_under_load_lose_nothing() {
    let house = House::new();
    let app = Arc::new(house.start().await);
    let good = fs::read_to_string(house.path("config/local.toml")).unwrap();
    let load: Vec<_> = (0..4)
        .map(|_| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                for _ in 0..50 {
                    let said = answer(&app).await;
                    assert!(
                        ["This is first.", "This is second."].contains(&said.as_str()),
                        "{said}"
                    );
                }
            })
        })
        .collect();
    for round in 0..100 {
        // Every other one is good in its default and bad in another provider.
        let default = if round % 4 < 2 { "\"second\"" } else { "\"first\"" };
        let profile = good.replace("\"first\"\n", &format!("{default}\n"));
        let profile =
            if round % 2 == 0 { profile } else { profile.replace("slow.toml", "missing.toml") };
        house.profile(&profile);
        let status = reload(&app).await.status();
        assert!(matches!(status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY), "{status}");
    }
    for client in load {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_that_stays_the_same_is_kept_with_its_numbers() {
    let house = House::new();
    let app = house.start().await;
    answer(&app).await;
    assert_eq!(asked(&app, "first").await, 1);
    let profile = fs::read_to_string(house.path("config/local.toml")).unwrap();
    let profile =
        profile.replace("aliases = [\"one\"]", "aliases = [\"uno\"]\nfirst_token_ms = 900");
    house.profile(&profile);
    reloaded(&app).await;
    assert_eq!(asked(&app, "first").await, 1);
    let named = app.post("/llm_response/", &json!({ "question": "?", "model_name": "uno" })).await;
    assert_eq!(body(named, StatusCode::OK).await["answer"], "This is first.");
    house.write("first.toml", &playbook("new first", 0));
    reloaded(&app).await;
    assert_eq!(asked(&app, "first").await, 0);
}

#[tokio::test]
async fn a_key_that_is_exchanged_in_its_file_makes_a_new_provider() {
    let house = House::new();
    house.write("model.key", "k-old");
    let profile = fs::read_to_string(house.path("config/local.toml")).unwrap();
    house.profile(&format!(
        "{profile}\n[providers.far]\nkind = \"openai\"\nmodel = \"m\"\n\
         base_url = \"http://127.0.0.1:1\"\napi_key_file = \"model.key\"\n"
    ));
    let app = house.start().await;
    let question = json!({ "question": "?", "model_name": "far" });
    assert!(!app.post("/llm_response/", &question).await.status().is_success());
    assert!(asked(&app, "far").await > 0);
    reloaded(&app).await;
    assert!(asked(&app, "far").await > 0);
    house.write("model.key", "k-new");
    reloaded(&app).await;
    assert_eq!(asked(&app, "far").await, 0);
}

#[tokio::test]
async fn a_session_whose_provider_is_gone_is_answered_by_the_default() {
    let house = House::new();
    let app = house.start().await;
    let (mut client, _) = Client::join(&app, "").await;
    client.send(&json!({ "type": "switch", "provider": "second" })).await;
    client.next_of_type("switched").await;
    assert_eq!(client.ask("one", "?").await.finished("complete"), "This is second.");
    let profile = fs::read_to_string(house.path("config/local.toml")).unwrap();
    house.profile(&profile.replace("[providers.second]", "[providers.second]\nenabled = false"));
    reloaded(&app).await;
    let told = client.ask("two", "?").await;
    assert_eq!(told.finished("complete"), "This is first.");
    assert_eq!(told.all("started")[0]["provider"], "first");
    // A persona that names one that is not there is a mistake in the configuration.
    house.write(
        "prompts/personas/lost.toml",
        "title = \"x\"\nlanguage = \"auto\"\nstyle = \"chat\"\nemotions = true\nturns = 1\nprovider = \"second\"\n[system]\nzh = \"x\"\nen = \"x\"\n",
    );
    let refusal = error(reload(&app).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(refusal["message"].as_str().unwrap().contains("persona lost"), "{refusal}");
}

#[tokio::test]
async fn the_default_can_be_switched_by_a_call_until_the_configuration_changes_it() {
    let house = House::new();
    let app = house.start().await;
    let switch = async |name: &str| app.post("/admin/provider", &json!({ "provider": name })).await;
    assert_eq!(body(switch("second").await, StatusCode::OK).await["default"], "second");
    assert_eq!(answer(&app).await, "This is second.");
    reloaded(&app).await;
    assert_eq!(answer(&app).await, "This is second.");
    assert_eq!(
        error(switch("third").await, StatusCode::NOT_FOUND).await["code"],
        "model_not_found"
    );
    error(app.post("/admin/provider", &json!({})).await, StatusCode::BAD_REQUEST).await;
    house.default("slow");
    reloaded(&app).await;
    assert_eq!(answer(&app).await, "This is slow.");
}

#[tokio::test]
async fn with_an_admin_key_nobody_gets_in_without_it() {
    let house = House::new();
    house.write("admin.key", "k-1234567890\n");
    let profile = fs::read_to_string(house.path("config/local.toml")).unwrap();
    house.profile(&format!("[server]\nadmin_key_file = \"admin.key\"\n{profile}"));
    let app = house.start().await;
    let call = |method: Method, path: &str| app.request(method, path);
    for (method, path) in [
        (Method::GET, "/admin/providers"),
        (Method::POST, "/admin/reload"),
        (Method::POST, "/admin/provider"),
    ] {
        for key in [None, Some("Bearer wrong"), Some("k-1234567890"), Some("Bearer ")] {
            let request = call(method.clone(), path).json(&json!({ "provider": "second" }));
            let request = match key {
                Some(key) => request.header("authorization", key),
                None => request,
            };
            let refusal = error(request.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
            assert_eq!(refusal["code"], "invalid_api_key");
        }
        let request = call(method, path).json(&json!({ "provider": "second" }));
        let response = request.bearer_auth("k-1234567890").header("x-real-ip", "192.0.2.1");
        assert_eq!(response.send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    assert_eq!(answer(&app).await, "This is second.");
}

#[tokio::test]
async fn without_an_admin_key_only_this_machine_gets_in() {
    let house = House::new();
    let app = house.start().await;
    let far = app.request(Method::POST, "/admin/reload").header("x-forwarded-for", "192.0.2.1");
    error(far.send().await.unwrap(), StatusCode::FORBIDDEN).await;
    let page = app.request(Method::POST, "/admin/reload").header("origin", "https://evil.example");
    error(page.send().await.unwrap(), StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn a_hangup_signal_reloads() {
    let house = House::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_anima"))
        .args(["serve", "--port", "0", "--config"])
        .arg(house.path("config"))
        .arg("--data")
        .arg(house.path("data"))
        .env("ANIMA__TELEMETRY__LOG", "info")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let address = line.rsplit("http://").next().unwrap().to_owned();
    let reloads = async || {
        let url = format!("http://{address}/metrics");
        let text = http().get(url).send().await.unwrap().text().await.unwrap();
        let counted = text
            .lines()
            .find_map(|line| line.strip_prefix("anima_reloads_total{outcome=\"unchanged\"} "));
        counted.map_or(0, |count| count.parse().unwrap())
    };
    let begun = Instant::now();
    // The first one comes of itself, as soon as the folders are watched.
    while reloads().await < 2 {
        // Nothing has changed in any file: only the signal makes it look.
        let hangup = Command::new("kill").args(["-HUP", &child.id().unwrap().to_string()]).status();
        assert!(hangup.await.unwrap().success());
        assert!(begun.elapsed() < PATIENCE, "the signal was not obeyed");
        sleep(Duration::from_millis(50)).await;
    }
    child.kill().await.unwrap();
}
