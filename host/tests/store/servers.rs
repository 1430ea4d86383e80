//! Servers and what they offer: kept, replaced, refused.

use bytes::Bytes;
use mcpjungle_host::pipeline::ItemKind;
use mcpjungle_host::server::Server;
use mcpjungle_host::store::{Known, ServerRecord, Store, StoreError};
use mcpjungle_host::upstream::Offer;

use crate::home::{
    ENV, Home, group, http_server, item, name, offer, record, records, revision, sse_server, stdio_server, tools,
};

on_both! {
    async fn what_was_stored_is_there_after_reopening(home: Home) {
        let servers = [http_server("b-http"), stdio_server("a-stdio", &[("TOKEN", ENV)]), sse_server("c-sse")];
        let store = home.open().await;
        for server in &servers {
            store.put_server(server, &offer(&["t2", "t1"]), false).await.unwrap();
        }
        store.create_group(&group("g", &["a-stdio__t1"])).await.unwrap();
        let before = records(&store).await;
        store.close().await;

        let store = home.open().await;
        let stored = store.load(&Known::default()).await.unwrap();
        assert_eq!(stored.groups, [group("g", &["a-stdio__t1"])]);
        let after = records(&store).await;
        assert_eq!(
            after.iter().map(|record| record.server.clone()).collect::<Vec<_>>(),
            [servers[1].clone(), servers[0].clone(), servers[2].clone()]
        );
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.items, after.items);
            assert_eq!(after.initialize, offer(&[]).initialize);
            assert!(after.enabled && after.created_at_ms > 1_600_000_000_000);
        }
        let listed: Vec<_> = after[0].items.iter().map(|item| (item.kind, item.key.as_str())).collect();
        assert_eq!(
            listed,
            [
                (ItemKind::Tool, "t2"),
                (ItemKind::Tool, "t1"),
                (ItemKind::Prompt, "p"),
                (ItemKind::Resource, "file:///r"),
                (ItemKind::ResourceTemplate, "file:///{id}"),
            ]
        );
        assert_eq!(after[0].items[0].definition, tools(&["t2"])[0], "byte for byte");
    }
}

on_both! {
    async fn a_taken_name_is_refused_and_changes_nothing(home: Home) {
        let store = home.open().await;
        store.put_server(&http_server("s"), &offer(&["t"]), false).await.unwrap();
        let before = (revision(&store).await, record(&store, "s").await);
        let error = store.put_server(&stdio_server("s", &[]), &offer(&["u"]), false).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
        let after = (revision(&store).await, record(&store, "s").await);
        assert_eq!(before.0, after.0);
        assert_eq!((before.1.server, before.1.items), (after.1.server, after.1.items));
    }
}

on_both! {
    async fn a_replaced_server_keeps_its_age_its_ids_and_what_was_disabled(home: Home) {
        let store = home.open().await;
        store.put_server(&http_server("s"), &offer(&["kept", "gone", "off"]), false).await.unwrap();
        store.set_items_enabled(&name("s"), ItemKind::Tool, Some("off"), false).await.unwrap();
        let old = record(&store, "s").await;

        let changed = Offer { tools: tools(&["new", "off", "kept"]), ..offer(&[]) };
        store.put_server(&stdio_server("s", &[("A", "b")]), &changed, true).await.unwrap();
        let new = record(&store, "s").await;
        assert_eq!(new.server, stdio_server("s", &[("A", "b")]), "no secret of the old one is left");
        assert_eq!(new.created_at_ms, old.created_at_ms);
        assert!(new.updated_at_ms >= old.updated_at_ms && new.revision > old.revision);
        let keys: Vec<_> = new.items.iter().filter(|item| item.kind == ItemKind::Tool).map(|item| &*item.key).collect();
        assert_eq!(keys, ["new", "off", "kept"]);
        for key in ["kept", "off"] {
            assert_eq!(item(&new, ItemKind::Tool, key).id, item(&old, ItemKind::Tool, key).id);
        }
        assert!(!item(&new, ItemKind::Tool, "off").enabled);
        assert!(item(&new, ItemKind::Tool, "new").enabled && item(&new, ItemKind::Tool, "kept").enabled);
        assert!(old.items.iter().all(|old| old.key == "new" || old.id != item(&new, ItemKind::Tool, "new").id));
    }
}

