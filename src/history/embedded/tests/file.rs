//! The file on a real disk.

use std::fs;
use std::path::Path;

use redb::ReadableTable;

use super::explain;
use crate::history::contract::{all, answer, tell, told, turn};
use crate::history::embedded::schema::{LISTED, META, SCHEMA, SCHEMA_KEY, USED};
use crate::history::embedded::{EmbeddedOptions, EmbeddedStore};
use crate::history::{HistoryError, HistoryStore, SessionSettings};
use crate::turn::{SessionId, Tenant};

fn open(path: &Path) -> Result<EmbeddedStore, HistoryError> {
    EmbeddedStore::open(path, EmbeddedOptions::default())
}

/// Why `path` cannot be opened.
fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => explain(&error),
    }
}

#[tokio::test]
async fn the_file_and_its_folder_are_made_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/state/history.redb");
    let session = SessionId::generate();
    tell(&open(&path).unwrap(), &session, &turn("one", "Hello"), &answer("Hello.")).await;
    assert_eq!(told(&all(&open(&path).unwrap(), &session).await), [("one", "Hello.")]);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    drop(open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let _store = open(&path).unwrap();
    assert!(refusal(&path).contains("in use by another process"), "{}", refusal(&path));
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let other = redb::Database::create(folder.path().join("other.redb")).unwrap();
    let transaction = other.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, u64>::new("numbers")).unwrap();
    transaction.commit().unwrap();
    drop(other);
    let other = fs::read(folder.path().join("other.redb")).unwrap();
    for content in [b"hello".to_vec(), vec![0; 8192], b"{\"json\":true}".repeat(10_000), other] {
        fs::write(&path, &content).unwrap();
        let reason = refusal(&path);
        assert!(reason.contains("is not a history file"), "{reason}");
        assert_eq!(fs::read(&path).unwrap().len(), content.len());
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    drop(open(&path).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(SCHEMA_KEY, SCHEMA + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let reason = refusal(&path);
    assert!(
        reason.contains("written by a newer version: it has schema 2, this one knows 1"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_file_of_a_version_without_lists_of_the_tenants_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let (museum, nobody) = (Tenant::parse("museum").unwrap(), Tenant::default());
    let its = [museum.new_session(), museum.new_session()];
    let store = open(&path).unwrap();
    for session in its.iter().chain([&nobody.new_session()]) {
        store.create(session, &SessionSettings::default()).await.unwrap();
    }
    drop(store);
    // Such a version made the file, or used a session of a file that has lists.
    let changes: [fn(&redb::WriteTransaction, &str); 2] = [
        |transaction, _| assert!(transaction.delete_table(LISTED).unwrap()),
        |transaction, last| {
            let mut used = transaction.open_table(USED).unwrap();
            let before =
                used.iter().unwrap().map(|entry| entry.unwrap().0.value().0).collect::<Vec<_>>();
            assert!(before.iter().any(|time| used.remove((*time, last)).unwrap().is_some()));
            used.insert((i64::MAX, last), ()).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        change(&transaction, its[0].key());
        transaction.commit().unwrap();
        drop(database);
        let store = open(&path).unwrap();
        let listed = store.list(&museum, 0, 9).await.unwrap();
        let ids: Vec<_> = listed.into_iter().map(|record| record.id).collect();
        let wanted = if number == 0 { [1, 0] } else { [0, 1] };
        assert_eq!(ids, wanted.map(|at| its[at].clone()));
        assert_eq!(store.list(&nobody, 0, 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("cannot be opened"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(refusal(&folder.path().join("file/history.redb")).contains("cannot be opened"));
}

#[tokio::test]
async fn a_damaged_file_is_refused_or_read_but_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let store = open(&path).unwrap();
    let session = SessionId::generate();
    for number in 0..20 {
        tell(&store, &session, &turn(&format!("turn{number}"), "Hello"), &answer("Hello.")).await;
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    for damage in 0..60 {
        let mut content = whole.clone();
        if damage % 3 == 0 {
            content.truncate(whole.len() * damage / 60);
        } else {
            let at =
                (damage * 7919) % if damage % 3 == 1 { 512 } else { content.len().min(64 * 1024) };
            content[at] ^= 0x55;
        }
        fs::write(&path, &content).unwrap();
        if let Ok(store) = open(&path) {
            drop(store.recent(&session, usize::MAX).await);
            drop(store.list(&Tenant::default(), 0, 10).await);
            drop(store.begin(&session, &turn("next", "Hello?")).await);
        }
    }
}
