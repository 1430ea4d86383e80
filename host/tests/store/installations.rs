//! Which plugins are installed: changes are rows, of which the last counts, and components are kept as
//! long as a row speaks of them.

use std::sync::Mutex;

use mcpjungle_host::installation::{ComponentRef, Edit, Installation, Place, PluginVersion, VersionChanges};
use mcpjungle_host::plugin::{KeyValue, digest_of};
use mcpjungle_host::secret::Secret;
use mcpjungle_host::store::{NextInstallation, Store};

use crate::home::Home;

fn version(bytes: &[u8]) -> PluginVersion {
    PluginVersion::new(ComponentRef::Digest(digest_of(bytes)))
}

fn next(base: i64, installation: &Installation) -> NextInstallation<'_> {
    NextInstallation { base, undone_to: Some(base), installation, summary: "a change", author: "admin" }
}

fn add(name: &str, bytes: &[u8], place: Place) -> Edit {
    Edit::Add { name: name.to_owned(), version: Box::new(version(bytes)), place }
}

/// Makes a change, and returns its id.
async fn install(store: &Store, edit: &Edit) -> i64 {
    let base = store.installation().await.unwrap();
    let edited = base.installation.edited(edit, base.id + 1).unwrap();
    store.install(next(base.id, &edited)).await.unwrap().unwrap()
}

/// Changes that change nothing else, up to this one.
async fn install_up_to(store: &Store, last: i64) {
    loop {
        let stored = store.installation().await.unwrap();
        if stored.id == last {
            break;
        }
        let enabled = !stored.installation.find("builtin-acl").unwrap().enabled;
        install(store, &Edit::SetEnabled { name: "builtin-acl".to_owned(), enabled }).await;
    }
}

/// A value that was kept under this.
async fn value(store: &Store, kept_as: &str) -> Option<Vec<u8>> {
    KeyValue::get(&store.plugin_values(), kept_as, "key").await.unwrap()
}

/// Has the components be from long ago.
async fn age_components(home: &Home) {
    home.damage("UPDATE plugin_components SET added_at = 0").await;
}