on_both! {
    async fn a_disabled_server_stays_disabled_when_it_is_replaced(home: Home) {
        let store = home.open().await;
        store.put_server(&stdio_server("s", &[]), &offer(&["t"]), false).await.unwrap();
        store.set_server_enabled(&name("s"), false).await.unwrap();
        store.put_server(&stdio_server("s", &[]), &offer(&["t", "u"]), true).await.unwrap();
        let record = record(&store, "s").await;
        assert!(!record.enabled && record.items.iter().all(|item| !item.enabled));
    }
}

on_both! {
    async fn a_failed_replacement_leaves_the_old_one_whole(home: Home) {
        let store = home.open().await;
        store.put_server(&http_server("s"), &offer(&["t"]), false).await.unwrap();
        let before = (revision(&store).await, record(&store, "s").await);
        let broken = Offer { initialize: Bytes::from_static(b"\xff"), ..offer(&["u"]) };
        store.put_server(&stdio_server("s", &[]), &broken, true).await.unwrap_err();
        let after = (revision(&store).await, record(&store, "s").await);
        assert_eq!(before.0, after.0);
        assert_eq!((before.1.server, before.1.items), (after.1.server, after.1.items));
    }
}

on_both! {
    async fn malformed_items_are_left_out_and_hide_no_others(home: Home) {
        let store = home.open().await;
        let mut odd = offer(&["good", "good"]);
        odd.tools.push(Bytes::from_static(br#"{"description":"no name"}"#));
        odd.tools.push(Bytes::from_static(br#"{"name":"nul\u0000"}"#));
        store.put_server(&stdio_server("s", &[]), &odd, false).await.unwrap();
        let record = record(&store, "s").await;
        let keys: Vec<_> = record.items.iter().filter(|item| item.kind == ItemKind::Tool).map(|item| &*item.key).collect();
        assert_eq!(keys, ["good"]);
    }
}

on_both! {
    async fn what_a_server_offers_by_now_replaces_what_it_offered_and_nothing_else(home: Home) {
        let (store, server) = (home.open().await, http_server("s"));
        store.put_server(&server, &offer(&["a", "b", "off"]), false).await.unwrap();
        store.set_items_enabled(&server.name, ItemKind::Tool, Some("off"), false).await.unwrap();
        let before = record(&store, "s").await;

        // The same, however it is written and in whatever order.
        let same = Offer {
            tools: vec![r#"{"x":1.5,"name":"off"}"#.into(), r#"{"x":1.50,"name":"b"}"#.into(), tools(&["a"]).remove(0)],
            ..offer(&[])
        };
        let revision_before = revision(&store).await;
        assert!(!store.update_offer(&server, &same, &[]).await.unwrap());
        assert_eq!(revision(&store).await, revision_before);

        // Registered otherwise, or not at all.
        for other in [http_server("gone"), Server { description: "other".into(), ..server.clone() }, sse_server("s")] {
            assert!(!store.update_offer(&other, &offer(&["new"]), &[]).await.unwrap());
        }
        assert_eq!(revision(&store).await, revision_before);

        let changed = Offer { prompts: Vec::new(), ..offer(&["new", "off", "a"]) };
        assert!(store.update_offer(&server, &changed, &[ItemKind::Prompt]).await.unwrap());
        let after = record(&store, "s").await;
        let state = |record: &ServerRecord| -> Vec<(String, bool)> {
            let tools = record.items.iter().filter(|item| item.kind == ItemKind::Tool);
            tools.map(|item| (item.key.clone(), item.enabled)).collect()
        };
        assert_eq!(state(&after), [("new".to_owned(), true), ("off".to_owned(), false), ("a".to_owned(), true)]);
        assert_eq!(item(&after, ItemKind::Tool, "a").id, item(&before, ItemKind::Tool, "a").id);
        assert!(after.items.iter().any(|item| item.kind == ItemKind::Prompt), "what could not be read stays");
        assert_eq!((after.server, after.created_at_ms), (before.server, before.created_at_ms));

        store.set_server_enabled(&server.name, false).await.unwrap();
        assert!(store.update_offer(&server, &offer(&["newer"]), &[]).await.unwrap());
        assert_eq!(state(&record(&store, "s").await), [("newer".to_owned(), false)]);
    }
}

/// The tools that are served, each with whether it is enabled.
async fn served_tools(store: &Store) -> Vec<(String, bool)> {
    let items = record(store, "s").await.items.into_iter();
    items.filter(|item| item.kind == ItemKind::Tool).map(|item| (item.key, item.enabled)).collect()
}

on_both! {
    async fn what_was_disabled_is_so_when_it_comes_back(home: Home) {
        let (store, server) = (home.open().await, http_server("s"));
        let on = |tool: &str| (tool.to_owned(), true);
        let off = |tool: &str| (tool.to_owned(), false);
        store.put_server(&server, &offer(&["on", "off"]), false).await.unwrap();
        store.set_items_enabled(&server.name, ItemKind::Tool, Some("off"), false).await.unwrap();
        let id = item(&record(&store, "s").await, ItemKind::Tool, "off").id;

        // Left out of the list, then the list as a whole.
        for less in [offer(&["on"]), offer(&[])] {
            assert!(store.update_offer(&server, &less, &[]).await.unwrap());
            assert!(!store.update_offer(&server, &less, &[]).await.unwrap(), "what is gone is no difference");
            assert!(!served_tools(&store).await.contains(&off("off")));
            assert_eq!(store.set_items_enabled(&server.name, ItemKind::Tool, Some("off"), true).await.unwrap(), None);
            assert!(store.update_offer(&server, &offer(&["off", "on"]), &[]).await.unwrap());
            assert_eq!(served_tools(&store).await, [off("off"), on("on")]);
            assert_eq!(item(&record(&store, "s").await, ItemKind::Tool, "off").id, id);
        }
        // The same when it is registered again.
        store.put_server(&server, &offer(&["on"]), true).await.unwrap();
        assert_eq!(served_tools(&store).await, [on("on")]);
        store.put_server(&server, &offer(&["on", "off"]), true).await.unwrap();
        assert_eq!(served_tools(&store).await, [on("on"), off("off")]);
    }

    async fn enabling_all_tools_or_the_server_forgets_what_was_disabled_and_has_gone(home: Home) {
        let (store, server) = (home.open().await, http_server("s"));
        store.put_server(&server, &offer(&["on", "off"]), false).await.unwrap();
        for enable_server in [false, true] {
            store.set_items_enabled(&server.name, ItemKind::Tool, Some("off"), false).await.unwrap();
            assert!(store.update_offer(&server, &offer(&["on"]), &[]).await.unwrap());
            let told = if enable_server {
                store.set_server_enabled(&server.name, true).await.unwrap().unwrap().len()
            } else {
                store.set_items_enabled(&server.name, ItemKind::Tool, None, true).await.unwrap().unwrap().len()
            };
            assert_eq!(told, 0, "nobody hears of what has gone");
            assert!(store.update_offer(&server, &offer(&["on", "off"]), &[]).await.unwrap());
            assert_eq!(served_tools(&store).await, [("on".to_owned(), true), ("off".to_owned(), true)]);
        }
    }

    async fn items_may_have_names_of_any_length(home: Home) {
        let (store, server) = (home.open().await, http_server("s"));
        // Digits that hardly compress, and what a cast could take for an escape.
        let digits: String = (0_u64..2000).map(|at| (at * 2_654_435_761 % 1_000_003).to_string()).collect();
        let uris = [format!("data:a,{digits}"), format!("data:b,{digits}"), r"file:\\x\777".to_owned(), r"\x0".to_owned()];
        let resources =
            uris.iter().map(|uri| serde_json::json!({ "uri": uri, "name": "r" }).to_string().into()).collect();
        let long = Offer { resources, ..offer(&["t"]) };
        store.put_server(&server, &long, false).await.unwrap();
        assert!(!store.update_offer(&server, &long, &[]).await.unwrap());
        let record = record(&store, "s").await;
        for uri in &uris {
            assert!(item(&record, ItemKind::Resource, uri).enabled);
        }
    }

    async fn many_items_are_added_moved_changed_and_removed_at_once(home: Home) {
        let (store, server) = (home.open().await, http_server("s"));
        let names = |numbers: std::ops::Range<u32>| numbers.map(|at| format!("t{at}")).collect::<Vec<_>>();
        let offer_of = |names: &[String]| offer(&names.iter().map(String::as_str).collect::<Vec<_>>());
        store.put_server(&server, &offer_of(&names(0..250)), false).await.unwrap();
        let before = record(&store, "s").await;

        let mut later = names(120..400);
        later.reverse();
        let mut changed = offer_of(&later);
        changed.tools[0] = r#"{"name":"t399","description":"new"}"#.into();
        assert!(store.update_offer(&server, &changed, &[]).await.unwrap());
        let after = record(&store, "s").await;
        let tools: Vec<_> = after.items.iter().filter(|item| item.kind == ItemKind::Tool).collect();
        assert!(tools.iter().map(|tool| &tool.definition).eq(&changed.tools), "in the upstream's order");
        for kept in names(120..250) {
            assert_eq!(item(&after, ItemKind::Tool, &kept).id, item(&before, ItemKind::Tool, &kept).id);
        }
    }
}
