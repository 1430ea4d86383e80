//! `apply`: the gateway made what files say.

use serde_json::Value;

use crate::running::Running;
use crate::support::Person;

/// A person with a gateway, an MCP server, and files that describe it and a group.
struct Setting {
    person: Person,
    server: Running,
    _gateway: Running,
}

impl Setting {
    fn new() -> Self {
        let mut person = Person::new();
        person.set("KEY", "s3cret");
        let setting = Self { server: Running::mcp_server(), _gateway: Running::gateway(&person), person };
        setting.describe_server("raw", "");
        setting.person.write("files/group.yaml", "name: g\nincluded_servers: [raw]\n");
        setting
    }

    fn describe_server(&self, name: &str, query: &str) {
        let text = format!(
            r#"{{"name":"{name}","transport":"streamable_http","url":"{}{query}","headers":{{"X-Key":"${{KEY}}"}}}}"#,
            self.server.mcp_url()
        );
        self.person.write(&format!("files/servers/{name}.json"), &text);
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.person.directory.path().join("files").join(file)).unwrap();
    }

    fn apply(&self, arguments: &[&str]) -> String {
        let words = [&["apply", "-f", "files"], arguments].concat();
        self.person.run(&words).replace(&self.server.mcp_url(), "[server]")
    }

    fn names(&self, kind: &str) -> Vec<String> {
        let listed: Value = serde_json::from_str(&self.person.stdout(&["list", kind, "--json"])).unwrap();
        listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_difference_is_printed_then_made_and_a_second_time_there_is_none() {
    let setting = Setting::new();
    insta::assert_snapshot!(setting.apply(&["--dry-run"]), @"
    exit: 0
    --- stdout
    + server raw
    + group g

    Nothing was changed (--dry-run).
    ");
    assert_eq!(setting.names("servers"), Vec::<String>::new());
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 0
    --- stdout
    + server raw
    + group g

    2 changes made.
    ");
    assert_eq!((setting.names("servers"), setting.names("groups")), (vec!["raw".to_owned()], vec!["g".to_owned()]));
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 0
    --- stdout
    Nothing to do: the gateway is as the files say.
    ");

    setting.describe_server("raw", "?x=1");
    setting.person.write("files/group.yaml", "name: g\ndescription: new\nincluded_servers: [raw]\n");
    setting.person.stdout(&["disable", "tool", "raw__echo"]);
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 0
    --- stdout
    ~ server raw (url changed)
    ~ group g (description changed)

    2 changes made.
    ");
    let tools: Value = serde_json::from_str(&setting.person.stdout(&["list", "tools", "--json"])).unwrap();
    let echo = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "raw__echo").unwrap();
    assert_eq!(echo["enabled"], false, "what was disabled stays so");
    insta::assert_snapshot!(setting.apply(&["--json"]), @r#"
    exit: 0
    --- stdout
    {
      "applied": true,
      "changes": []
    }
    "#);
}

#[test]
fn only_with_prune_is_removed_what_no_file_describes() {
    let setting = Setting::new();
    setting.describe_server("other", "");
    setting.apply(&[]);
    setting.remove("group.yaml");
    setting.remove("servers/raw.json");
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 0
    --- stdout
    Nothing to do: the gateway is as the files say.
    ");
    insta::assert_snapshot!(setting.apply(&["--prune", "--dry-run", "--json"]), @r#"
    exit: 0
    --- stdout
    {
      "applied": false,
      "changes": [
        {
          "action": "remove",
          "details": [],
          "kind": "group",
          "name": "g"
        },
        {
          "action": "remove",
          "details": [],
          "kind": "server",
          "name": "raw"
        }
      ]
    }
    "#);
    insta::assert_snapshot!(setting.apply(&["--prune"]), @"
    exit: 0
    --- stdout
    - group g
    - server raw

    2 changes made.
    ");
    assert_eq!((setting.names("servers"), setting.names("groups").len()), (vec!["other".to_owned()], 0));
    // An empty folder is more likely a slip than a wish.
    setting.remove("servers/other.json");
    insta::assert_snapshot!(setting.apply(&["--prune"]), @"
    exit: 1
    --- stderr
    there are no .json, .yaml or .yml files in files
    ");
    assert_eq!(setting.names("servers"), ["other"]);
}

#[test]
fn nothing_changes_unless_every_file_is_valid() {
    let setting = Setting::new();
    setting.person.write("files/twice.json", r#"{"name":"g","included_servers":["raw"]}"#);
    setting.person.write("files/slip.yaml", "name: s\ntransport: stdio\ncomand: c\n");
    setting.person.write("files/unset.yaml", "name: u\ntransport: stdio\ncommand: ${NO_SUCH}\n");
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 1
    --- stderr
    files/slip.yaml:3:1: unknown key `comand`: did you mean `command`?
    files/twice.json: group `g` is described in files/group.yaml too
    files/unset.yaml:3:10: environment variable NO_SUCH is not set
    nothing was changed: the files are not all valid
    ");
    assert_eq!(setting.names("servers"), Vec::<String>::new());
    insta::assert_snapshot!(setting.person.run(&["apply", "-f", "nowhere"]), @"
    exit: 1
    --- stderr
    failed to read nowhere: No such file or directory (os error 2)
    ");
}

#[test]
fn a_failure_in_the_middle_says_what_was_done_and_the_next_time_goes_on() {
    let setting = Setting::new();
    setting.person.write("files/a-group.yaml", "name: a\nincluded_tools: [raw__no_such_tool]\n");
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 1
    --- stdout
    + server raw
    + group a
    + group g

    --- stderr
    Made: 2 changes. Failed:
      + group a: tool raw__no_such_tool does not exist or is disabled
    Run the command again once this is mended
    ");
    assert_eq!((setting.names("servers"), setting.names("groups")), (vec!["raw".to_owned()], vec!["g".to_owned()]));
    setting.person.write("files/a-group.yaml", "name: a\nincluded_tools: [raw__echo]\n");
    insta::assert_snapshot!(setting.apply(&[]), @"
    exit: 0
    --- stdout
    + group a

    1 change made.
    ");
}

#[test]
fn after_a_server_that_fails_nothing_is_tried_and_nothing_is_removed() {
    let setting = Setting::new();
    setting.apply(&[]);
    setting.remove("servers/raw.json");
    setting.remove("group.yaml");
    setting.person.write("files/b.yaml", "name: b\ntransport: stdio\ncommand: /no/such/program\n");
    setting.person.write("files/z.yaml", "name: z\nincluded_servers: [b]\n");
    let said = setting.apply(&["--prune"]);
    let (_, told) = said.split_once("--- stderr\n").unwrap();
    let (failed, not_tried) = told.split_once("\nNot tried:\n").unwrap();
    assert!(said.starts_with("exit: 1") && failed.starts_with("Made: 0 changes. Failed:\n  + server b: "), "{said}");
    assert_eq!(
        not_tried.trim_end(),
        "  + group z\n  - group g\n  - server raw\nRun the command again once this is mended"
    );
    assert_eq!(setting.names("servers"), ["raw"]);
}
