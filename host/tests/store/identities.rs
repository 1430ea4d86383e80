//! Clients and users: found by their tokens, changed, deleted, and initialised once.

use std::time::Duration;

use mcpjungle_host::identity::{AccessToken, FIRST_ADMIN, IdentityKind, IdentityRecord, Role, TokenDigest};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::store::{
    IdentityKey, IdentityRef, IdentityUpdate, Initialization, Known, NewIdentity, NewToken, Store, StoreError,
};

use crate::home::{Home, revision};

fn digest(token: &str) -> TokenDigest {
    AccessToken::parse(token).unwrap().digest()
}

fn client<'a>(name: &'a str, token: &str, allow: &'a [String]) -> NewIdentity<'a> {
    NewIdentity { kind: IdentityKind::Client, name, description: "d", allow, digest: digest(token) }
}

fn user<'a>(name: &'a str, token: &str) -> NewIdentity<'a> {
    NewIdentity { kind: IdentityKind::User(Role::User), name, description: "", allow: &[], digest: digest(token) }
}

fn rotation(token: &str, grace: Duration) -> IdentityUpdate {
    IdentityUpdate { token: Some(NewToken { digest: digest(token), grace }), ..IdentityUpdate::default() }
}

/// All identities, sorted by name.
async fn identities(store: &Store) -> Vec<IdentityRecord> {
    let mut read = store.load(&Known::default()).await.unwrap().identities.changed;
    read.sort_by(|a, b| a.name.cmp(&b.name));
    read
}

/// What an identity is known by now: current tokens and those that live on.
fn known_by(record: &IdentityRecord) -> (Vec<TokenDigest>, Vec<TokenDigest>) {
    let (expiring, current): (Vec<_>, Vec<_>) = record.tokens.iter().partition(|token| token.expires_at_ms.is_some());
    let digests =
        |tokens: Vec<&mcpjungle_host::identity::StoredToken>| tokens.iter().map(|token| token.digest).collect();
    (digests(current), digests(expiring))
}

on_both! {
    async fn an_identity_is_stored_changed_and_deleted(home: Home) {
        let store = home.open().await;
        let allow = ["github".to_owned(), "time__*".to_owned()];
        store.create_identity(&client("same", "client-token", &allow)).await.unwrap();
        store.create_identity(&user("same", "user-token")).await.unwrap();
        let taken = store.create_identity(&client("same", "another-token", &[])).await.unwrap_err();
        assert_eq!(taken.to_string(), "MCP client same already exists");
        for (new, token) in [("other", "client-token"), ("other", "user-token")] {
            let taken = store.create_identity(&client(new, token, &[])).await.unwrap_err();
            assert!(matches!(taken, StoreError::TokenTaken), "{taken}");
        }

        let [first, second] = &identities(&store).await[..] else { panic!("two identities") };
        let (machine, human) = if first.kind == IdentityKind::Client { (first, second) } else { (second, first) };
        assert_eq!((machine.allow.as_slice(), machine.description.as_str()), (&allow[..], "d"));
        assert_eq!(known_by(machine), (vec![digest("client-token")], vec![]));
        assert_eq!(human.kind, IdentityKind::User(Role::User));

        let update = IdentityUpdate {
            description: Some("new".to_owned()),
            allow: Some(vec!["*".to_owned()]),
            ..IdentityUpdate::default()
        };
        assert!(store.update_identity(IdentityRef::Client("same"), &update).await.unwrap());
        let promotion = IdentityUpdate { role: Some(Role::Admin), ..IdentityUpdate::default() };
        assert!(store.update_identity(IdentityRef::User("same"), &promotion).await.unwrap());
        assert!(!store.update_identity(IdentityRef::User("nobody"), &promotion).await.unwrap());
        let stored = identities(&store).await;
        assert!(stored.iter().any(|record| record.description == "new" && record.allow == ["*"]), "{stored:?}");
        assert!(stored.iter().any(|record| record.kind == IdentityKind::User(Role::Admin)), "{stored:?}");

        assert!(store.delete_identity(IdentityRef::Client("same")).await.unwrap());
        assert!(!store.delete_identity(IdentityRef::Client("same")).await.unwrap());
        assert_eq!(identities(&store).await.len(), 1);
        store.create_identity(&client("same", "client-token", &[])).await.unwrap();
        assert_eq!(identities(&store).await.len(), 2, "its name and its token are free again");
    }
}

on_both! {
    async fn a_token_is_replaced_at_once_or_after_a_while(home: Home) {
        let store = home.open().await;
        store.create_identity(&client("c", "token-one", &[])).await.unwrap();
        store.create_identity(&user("u", "token-of-u")).await.unwrap();
        let of = IdentityRef::Client("c");
        let state = async || known_by(&identities(&store).await[0]);

        store.update_identity(of, &rotation("token-two", Duration::from_secs(600))).await.unwrap();
        assert_eq!(state().await, (vec![digest("token-two")], vec![digest("token-one")]));
        store.update_identity(of, &rotation("token-two", Duration::from_secs(600))).await.unwrap();
        assert_eq!(state().await, (vec![digest("token-two")], vec![digest("token-one")]), "the same token again");
        store.update_identity(of, &rotation("token-three", Duration::from_secs(600))).await.unwrap();
        assert_eq!(state().await, (vec![digest("token-three")], vec![digest("token-two")]));
        let taken = store.update_identity(of, &rotation("token-of-u", Duration::ZERO)).await.unwrap_err();
        assert!(matches!(taken, StoreError::TokenTaken), "{taken}");
        assert_eq!(state().await, (vec![digest("token-three")], vec![digest("token-two")]), "nothing half-done");
        store.update_identity(of, &rotation("token-four", Duration::ZERO)).await.unwrap();
        assert_eq!(state().await, (vec![digest("token-four")], vec![]));
    }
}

