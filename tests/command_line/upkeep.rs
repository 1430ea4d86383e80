//! `server`: what the commands on a gateway's own machine print, and what they refuse.

use std::fs;

use crate::running::Running;
use crate::support::Person;

const KEY: &str = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=";

/// Somebody whose gateway in development mode was started once, with a server that has secrets.
fn with_secrets(variables: &[(&str, &str)]) -> (Person, Running) {
    let mut person = Person::new();
    for (name, value) in variables {
        person.set(name, value);
    }
    let server = Running::mcp_server();
    let _gateway = Running::gateway(&person);
    let described = format!(
        r#"{{"name":"raw","transport":"streamable_http","url":"{}","bearer_token":"t0ken","headers":{{"X-Key":"k"}}}}"#,
        server.mcp_url()
    );
    person.write("raw.json", &described);
    person.stdout(&["register", "-c", "raw.json"]);
    (person, server)
}

#[test]
fn a_new_key_takes_the_place_of_the_key_file() {
    let (person, _server) = with_secrets(&[]);
    let file = person.directory.path().join("mcpjungle.key");
    let before = fs::read_to_string(&file).unwrap();
    insta::assert_snapshot!(person.run(&["server", "rekey"]), @"
    exit: 0
    --- stdout
    Encrypted 2 secrets of 1 MCP server under a new key in the SQLite file [directory]/mcpjungle.db.
    The new key is in [directory]/mcpjungle.key: keep a copy with your backups.
    Restart the gateways that run on this database: until then they serve on, and store no secrets.
    ");
    let after = fs::read_to_string(&file).unwrap();
    assert_ne!(after, before);
    insta::assert_snapshot!(person.run(&["server", "rekey", "--json"]), @r#"
    exit: 0
    --- stdout
    {
      "key_file": "[directory]/mcpjungle.key",
      "plugin_secrets": 0,
      "secrets": 2,
      "servers": 1,
      "unreadable": []
    }
    "#);
    let _gateway = Running::gateway(&person);
    person.stdout(&["register", "--force", "-c", "raw.json"]);
}

#[test]
fn a_new_key_can_be_provided_and_is_needed_from_then_on() {
    let (mut person, _server) = with_secrets(&[("MCPJUNGLE_SECRET_KEY", KEY)]);
    insta::assert_snapshot!(person.run(&["server", "rekey"]), @"
    exit: 1
    --- stderr
    there is no new key: provide one in MCPJUNGLE_NEW_SECRET_KEY or MCPJUNGLE_NEW_SECRET_KEY_FILE, or in a file with --new-key-file (`openssl rand -base64 32` prints one)
    ");
    person.set("MCPJUNGLE_NEW_SECRET_KEY", "short");
    insta::assert_snapshot!(person.run(&["server", "rekey"]), @"
    exit: 1
    --- stderr
    no new key for the SQLite file [directory]/mcpjungle.db: the secret key from MCPJUNGLE_NEW_SECRET_KEY is not 32 bytes as base64 or 64 hexadecimal digits
    ");
    person.set("MCPJUNGLE_NEW_SECRET_KEY", KEY);
    insta::assert_snapshot!(person.run(&["server", "rekey"]), @"
    exit: 1
    --- stderr
    no new key for the SQLite file [directory]/mcpjungle.db: the new key is the one that the database is under already: nothing was changed
    ");
    person.write("new.key", &"0b".repeat(32));
    insta::assert_snapshot!(person.run(&["server", "rekey", "--new-key-file", "new.key"]), @"
    exit: 0
    --- stdout
    Encrypted 2 secrets of 1 MCP server under a new key in the SQLite file [directory]/mcpjungle.db.
    From now on gateways need the new key in MCPJUNGLE_SECRET_KEY or its _FILE.
    Restart the gateways that run on this database: until then they serve on, and store no secrets.
    ");
    insta::assert_snapshot!(person.run(&["start", "--port", "0"]), @"
    exit: 1
    --- stderr
    failed to start the gateway: the secret key from MCPJUNGLE_SECRET_KEY does not open the secrets that the database holds: provide the key that they were stored with in MCPJUNGLE_SECRET_KEY or MCPJUNGLE_SECRET_KEY_FILE (after `mcpjungle server rekey`, the new one)
    ");
    person.set("MCPJUNGLE_SECRET_KEY", &"0b".repeat(32));
    let _gateway = Running::gateway(&person);
}

#[test]
fn without_secrets_there_is_nothing_to_encrypt() {
    let person = Person::new();
    drop(Running::gateway(&person));
    insta::assert_snapshot!(person.run(&["server", "rekey"]), @"
    exit: 0
    --- stdout
    There is no secret and no key yet in the SQLite file [directory]/mcpjungle.db: the key is made with the first secret.
    ");
}

#[test]
fn no_database_is_made() {
    let person = Person::new();
    for command in [&["server", "rekey"][..], &["server", "reset-admin-token", "--sqlite-db-path", "mcpjungle.db"]] {
        assert_eq!(
            person.run(command),
            "exit: 1\n--- stderr\nno gateway has used the SQLite file [directory]/mcpjungle.db yet: \
             name its database as `mcpjungle start` is told of it\n"
        );
    }
    assert_eq!(fs::read_dir(person.directory.path()).unwrap().count(), 0);
}

#[test]
fn a_token_is_reset_only_where_there_are_administrators() {
    let person = Person::new();
    drop(Running::gateway(&person));
    insta::assert_snapshot!(person.run(&["server", "reset-admin-token"]), @"
    exit: 1
    --- stderr
    no token was replaced in the SQLite file [directory]/mcpjungle.db: this database is one of development mode, in which nobody needs a token: use the gateway without one, or start one in enterprise mode on a new database
    ");
    let person = Person::new();
    drop(Running::gateway_with(&person, &["--enterprise", "--host", "127.0.0.1"]));
    insta::assert_snapshot!(person.run(&["server", "reset-admin-token"]), @"
    exit: 1
    --- stderr
    no token was replaced in the SQLite file [directory]/mcpjungle.db: this gateway is not initialised, so it has no administrator yet: start it with `mcpjungle start --enterprise` and run `mcpjungle init-server`
    ");
    insta::assert_snapshot!(person.run(&["server", "reset-admin-token", "--access-token", "short"]), @"
    exit: 1
    --- stderr
    invalid access token: access token should be at least 8 characters in length
    ");
}
