//! `init-server` and `login`, and the file that they write.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Api, Person};

const INITIALIZED: &str = r#"{"status":"Server initialized successfully","admin_access_token":"1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw"}"#;

fn conf_of(person: &Person) -> String {
    let path = person.home.path().join(".mcpjungle.conf");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn initialising_a_server_saves_the_administrators_token() {
    let api = Api::answering(&[("POST /init", 200, INITIALIZED)]);
    let person = Person::new();
    let shown = person.run(&["--registry", &api.url, "init-server"]);
    insta::assert_snapshot!(shown, @"
    exit: 0
    --- stdout
    Initializing the MCPJungle Server in Enterprise Mode...
    Your Admin access token has been saved to [home]/.mcpjungle.conf
    All done!
    ");
    let saved = format!("registry_url: {}\naccess_token: 1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw\n", api.url);
    assert_eq!(conf_of(&person), saved);
    insta::assert_snapshot!(person.run(&["init-server", "--json"]), @r#"
    exit: 0
    --- stdout
    {
      "status": "Server initialized successfully",
      "admin_access_token": "1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw"
    }
    "#);
    let without_a_token = r#"POST /init {"mode":"production"}"#;
    assert_eq!(api.requests(), [without_a_token, without_a_token], "a token of another server's is not sent");
}

#[test]
fn the_bootstrap_token_comes_from_the_flag_the_environment_or_a_file() {
    let api = Api::answering(&[("POST /init", 200, INITIALIZED)]);
    let mut person = Person::of(&api);
    person.write("bootstrap", "from-file\n");
    person.set("MCPJUNGLE_BOOTSTRAP_TOKEN_FILE", "bootstrap");
    person.stdout(&["init-server"]);
    person.set("MCPJUNGLE_BOOTSTRAP_TOKEN", "from-variable");
    person.stdout(&["init-server"]);
    person.stdout(&["init-server", "--bootstrap-token", "-from-flag", "--access-token", "-chosen-token"]);
    assert_eq!(
        api.requests(),
        [
            r#"POST /init [Bearer from-file] {"mode":"production"}"#,
            r#"POST /init [Bearer from-variable] {"mode":"production"}"#,
            r#"POST /init [Bearer -from-flag] {"access_token":"-chosen-token","mode":"production"}"#,
        ]
    );
}

#[test]
fn a_server_that_is_not_initialised_now_leaves_everything_as_it_was() {
    let refusal = r#"{"error":"Server is already initialized"}"#;
    let api = Api::answering(&[("POST /init", 400, refusal)]);
    let person = Person::of(&api);
    let before = std::fs::read_to_string(person.home.path().join(".mcpjungle.conf")).unwrap();
    insta::assert_snapshot!(person.run(&["init-server"]), @"
    exit: 1
    --- stdout
    Initializing the MCPJungle Server in Enterprise Mode...
    --- stderr
    failed to initialize the server: Server is already initialized
    ");
    assert_eq!(std::fs::read_to_string(person.home.path().join(".mcpjungle.conf")).unwrap(), before);
}

#[test]
fn the_administrators_token_is_not_lost_where_it_cannot_be_saved() {
    let api = Api::answering(&[("POST /init", 200, INITIALIZED)]);
    let mut person = Person::new();
    person.set("HOME", "/nonexistent");
    insta::assert_snapshot!(person.run(&["init-server", "--registry", &api.url]), @"
    exit: 1
    --- stdout
    Initializing the MCPJungle Server in Enterprise Mode...
    Your Admin access token: 1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw
    --- stderr
    the server is initialized, but the token could not be saved; keep the one that is printed here, it is not shown again: failed to write /nonexistent/.mcpjungle.conf: No such file or directory (os error 2)
    ");
    let shown = person.run(&["init-server", "--json", "--registry", &api.url]);
    assert!(shown.starts_with("exit: 1\n--- stdout\n{\n") && shown.contains("1YHf2LwE1LXtp5lW"), "{shown}");
}

#[test]
fn logging_in_tells_who_one_is() {
    let api = Api::answering(&[("GET /users/whoami", 200, r#"{"username":"alice","role":"user"}"#)]);
    let person = Person::of(&api);
    person.write_conf(&format!("# mine\nregistry_url: {}\naccess_token: old\ntheme: dark\n", api.url));
    insta::assert_snapshot!(person.run(&["login", "alice_token_123"]), @"
    exit: 0
    --- stdout
    You are now logged in as alice
    You are a user of MCPJungle
    Your access token has been saved to [home]/.mcpjungle.conf
    ");
    assert_eq!(
        conf_of(&person),
        format!("registry_url: {}\naccess_token: alice_token_123\ntheme: dark\n", api.url),
        "other keys are kept"
    );
    // A generated token may begin with a dash.
    person.stdout(&["login", "-alice_token"]);
    assert_eq!(
        api.requests(),
        ["GET /users/whoami [Bearer alice_token_123]", "GET /users/whoami [Bearer -alice_token]"]
    );
    assert!(person.stdout(&["login", "--help"]).contains("mcpjungle login "));

    let api = Api::answering(&[("GET /users/whoami", 200, r#"{"username":"admin","role":"admin"}"#)]);
    insta::assert_snapshot!(Person::new().run(&["login", "admin_token_123", "--registry", &api.url]), @"
    exit: 0
    --- stdout
    You are now logged in as admin
    You are an administrator of MCPJungle
    Your access token has been saved to [home]/.mcpjungle.conf
    ");
}

#[test]
fn a_token_that_is_nobodys_is_not_saved() {
    let api = Api::answering(&[("GET /users/whoami", 401, r#"{"error":"invalid access token"}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["login", "no_such_token"]), @"
    exit: 1
    --- stderr
    failed to get user: invalid access token
    ");
    let conf = std::fs::read_to_string(person.home.path().join(".mcpjungle.conf")).unwrap();
    assert!(!conf.contains("access_token"), "{conf}");
    let shown = person.run(&["login"]);
    assert!(shown.starts_with("exit: 1\n--- stderr\naccepts 1 arg(s), received 0\n"), "{shown}");
}

#[test]
fn a_file_that_was_not_valid_is_set_aside() {
    let api = Api::answering(&[("GET /users/whoami", 200, r#"{"username":"alice","role":"user"}"#)]);
    let person = Person::new();
    person.write_conf("just words");
    insta::assert_snapshot!(person.run(&["login", "alice_token_123", "--registry", &api.url]), @"
    exit: 0
    --- stdout
    You are now logged in as alice
    You are a user of MCPJungle
    Your access token has been saved to [home]/.mcpjungle.conf
    --- stderr
    Warning: [home]/.mcpjungle.conf:1:1: invalid type: string, expected an object with keys and values; the file is ignored
    Warning: [home]/.mcpjungle.conf was not valid; what it held is in [home]/.mcpjungle.conf.old now
    ");
    conf_of(&person);
}
