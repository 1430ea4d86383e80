//! Changes: what they tell, who wins, and what is read after them.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;

use mcpjungle_host::names::GroupName;
use mcpjungle_host::pipeline::ItemKind;
use mcpjungle_host::store::{Known, StoreError, StoredServer};

use crate::home::{Home, group, name, offer, record, records, revision, stdio_server};

on_both! {
    async fn enabling_and_disabling_tells_what_changed(home: Home) {
        let store = home.open().await;
        store.put_server(&stdio_server("s", &[]), &offer(&["a", "b"]), false).await.unwrap();
        let set = |kind, key, enabled| {
            let store = &store;
            async move { store.set_items_enabled(&name("s"), kind, key, enabled).await.unwrap() }
        };
        assert_eq!(set(ItemKind::Tool, Some("a"), false).await, Some(vec!["a".to_owned()]));
        let at = revision(&store).await;
        assert_eq!(set(ItemKind::Tool, Some("a"), false).await, Some(Vec::new()));
        assert_eq!(revision(&store).await, at, "nothing changed, so nobody needs to read anew");
        assert_eq!(set(ItemKind::Tool, None, false).await, Some(vec!["b".to_owned()]));
        assert_eq!(set(ItemKind::Prompt, None, true).await, Some(Vec::new()));
        assert_eq!(set(ItemKind::Tool, Some("c"), false).await, None);
        assert_eq!(store.set_items_enabled(&name("x"), ItemKind::Tool, None, true).await.unwrap(), None);

        let changed = store.set_server_enabled(&name("s"), false).await.unwrap().unwrap();
        let kinds: Vec<_> = changed.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate]);
        assert!(!record(&store, "s").await.enabled);
        assert_eq!(store.set_server_enabled(&name("s"), true).await.unwrap().unwrap().len(), 5);
        assert!(store.set_server_enabled(&name("x"), true).await.unwrap().is_none());
    }
}

on_both! {
    async fn only_what_changed_is_read_again(home: Home) {
        let store = home.open().await;
        for server in ["a", "b", "c"] {
            store.put_server(&stdio_server(server, &[("K", server)]), &offer(&["t"]), false).await.unwrap();
        }
        let servers: HashMap<_, _> =
            records(&store).await.into_iter().map(|record| (record.server.name, record.revision)).collect();
        let newest = servers.values().copied().max().unwrap();
        let known = Known { revision: newest, servers };
        store.set_items_enabled(&name("b"), ItemKind::Tool, Some("t"), false).await.unwrap();
        assert!(store.delete_server(&name("c")).await.unwrap());
        assert!(!store.delete_server(&name("c")).await.unwrap());

        let stored = store.load(&known).await.unwrap();
        assert!(matches!(&stored.servers[0], StoredServer::Unchanged(unchanged) if unchanged.as_str() == "a"));
        let StoredServer::Changed(changed) = &stored.servers[1] else { panic!("b has changed") };
        assert_eq!(changed.server, stdio_server("b", &[("K", "b")]));
        assert_eq!(changed.items.len(), 4);
        assert_eq!(stored.servers.len(), 2);
        assert!(stored.revision > newest);
    }
}

on_both! {
    async fn groups_are_created_replaced_and_deleted(home: Home) {
        let store = home.open().await;
        store.create_group(&group("g", &["s__a"])).await.unwrap();
        let error = store.create_group(&group("g", &[])).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
        assert_eq!(store.update_group(&group("g", &["s__b"])).await.unwrap(), Some(group("g", &["s__a"])));
        assert_eq!(store.update_group(&group("h", &[])).await.unwrap(), None);
        assert_eq!(store.load(&Known::default()).await.unwrap().groups, [group("g", &["s__b"])]);
        assert!(store.delete_group(&GroupName::parse("g").unwrap()).await.unwrap());
        assert!(!store.delete_group(&GroupName::parse("g").unwrap()).await.unwrap());
    }
}

