//! `validate`: files checked without a gateway.

use crate::support::Person;

#[test]
fn every_kind_of_file_is_known_by_its_keys() {
    let mut person = Person::new();
    person.set("TOKEN", "s3cret");
    person.write(
        "gateway/servers/h.json",
        r#"{"name":"h","transport":"streamable_http","url":"http://h/mcp","bearer_token":"${TOKEN}"}"#,
    );
    person.write("gateway/group.yaml", "name: g\nincluded_servers: [h]\n");
    person.write("policies.yaml", "policies:\n  - name: acl\n    component: builtin:acl\n");
    person.write("my.conf", "registry_url: http://127.0.0.1:1\n");
    insta::assert_snapshot!(person.run(&["validate", "gateway", "policies.yaml", "my.conf"]), @"
    exit: 0
    --- stdout
    gateway/group.yaml: valid tool group configuration 'g'
    gateway/servers/h.json: valid server configuration 'h'
    policies.yaml: valid policies file with 1 policy
    my.conf: valid settings of the command line
    ");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_fix() {
    let person = Person::new();
    person.write(
        "server.json",
        "{\n  \"name\": \"a\",\n  \"transprt\": \"stdio\",\n  \"command\": \"c\",\n  \"env\": { \"KEY\": \"${NO_SUCH}\" }\n}\n",
    );
    person.write("url.yaml", "name: a\ntransport: streamable_http\nurl: h:80/mcp\n");
    person.write("group.yaml", "name: g\nincluded_tools: [h__t, plain]\n");
    person.write("types.json", "{ \"name\": \"a\", \"transport\": \"stdio\",\n  \"args\": \"one\" }");
    person.write("broken.json", "{\n  \"name\": a\n}");
    person.write("limits.yaml", "policies:\n  - name: a\n    component: builtin:acl\n    limits: { deadline: 3 }\n");
    person.write(
        "components.yaml",
        "policies:\n  - {name: a, component: gone.wasm}\n  - {name: b, component: url.yaml}\n",
    );
    person.write("bad.conf", "registry_ulr: http://127.0.0.1:1\n");
    person.write("nothing.json", "{\"name\": \"x\"}");
    person.write("good.json", r#"{"name":"g","included_servers":["h"]}"#);
    insta::assert_snapshot!(person.run(&[
        "validate", "server.json", "url.yaml", "group.yaml", "types.json", "broken.json", "limits.yaml",
        "components.yaml", "bad.conf", "nothing.json", "missing.json", "good.json",
    ]), @"
    exit: 1
    --- stdout
    good.json: valid tool group configuration 'g'
    --- stderr
    server.json:3:3: unknown key `transprt`: did you mean `transport`?
    server.json:5:19: environment variable NO_SUCH is not set
    url.yaml:3:6: invalid url: 'h:80/mcp' must be a valid http or https url
    group.yaml:2:24: invalid name: 'plain' does not contain a __ separator (a canonical name is <server>__<name>)
    types.json:2:15: invalid type: string, expected a sequence
    broken.json:2:11: expected value
    limits.yaml:4:15: policies[0].limits: unknown key `deadline`: did you mean `deadline_ms`?
    components.yaml: plugin `a`: cannot read the component [directory]/gone.wasm: No such file or directory (os error 2)
    components.yaml: plugin `b` is not a component that this gateway can run: failed to parse WebAssembly module: magic header not detected: bad magic number - expected=[ 0x0, 0x61, 0x73, 0x6d, ] actual=[ 0x6e, 0x61, 0x6d, 0x65, ] (at offset 0x0)
    bad.conf:1:1: unknown key `registry_ulr`: did you mean `registry_url`?
    nothing.json: it does not show what it describes: a server needs `transport`, a tool group `included_tools` or `included_servers`, a policies file `policies`
    missing.json: failed to read config file: No such file or directory (os error 2)
    10 of 11 files are not valid
    ");
}

#[test]
fn a_kind_can_be_said_and_results_can_be_json() {
    let person = Person::new();
    person.write("x.json", r#"{"name": "x"}"#);
    insta::assert_snapshot!(person.run(&["validate", "--kind", "server", "x.json"]), @"
    exit: 1
    --- stderr
    x.json: transport is required (acceptable values: 'streamable_http', 'stdio', 'sse')
    1 of 1 files is not valid
    ");
    insta::assert_snapshot!(person.run(&["validate", "--kind", "group", "x.json", "--json"]), @r#"
    exit: 0
    --- stdout
    [
      {
        "file": "x.json",
        "valid": true,
        "describes": "tool group configuration 'x'",
        "problems": []
      }
    ]
    "#);
    insta::assert_snapshot!(person.run(&["validate", "--kind", "group", "-", "x.json", "--json"]), @r#"
    exit: 1
    --- stdout
    [
      {
        "file": "-",
        "valid": false,
        "describes": null,
        "problems": [
          {
            "file": "-",
            "message": "failed to read config file: No such file or directory (os error 2)"
          }
        ]
      },
      {
        "file": "x.json",
        "valid": true,
        "describes": "tool group configuration 'x'",
        "problems": []
      }
    ]
    --- stderr
    1 of 2 files is not valid
    "#);
    std::fs::create_dir(person.directory.path().join("empty")).unwrap();
    insta::assert_snapshot!(person.run(&["validate", "empty"]), @"
    exit: 1
    --- stderr
    there are no .json, .yaml or .yml files in empty
    ");
    let usage = person.run(&["validate"]);
    assert!(usage.starts_with("exit: 1\n--- stderr\nrequires at least 1 arg(s), only received 0\n"), "{usage}");
}
