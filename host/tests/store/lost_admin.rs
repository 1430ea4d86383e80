//! A lost administrator's token is replaced on the database itself.

use mcpjungle_host::identity::{AccessToken, FIRST_ADMIN, IdentityKind, IdentityRecord, Role, TokenDigest};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::store::{Known, NewIdentity, ResetToken, Store};

use crate::home::Home;

fn digest(token: &str) -> TokenDigest {
    AccessToken::parse(token).unwrap().digest()
}

async fn add_user(store: &Store, name: &str, role: Role) {
    let digest = digest(&format!("token-of-{name}"));
    let kind = IdentityKind::User(role);
    store.create_identity(&NewIdentity { kind, name, description: "", allow: &[], digest }).await.unwrap();
}

async fn user(store: &Store, name: &str) -> IdentityRecord {
    let identities = store.load(&Known::default()).await.unwrap().identities.changed;
    identities.into_iter().find(|record| &*record.name == name).unwrap()
}

fn reset(user: &str, is_new_admin: bool) -> ResetToken {
    ResetToken { user: user.to_owned(), is_new_admin }
}

on_both! {
    async fn the_only_administrator_gets_a_new_token_and_the_old_one_is_worth_nothing(home: Home) {
        let store = home.open().await;
        store.initialize(Mode::Enterprise, Some(digest("lost-token"))).await.unwrap();
        add_user(&store, "alice", Role::User).await;
        assert_eq!(store.reset_admin_token(None, digest("new-token")).await.unwrap(), reset(FIRST_ADMIN, false));
        let tokens = user(&store, FIRST_ADMIN).await.tokens;
        assert_eq!(tokens.iter().map(|token| token.digest).collect::<Vec<_>>(), [digest("new-token")]);
        let error = store.reset_admin_token(None, digest("token-of-alice")).await.unwrap_err();
        assert_eq!(error.to_string(), "this access token is in use already: choose another one");
    }

    async fn of_several_administrators_one_must_be_named(home: Home) {
        let store = home.open().await;
        store.initialize(Mode::Enterprise, Some(digest("lost-token"))).await.unwrap();
        add_user(&store, "alice", Role::Admin).await;
        add_user(&store, "bob", Role::User).await;
        let error = store.reset_admin_token(None, digest("new-token")).await.unwrap_err();
        assert_eq!(error.to_string(), "there are several administrators (admin, alice): say which one with --user NAME");
        for name in ["bob", "nobody"] {
            let error = store.reset_admin_token(Some(name), digest("new-token")).await.unwrap_err();
            assert_eq!(error.to_string(), format!("user {name} is no administrator: there are admin, alice"));
        }
        assert_eq!(store.reset_admin_token(Some("alice"), digest("new-token")).await.unwrap(), reset("alice", false));
        assert_eq!(user(&store, FIRST_ADMIN).await.tokens[0].digest, digest("lost-token"));
        assert_eq!(user(&store, "bob").await.kind, IdentityKind::User(Role::User));
    }

    async fn where_no_administrator_is_left_admin_is_made_one_again_or_anew(home: Home) {
        let store = home.open().await;
        store.initialize(Mode::Enterprise, Some(digest("lost-token"))).await.unwrap();
        // The store itself never lets the last one go.
        home.execute("UPDATE identities SET role = 'user'").await;
        add_user(&store, "alice", Role::User).await;
        let error = store.reset_admin_token(Some("alice"), digest("new-token")).await.unwrap_err().to_string();
        assert!(error.starts_with("user alice is no administrator: there is none left, "), "{error}");
        assert_eq!(store.reset_admin_token(None, digest("new-token")).await.unwrap(), reset(FIRST_ADMIN, true));
        assert_eq!(user(&store, FIRST_ADMIN).await.kind, IdentityKind::User(Role::Admin));

        home.execute("DELETE FROM identities WHERE role = 'admin'").await;
        let outcome = store.reset_admin_token(Some(FIRST_ADMIN), digest("newer-token")).await.unwrap();
        assert_eq!(outcome, reset(FIRST_ADMIN, true));
        assert_eq!(user(&store, FIRST_ADMIN).await.tokens[0].digest, digest("newer-token"));
    }

    async fn without_enterprise_mode_there_is_no_administrator(home: Home) {
        let store = home.open().await;
        let error = store.reset_admin_token(None, digest("new-token")).await.unwrap_err().to_string();
        assert!(error.contains("is not initialised") && error.contains("`mcpjungle init-server`"), "{error}");
        store.initialize(Mode::Development, None).await.unwrap();
        let error = store.reset_admin_token(None, digest("new-token")).await.unwrap_err().to_string();
        assert!(error.contains("development mode, in which nobody needs a token"), "{error}");
        assert!(store.load(&Known::default()).await.unwrap().identities.changed.is_empty());
    }
}