on_both! {
    async fn what_is_removed_comes_from_no_folder_any_more(home: Home) {
        let store = home.open().await;
        let entry = |kind: &str| (kind.to_owned(), "a".to_owned());
        for kind in ["server", "group"] {
            store.add_entry_of_folder("/conf", &entry(kind)).await.unwrap();
        }
        store.put_server(&stdio_server("a", &[]), &offer(&["t"]), false).await.unwrap();
        store.create_group(&group("a", &["a__t"])).await.unwrap();
        assert_eq!(store.entries_of_folder("/conf").await.unwrap(), [entry("server"), entry("group")].into());
        assert!(store.delete_server(&name("a")).await.unwrap());
        assert_eq!(store.entries_of_folder("/conf").await.unwrap(), [entry("group")].into());
        assert!(store.delete_group(&GroupName::parse("a").unwrap()).await.unwrap());
        assert!(store.entries_of_folder("/conf").await.unwrap().is_empty());
    }
}

on_both! {
    async fn a_group_is_taken_back_unless_another_gateway_has_changed_it_since(home: Home) {
        let store = home.open().await;
        let groups = async || store.load(&Known::default()).await.unwrap().groups;
        let [first, second, third] = [group("g", &["s__a"]), group("g", &["s__b"]), group("g", &["s__c"])];
        store.create_group(&second).await.unwrap();
        assert!(!store.take_back_group(&first, None).await.unwrap());
        assert!(!store.take_back_group(&first, Some(&third)).await.unwrap());
        assert_eq!(groups().await, [group("g", &["s__b"])]);
        assert!(store.take_back_group(&second, Some(&third)).await.unwrap());
        assert_eq!(groups().await, [group("g", &["s__c"])]);
        assert!(store.take_back_group(&third, None).await.unwrap());
        assert_eq!(groups().await, []);
    }
}

on_both! {
    async fn writers_on_two_gateways_take_turns_and_one_of_two_namesakes_wins(home: Home) {
        let stores = [Arc::new(home.open().await), Arc::new(home.open().await)];
        let mut changes = Vec::new();
        for (at, store) in stores.iter().cycle().take(20).enumerate() {
            let store = Arc::clone(store);
            changes.push(tokio::spawn(async move {
                let own = format!("s{at}");
                store.put_server(&stdio_server(&own, &[("K", &own)]), &offer(&["t"]), false).await.unwrap();
                store.put_server(&stdio_server("contested", &[]), &offer(&["t"]), false).await.is_ok()
            }));
        }
        let mut winners = 0;
        for change in changes {
            winners += usize::from(change.await.unwrap());
        }
        assert_eq!(winners, 1);
        for store in &stores {
            let records = records(store).await;
            assert_eq!(records.len(), 21);
            for record in records.iter().filter(|record| record.server.name.as_str() != "contested") {
                let own = record.server.name.as_str();
                assert_eq!(record.server, stdio_server(own, &[("K", own)]), "both use the one key");
            }
            let mut revisions: Vec<_> = records.iter().map(|record| record.revision).collect();
            revisions.sort_unstable();
            revisions.dedup();
            assert_eq!(revisions.len(), 21, "every change has a revision of its own");
            assert_eq!(revision(store).await, *revisions.last().unwrap());
        }
    }
}

on_both! {
    async fn a_change_that_is_dropped_halfway_never_happened(home: Home) {
        let store = home.open().await;
        let before = revision(&store).await;
        let many: Vec<String> = (0..10_000).map(|at| format!("t{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (server, offer) = (stdio_server("s", &[]), offer(&many));
        {
            let mut change = Box::pin(store.put_server(&server, &offer, false));
            let mut polls = 0;
            // Each poll but the first follows at least one answer of the database, so this is in the midst of the statements.
            std::future::poll_fn(|context| {
                assert!(change.as_mut().poll(context).is_pending(), "10,000 items take more than this");
                polls += 1;
                if polls > 12 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        assert!(records(&store).await.is_empty());
        assert_eq!(revision(&store).await, before);
        store.put_server(&server, &offer, false).await.unwrap();
        assert_eq!(record(&store, "s").await.items.len(), 10_003);
    }
}