on_both! {
    async fn a_token_that_has_expired_can_be_given_to_another(home: Home) {
        let store = home.open().await;
        store.create_identity(&client("c", "token-one", &[])).await.unwrap();
        let update = rotation("token-two", Duration::from_millis(1));
        store.update_identity(IdentityRef::Client("c"), &update).await.unwrap();
        let created = async {
            // Taken for as long as it is good for something.
            while let Err(error) = store.create_identity(&user("u", "token-one")).await {
                assert!(matches!(error, StoreError::TokenTaken), "{error}");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), created).await.expect("it expires after a millisecond");
        let [of_c, of_u] = &identities(&store).await[..] else { panic!("two identities") };
        assert_eq!(known_by(of_c), (vec![digest("token-two")], vec![]));
        assert_eq!(known_by(of_u), (vec![digest("token-one")], vec![]));
    }
}

on_both! {
    async fn only_identities_that_changed_are_read_again(home: Home) {
        let store = home.open().await;
        for name in ["kept", "changed", "deleted", "deleted and made again"] {
            store.create_identity(&client(name, &format!("token-of-{}", name.replace(' ', "-")), &[])).await.unwrap();
        }
        let known = Known { revision: revision(&store).await, ..Known::default() };
        store.update_identity(IdentityRef::Client("changed"), &IdentityUpdate::default()).await.unwrap();
        for name in ["deleted", "deleted and made again"] {
            store.delete_identity(IdentityRef::Client(name)).await.unwrap();
        }
        store.create_identity(&client("deleted and made again", "another-token", &[])).await.unwrap();
        let read = store.load(&known).await.unwrap().identities;
        assert!(!read.is_everything);
        assert_eq!(read.removed, [IdentityKey::Client("deleted".into())]);
        let mut changed: Vec<&str> = read.changed.iter().map(|record| &*record.name).collect();
        changed.sort_unstable();
        assert_eq!(changed, ["changed", "deleted and made again"]);
        assert!(store.load(&Known::default()).await.unwrap().identities.is_everything);
    }
}

on_both! {
    async fn a_gateway_is_initialised_once_and_keeps_its_mode(home: Home) {
        let store = home.open().await;
        assert_eq!(store.initialized_mode().await.unwrap(), None);
        let admin = Some(digest("admin-token"));
        let outcomes = tokio::join!(store.initialize(Mode::Enterprise, admin), store.initialize(Mode::Enterprise, admin));
        let mut outcomes = [outcomes.0.unwrap(), outcomes.1.unwrap()];
        outcomes.sort_by_key(|outcome| *outcome != Initialization::Done);
        assert_eq!(outcomes, [Initialization::Done, Initialization::AlreadyDone(Mode::Enterprise)]);
        let again = store.initialize(Mode::Development, None).await.unwrap();
        assert_eq!(again, Initialization::AlreadyDone(Mode::Enterprise));
        let stored = store.load(&Known::default()).await.unwrap();
        assert_eq!(stored.initialized, Some(Mode::Enterprise));
        let [admin] = &stored.identities.changed[..] else { panic!("one identity") };
        assert_eq!((&*admin.name, admin.kind), (FIRST_ADMIN, IdentityKind::User(Role::Admin)));
    }
}

on_both! {
    async fn there_is_always_an_administrator(home: Home) {
        let store = home.open().await;
        store.initialize(Mode::Enterprise, Some(digest("admin-token"))).await.unwrap();
        store.create_identity(&user("second", "token-of-second")).await.unwrap();
        let to = |role| IdentityUpdate { role: Some(role), ..IdentityUpdate::default() };
        let [first, second] = [IdentityRef::User(FIRST_ADMIN), IdentityRef::User("second")];
        assert!(matches!(store.delete_identity(first).await.unwrap_err(), StoreError::AdminIsKept));
        assert!(matches!(store.update_identity(first, &to(Role::User)).await.unwrap_err(), StoreError::LastAdmin));
        store.update_identity(second, &to(Role::Admin)).await.unwrap();
        // Of two that are the last but each other, one stays.
        let (user, admin) = (to(Role::User), to(Role::User));
        let outcomes = tokio::join!(store.update_identity(first, &user), store.update_identity(second, &admin));
        let refused = [outcomes.0, outcomes.1].into_iter().filter(|outcome| matches!(outcome, Err(StoreError::LastAdmin)));
        assert_eq!(refused.count(), 1);
        let admins = identities(&store).await.into_iter().filter(|it| it.kind == IdentityKind::User(Role::Admin));
        assert_eq!(admins.count(), 1);
    }
}
