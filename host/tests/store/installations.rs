//! Which plugins are installed: changes are rows, of which the last counts, and components are kept as
//! long as a row speaks of them.

use std::sync::Mutex;

use mcpjungle_host::installation::{ComponentRef, Edit, Installation, Place, PluginVersion, VersionChanges};
use mcpjungle_host::plugin::digest_of;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::store::NextInstallation;

use crate::home::Home;

fn version(bytes: &[u8]) -> PluginVersion {
    PluginVersion::new(ComponentRef::Digest(digest_of(bytes)))
}

fn next<'a>(base: i64, installation: &'a Installation, added: Option<&'a str>) -> NextInstallation<'a> {
    NextInstallation { base, undone_to: Some(base), installation, summary: "a change", author: "admin", added }
}

on_both! {
    async fn installations_are_rows_of_which_the_last_counts(home: Home) {
        let store = home.open().await;
        let before = store.installation().await.unwrap();
        assert_eq!((before.id, before.undone_to), (0, None));
        assert_eq!(before.installation, Installation::stock());

        store.put_component(&digest_of(b"one"), b"one").await.unwrap();
        store.put_component(&digest_of(b"two"), b"two").await.unwrap();
        let add = Edit::Add { name: "corp".to_owned(), version: Box::new(version(b"one")), place: Place::Last };
        let added = before.installation.edited(&add).unwrap();
        assert_eq!(store.install(next(0, &added, Some("corp"))).await.unwrap(), Some(1));
        assert_eq!(store.install(next(0, &added, None)).await.unwrap(), None, "another change came first");
        let changes = VersionChanges { component: Some(version(b"two").component), ..VersionChanges::default() };
        let updated = added.edited(&Edit::Update { name: "corp".to_owned(), changes: Box::new(changes) }).unwrap();
        assert_eq!(store.install(next(1, &updated, None)).await.unwrap(), Some(2));

        let stored = store.installation().await.unwrap();
        assert_eq!((stored.id, stored.undone_to, &stored.installation), (2, Some(1), &updated));
        assert_eq!(store.installation_of(1).await.unwrap().unwrap().installation, added);
        assert_eq!(store.installation_of(3).await.unwrap(), None);
        let ids: Vec<_> = store.installation_changes(10).await.unwrap().iter().map(|change| change.id).collect();
        assert_eq!(ids, [2, 1]);

        // Trimmed to the last hundred; what only they spoke of stays as long as the last one does.
        for base in 2..110 {
            assert_eq!(store.install(next(base, &updated, None)).await.unwrap(), Some(base + 1));
        }
        assert_eq!(store.installation_of(2).await.unwrap(), None, "it is too old to be undone to");
        assert_eq!(store.installation_changes(1000).await.unwrap().len(), 100);
        for bytes in [b"one", b"two"] {
            let component = store.component(&digest_of(bytes)).await.unwrap();
            assert_eq!(component.as_deref(), Some(&bytes[..]), "named by a version that can be gone back to");
        }
        store.close().await;
        assert_eq!(home.open().await.installation().await.unwrap().installation, updated);
    }
}

/// `length` bytes of which no two parts are the same.
fn component(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at / 1_000 % 251).unwrap()).collect()
}

on_both! {
    async fn a_component_of_any_length_comes_back_as_it_was_and_only_if_it_is_whole(home: Home) {
        let store = home.open().await;
        for length in [1, 1 << 20, (3 << 20) + 1] {
            let bytes = component(length);
            let digest = digest_of(&bytes);
            assert_eq!(store.component(&digest).await.unwrap(), None);
            for _ in 0..2 {
                store.put_component(&digest, &bytes).await.unwrap();
                assert!(store.component(&digest).await.unwrap().as_deref() == Some(&bytes[..]), "{length}");
            }
        }
        let bytes = component((3 << 20) + 1);
        let digest = digest_of(&bytes);
        home.damage("DELETE FROM plugin_component_parts WHERE number = 2").await;
        assert_eq!(store.component(&digest).await.unwrap(), None, "as if its upload had been cut short");
        store.put_component(&digest, &bytes).await.unwrap();
        assert!(store.component(&digest).await.unwrap().as_deref() == Some(&bytes[..]));
    }
}

#[tokio::test]
async fn a_change_waits_for_a_part_of_a_large_component_and_not_for_all_of_it() {
    let home = Home::sqlite();
    let store = home.open().await;
    let bytes = component(16 << 20);
    let digest = digest_of(&bytes);
    let ended = Mutex::new(Vec::new());
    tokio::join!(
        async {
            store.put_component(&digest, &bytes).await.unwrap();
            ended.lock().unwrap().push("upload");
        },
        async {
            store.put_plugin_secret("github/ann", &Secret::new("s3cret")).await.unwrap();
            ended.lock().unwrap().push("change");
        },
    );
    assert_eq!(*ended.lock().unwrap(), ["change", "upload"]);
}

#[tokio::test]
async fn components_that_an_earlier_version_kept_are_still_there() {
    let home = Home::sqlite();
    let store = home.open().await;
    let digest = digest_of(b"one");
    store.put_component(&digest, b"one").await.unwrap();
    store.close().await;
    // As they were before there were parts.
    for statement in [
        "ALTER TABLE plugin_components ADD COLUMN bytes BLOB NOT NULL DEFAULT x'6f6e65'",
        "ALTER TABLE plugin_components DROP COLUMN size",
        "DROP TABLE plugin_component_parts",
        "DELETE FROM _sqlx_migrations WHERE version = 11",
    ] {
        home.execute(statement).await;
    }
    assert_eq!(home.open().await.component(&digest).await.unwrap().as_deref(), Some(&b"one"[..]));
}
