//! Which plugins are installed: changes are rows, of which the last counts, and components are kept as
//! long as a row speaks of them.

use mcpjungle_host::installation::{ComponentRef, Edit, Installation, Place, PluginVersion, VersionChanges};
use mcpjungle_host::plugin::digest_of;
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
