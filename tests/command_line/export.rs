//! `export`: servers and groups to files, and back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::running::Running;
use crate::support::{Api, Person};

const SERVERS: &str = r#"[{"name":"open","transport":"streamable_http","description":"","url":"http://h/"},
    {"name":"s","transport":"stdio","description":"d","command":"c","env":{"KEY":"a${b"},"session_mode":"stateful"}]"#;

#[test]
fn each_server_and_group_becomes_a_file_that_only_its_owner_can_read() {
    let api = Api::answering(&[
        ("GET /tool-groups", 200, r#"[{"name":"g","description":"","included_tools":["s__t"]}]"#),
        ("GET /server_configs?reveal=true", 200, SERVERS),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["export", "--reveal"]), @"
    exit: 0
    --- stdout
    Creating subdirectories inside [directory]/.mcpjungle
    Fetching Tool Group configurations...
    Writing Tool Groups configurations to [directory]/.mcpjungle/groups
    Fetching MCP Server configurations...
    Writing MCP Servers configurations to [directory]/.mcpjungle/servers
    Export complete!
    --- stderr
    WARNING: files in [directory]/.mcpjungle/servers hold secrets in clear (s). Only you can read them: keep it so, or put ${VAR} in place of the secrets.
    WARNING: a value in [directory]/.mcpjungle/servers/s.json holds `${`, which would be taken for a variable when the file is read back.
    ");
    let folder = person.directory.path().join(".mcpjungle");
    for (path, mode) in
        [("", 0o700), ("servers", 0o700), ("groups", 0o700), ("servers/s.json", 0o600), ("groups/g.json", 0o600)]
    {
        assert_eq!(fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    insta::assert_snapshot!(fs::read_to_string(folder.join("servers/s.json")).unwrap(), @r#"
    {
      "name": "s",
      "transport": "stdio",
      "description": "d",
      "command": "c",
      "env": {
        "KEY": "a${b"
      },
      "session_mode": "stateful"
    }
    "#);
    insta::assert_snapshot!(person.run(&["export"]), @"
    exit: 1
    --- stderr
    target directory [directory]/.mcpjungle is not empty
    ");
    insta::assert_snapshot!(person.run(&["export", "--reveal", "--dir", "~/deep/er", "--json"]), @r#"
    exit: 0
    --- stdout
    {
      "directory": "[home]/deep/er",
      "groups": [
        "g"
      ],
      "servers": [
        "open",
        "s"
      ]
    }
    --- stderr
    WARNING: files in [home]/deep/er/servers hold secrets in clear (s). Only you can read them: keep it so, or put ${VAR} in place of the secrets.
    WARNING: a value in [home]/deep/er/servers/s.json holds `${`, which would be taken for a variable when the file is read back.
    "#);
    assert!(person.home.path().join("deep/er/groups/g.json").exists());
}

#[test]
fn without_the_flag_no_secret_is_written_and_what_stands_in_its_place_is_not_read_back() {
    let server = Running::mcp_server();
    let person = Person::new();
    let _gateway = Running::gateway(&person);
    let described = format!(
        r#"{{"name":"raw","transport":"streamable_http","url":"{}","bearer_token":"t0ken","headers":{{"X-Key":"k3y"}}}}"#,
        server.mcp_url()
    );
    person.write("raw.json", &described);
    person.stdout(&["register", "-c", "raw.json"]);
    insta::assert_snapshot!(person.run(&["export", "-d", "out"]), @"
    exit: 0
    --- stdout
    Creating subdirectories inside [directory]/out
    Fetching Tool Group configurations...
    No Tool Groups found.
    Fetching MCP Server configurations...
    Writing MCP Servers configurations to [directory]/out/servers
    Export complete!
    --- stderr
    WARNING: secrets in [directory]/out/servers read `[redacted]` (raw). Put ${VAR} in their place before the files are read back, or export with --reveal.
    ");
    let written = fs::read_to_string(person.directory.path().join("out/servers/raw.json")).unwrap();
    assert!(!written.contains("t0ken") && !written.contains("k3y"), "{written}");
    for command in [
        &["apply", "-f", "out"][..],
        &["validate", "out/servers/raw.json"],
        &["register", "--force", "-c", "out/servers/raw.json"],
    ] {
        let refused = person.run(command);
        assert!(
            refused.starts_with("exit: 1\n") && refused.contains("bearer_token holds `[redacted]`, which stands for"),
            "{command:?}: {refused}"
        );
    }
    assert_eq!(person.stdout(&["apply", "-f", "raw.json"]), "Nothing to do: the gateway is as the files say.\n");
}

#[test]
fn what_cannot_be_fetched_is_a_warning_unless_it_is_everything() {
    let api = Api::answering(&[
        ("GET /tool-groups", 500, r#"{"error":"the database failed"}"#),
        ("GET /server_configs", 200, "[]"),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["export", "-d", "out"]), @"
    exit: 0
    --- stdout
    Creating subdirectories inside [directory]/out
    Fetching Tool Group configurations...
    Fetching MCP Server configurations...
    No MCP Servers found.
    Export complete!
    --- stderr
    Warning: failed to fetch Tool Group configurations: the database failed
    ");
    let person = Person::of(&Api::answering(&[]));
    let nothing = person.run(&["export", "-d", "out"]);
    assert!(nothing.starts_with("exit: 1\n") && nothing.ends_with("\nnothing was exported\n"), "{nothing}");
}

#[test]
fn what_is_exported_can_be_read_back_by_every_command() {
    let server = Running::mcp_server();
    let person = Person::new();
    let first = Running::gateway(&person);
    let described = format!(
        r#"{{"name":"raw","transport":"streamable_http","description":"ä \"quoted\"","url":"{}",
            "bearer_token":"t0ken","headers":{{"X-Key":"k"}},"session_mode":"stateful"}}"#,
        server.mcp_url()
    );
    person.write("raw.json", &described);
    person.write("g.json", r#"{"name":"g","included_servers":["raw"],"excluded_tools":["raw__echo"]}"#);
    person.stdout(&["register", "-c", "raw.json"]);
    person.stdout(&["create", "group", "-c", "g.json"]);
    let exported = person.run(&["export", "--reveal", "-d", "out"]);
    assert!(exported.starts_with("exit: 0\n") && exported.contains("hold secrets in clear (raw)"), "{exported}");
    let out = person.directory.path().join("out");
    let out = out.to_str().unwrap();
    assert_eq!(person.stdout(&["apply", "-f", out]), "Nothing to do: the gateway is as the files say.\n");

    let listed = |person: &Person| {
        let again = person.directory.path().join("again");
        let again = again.to_str().unwrap();
        let run = person.run(&["export", "--reveal", "-d", again]);
        assert!(run.starts_with("exit: 0\n"), "{run}");
        let read = |path: &str| fs::read_to_string(person.directory.path().join("again").join(path)).unwrap();
        let files = (read("servers/raw.json"), read("groups/g.json"));
        (person.stdout(&["list", "servers", "--json"]), person.stdout(&["list", "groups", "--json"]), files)
    };
    let expected = listed(&person);
    assert!(expected.2.0.contains("t0ken"), "{}", expected.2.0);
    drop(first);

    let applied = Person::new();
    let _second = Running::gateway(&applied);
    assert_eq!(applied.stdout(&["apply", "-f", out]), "+ server raw\n+ group g\n\n2 changes made.\n");
    assert_eq!(listed(&applied), expected);

    let registered = Person::new();
    let _third = Running::gateway(&registered);
    registered.stdout(&["register", "-c", &format!("{out}/servers/raw.json")]);
    registered.stdout(&["create", "group", "-c", &format!("{out}/groups/g.json")]);
    assert_eq!(listed(&registered), expected);
}
