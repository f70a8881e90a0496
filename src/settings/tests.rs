//! The shipped settings, and what is wrong with others.

use super::*;

/// Writes the shipped `base.toml` with `changes` as the profile `test`, and loads it.
fn load(changes: &str) -> Result<Settings, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
    std::fs::copy(base, folder.path().join("base.toml")).unwrap();
    std::fs::write(folder.path().join("test.toml"), changes).unwrap();
    Settings::load(folder.path(), "test", &Overrides::default())
}

#[test]
fn the_shipped_settings_are_valid() {
    let settings = load("").unwrap();
    assert_eq!(settings.server.port, 7871);
    assert!(settings.server.host.is_loopback());
    assert_eq!(settings.turn.asking(), AskSettings::default());
    assert_eq!(settings.knowledge, KnowledgeSettings::default());
}

#[test]
fn a_profile_overrides_the_base() {
    assert_eq!(load("[server]\nport = 9000").unwrap().server.port, 9000);
}

#[test]
fn errors_name_the_key_and_the_nearest_legal_one() {
    let message = |changes| load(changes).unwrap_err().to_string();
    let unknown = message("[server]\nprot = 1");
    assert!(unknown.contains("prot") && unknown.contains("did you mean `port`"), "{unknown}");
    let wrong = message("[server]\nport = \"many\"");
    assert!(wrong.contains("server.port"), "{wrong}");
    let open = message("[server]\nhost = \"0.0.0.0\"");
    assert!(open.contains("server.open = true"), "{open}");
    let listen = message("[server]\nlisten = [\"192.0.2.1:8002\"]");
    assert!(listen.contains("server.listen") && listen.contains("192.0.2.1"), "{listen}");
    let idle = message("[session]\nidle_seconds = 0");
    assert!(idle.contains("session.idle_seconds"), "{idle}");
    let share = message("[turn.retry]\nshare = 20.0");
    assert!(share.contains("turn.retry.share") && share.contains("1.0"), "{share}");
    let rest = message("[turn.breaker]\nopen_ms = 90000");
    assert!(rest.contains("turn.breaker.max_open_ms"), "{rest}");
    let provider = message("[turn]\nprovider = \"dmo\"");
    assert!(
        provider.contains("turn.provider") && provider.contains("did you mean `demo`"),
        "{provider}"
    );
    let off = message("[providers.demo]\nenabled = false");
    assert!(off.contains("turn.provider") && off.contains("`demo`"), "{off}");
    let twice = message("[providers.other]\nkind = \"local\"\naliases = [\"demo\"]");
    assert!(twice.contains("already belongs"), "{twice}");
}

#[test]
fn the_shipped_profile_of_production_asks_for_its_redis() {
    let production = include_str!("../../config/production.toml");
    let message = load(production).unwrap_err().to_string();
    assert!(message.starts_with("history.redis.url") && message.contains("ANIMA__"), "{message}");
    let given = production.replace("url = \"\"", "url = \"redis://host\"");
    assert_eq!(load(&given).unwrap().history.store, StoreKind::Redis);
}

#[test]
fn a_missing_profile_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Settings::load(folder.path(), "local", &Overrides::default()).is_err());
}