on_both! {
    async fn installations_are_rows_of_which_the_last_counts(home: Home) {
        let store = home.open().await;
        let before = store.installation().await.unwrap();
        assert_eq!((before.id, before.undone_to), (0, None));
        assert_eq!(before.installation, Installation::stock());

        store.put_component(&digest_of(b"one"), b"one").await.unwrap();
        store.put_component(&digest_of(b"two"), b"two").await.unwrap();
        let added = before.installation.edited(&add("corp", b"one", Place::Last), 1).unwrap();
        assert_eq!(store.install(next(0, &added)).await.unwrap(), Some(1));
        assert_eq!(store.install(next(0, &added)).await.unwrap(), None, "another change came first");
        let changes = VersionChanges { component: Some(version(b"two").component), ..VersionChanges::default() };
        let updated = added.edited(&Edit::Update { name: "corp".to_owned(), changes: Box::new(changes) }, 2).unwrap();
        assert_eq!(store.install(next(1, &updated)).await.unwrap(), Some(2));

        let stored = store.installation().await.unwrap();
        assert_eq!((stored.id, stored.undone_to, &stored.installation), (2, Some(1), &updated));
        assert_eq!(store.installation_of(1).await.unwrap().unwrap().installation, added);
        assert_eq!(store.installation_of(3).await.unwrap(), None);
        let ids: Vec<_> = store.installation_changes(10).await.unwrap().iter().map(|change| change.id).collect();
        assert_eq!(ids, [2, 1]);

        // Trimmed to the last hundred; what only they spoke of stays as long as the last one does.
        for base in 2..110 {
            assert_eq!(store.install(next(base, &updated)).await.unwrap(), Some(base + 1));
        }
        assert_eq!(store.installation_of(2).await.unwrap(), None, "it is too old to be undone to");
        assert_eq!(store.installation_changes(1000).await.unwrap().len(), 100);
        age_components(&home).await;
        assert_eq!(store.install(next(110, &updated)).await.unwrap(), Some(111));
        for bytes in [b"one", b"two"] {
            let component = store.component(&digest_of(bytes)).await.unwrap();
            assert_eq!(component.as_deref(), Some(&bytes[..]), "named by a version that can be gone back to");
        }
        store.close().await;
        assert_eq!(home.open().await.installation().await.unwrap().installation, updated);
    }

    async fn what_a_plugin_keeps_goes_with_the_last_change_that_speaks_of_it(home: Home) {
        let store = home.open().await;
        let values = store.plugin_values();
        assert_eq!(install(&store, &add("corp", b"one", Place::Last)).await, 1);
        assert_eq!(install(&store, &add("corp", b"one", Place::Replace("corp".to_owned()))).await, 2);
        let remove = Edit::Remove { name: "corp".to_owned() };
        assert_eq!(install(&store, &remove).await, 3);
        // `corp` is one of a policies file of this name, which another gateway of the database may run.
        let kept = ["corp#1", "corp#2", "corp"];
        for kept_as in kept {
            KeyValue::set(&values, kept_as, "key", b"value", None).await.unwrap();
        }
        let there = async || {
            let mut there = Vec::new();
            for kept_as in kept {
                there.extend(value(&store, kept_as).await.map(|_| kept_as));
            }
            there
        };
        install_up_to(&store, 100).await;
        assert_eq!(there().await, kept, "each can still be brought back");
        install_up_to(&store, 101).await;
        assert_eq!(there().await, ["corp#2", "corp"]);
        install_up_to(&store, 102).await;
        assert_eq!(there().await, ["corp"]);
        install_up_to(&store, 110).await;
        assert_eq!(there().await, ["corp"]);
    }

    async fn a_component_goes_with_the_last_change_that_speaks_of_it(home: Home) {
        let store = home.open().await;
        for bytes in [b"one", b"two"] {
            store.put_component(&digest_of(bytes), bytes).await.unwrap();
        }
        let is_there = async |bytes: &[u8]| store.component(&digest_of(bytes)).await.unwrap().is_some();
        install(&store, &add("corp", b"one", Place::Last)).await;
        assert!(is_there(b"two").await, "it may be installed yet");
        age_components(&home).await;
        install(&store, &Edit::Remove { name: "corp".to_owned() }).await;
        assert!(!is_there(b"two").await);
        install_up_to(&store, 100).await;
        assert!(is_there(b"one").await);
        install_up_to(&store, 101).await;
        assert!(!is_there(b"one").await);
    }
}

/// A component that is uploaded again while a change looks for old ones to remove.
#[cfg(feature = "e2e")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_is_just_uploaded_again_stays() {
    use sqlx::{Connection, PgConnection, Row};

    let home = Home::postgres();
    let store = home.open().await;
    store.put_component(&digest_of(b"one"), b"one").await.unwrap();
    age_components(&home).await;
    let mut upload = PgConnection::connect(home.url()).await.unwrap();
    let mut upload = upload.begin().await.unwrap();
    sqlx::query("UPDATE plugin_components SET added_at = 9000000000000").execute(&mut *upload).await.unwrap();
    let changing = tokio::spawn(async move {
        install(&store, &Edit::SetEnabled { name: "builtin-acl".to_owned(), enabled: false }).await;
        store
    });
    // Until the change waits for the upload: it has seen that the component is old.
    let mut watch = PgConnection::connect(home.url()).await.unwrap();
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query(waiting).fetch_one(&mut watch).await.unwrap().get::<i64, _>(0) == 0 {
        tokio::task::yield_now().await;
    }
    upload.commit().await.unwrap();
    let store = changing.await.unwrap();
    assert!(store.component(&digest_of(b"one")).await.unwrap().is_some());
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
        "DELETE FROM _sqlx_migrations WHERE version >= 12",
    ] {
        home.execute(statement).await;
    }
    assert_eq!(home.open().await.component(&digest).await.unwrap().as_deref(), Some(&b"one"[..]));
}
