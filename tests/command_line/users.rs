//! `create user`, `list users`, `update user`, `delete user`.

use crate::support::{Api, Person};

#[test]
fn creating_a_user_prints_how_they_log_in() {
    let created = r#"{"username":"alice","role":"user","access_token":"generated-token"}"#;
    let api = Api::answering(&[("POST /users", 201, created)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["create", "user", "alice"]), @"
    exit: 0
    --- stdout
    User 'alice' created successfully
    The user should now run the following command to log into mcpjungle:

        mcpjungle login generated-token
    ");
    let chosen = r#"{"username":"alice","role":"user","access_token":"alice_token_123"}"#;
    let api = Api::answering(&[("POST /users", 201, chosen)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["create", "user", "alice", "--access-token", "alice_token_123"]), @"
    exit: 0
    --- stdout
    User 'alice' created successfully
    The user should now run the following command to log into mcpjungle:

        mcpjungle login alice_token_123
    ");
    person.write("alice.json", r#"{"name":"alice","access_token_ref":{"file":"token"}}"#);
    person.write("token", "alice_token_123");
    person.run(&["create", "user", "--conf", "alice.json"]);
    let sent = r#"POST /users {"access_token":"alice_token_123","username":"alice"}"#;
    assert_eq!(api.requests(), [sent, sent]);
}

#[test]
fn a_user_that_is_not_described_well_is_refused_before_it_is_sent() {
    let api = Api::answering(&[]);
    let person = Person::of(&api);
    person.write("nameless.json", r#"{"access_token":"12345678"}"#);
    person.write("tokenless.json", r#"{"name":"alice"}"#);
    for (arguments, problem) in [
        (&["create", "user"][..], "either supply a configuration file or the name of the user"),
        (&["create", "user", "-c", "nameless.json"], "config file must define a username"),
        (&["create", "user", "-c", "tokenless.json"], "config file must supply a custom access token"),
        (
            &["create", "user", "alice", "-c", "tokenless.json"],
            "a name cannot be given beside --conf: the file names the user",
        ),
        (
            &["update", "user", "alice"],
            "at least one of the flags \"access-token\", \"rotate\" and \"role\" must be set",
        ),
    ] {
        assert_eq!(person.run(arguments), format!("exit: 1\n--- stderr\n{problem}\n"), "{arguments:?}");
    }
    assert!(api.requests().is_empty());
}

#[test]
fn listing_users_marks_administrators() {
    let users = r#"[{"username":"admin","role":"admin"},{"username":"alice","role":"user"}]"#;
    let api = Api::answering(&[("GET /users", 200, users)]);
    insta::assert_snapshot!(Person::of(&api).run(&["list", "users"]), @"
    exit: 0
    --- stdout
    1. admin  [ADMIN]
    2. alice
    ");
    let empty = Api::answering(&[("GET /users", 200, "[]")]);
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "users"]), @"
    exit: 0
    --- stdout
    There are no users in the registry
    ");
}

#[test]
fn updating_a_user_says_what_has_changed() {
    let api = Api::answering(&[("PUT /users/alice", 200, r#"{"username":"alice","role":"admin"}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["update", "user", "alice", "--access-token", "new-secret-token"]), @"
    exit: 0
    --- stdout
    User alice access token updated successfully.
    ");
    insta::assert_snapshot!(person.run(&["update", "user", "alice", "--role", "admin"]), @"
    exit: 0
    --- stdout
    User alice has the role admin now.
    ");
    assert_eq!(
        api.requests(),
        [r#"PUT /users/alice {"access_token":"new-secret-token"}"#, r#"PUT /users/alice {"role":"admin"}"#]
    );
    let rotated = r#"{"username":"alice","role":"user","access_token":"-generated"}"#;
    let api = Api::answering(&[("PUT /users/alice", 200, rotated)]);
    insta::assert_snapshot!(Person::of(&api).run(&["update", "user", "alice", "--rotate", "--grace", "1d"]), @"
    exit: 0
    --- stdout
    User alice access token updated successfully.
    The user should now run the following command to log into mcpjungle:

        mcpjungle login -generated
    ");
    assert_eq!(api.requests(), [r#"PUT /users/alice {"grace_seconds":86400,"rotate":true}"#]);
}

#[test]
fn deleting_a_user_says_so() {
    let refusal = r#"{"error":"cannot delete an admin user"}"#;
    let api = Api::answering(&[("DELETE /users/alice", 204, ""), ("DELETE /users/admin", 400, refusal)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["delete", "user", "alice"]), @"
    exit: 0
    --- stdout
    User 'alice' deleted successfully (if they existed)
    ");
    insta::assert_snapshot!(person.run(&["delete", "user", "admin"]), @"
    exit: 1
    --- stderr
    failed to delete the user: cannot delete an admin user
    ");
}
