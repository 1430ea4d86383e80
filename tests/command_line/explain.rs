//! `explain`: what policies would decide, as it is printed.

use crate::support::{Api, Person};

const DENIED: &str = r#"{"allowed":false,"principal":{"kind":"client","name":"reader","allow":["time"]},
    "endpoint":"/v0/groups/g/mcp","item":{"kind":"tool","name":"raw__echo","uri":null},
    "findings":["plugin `builtin-acl` (authorizer) hides it: not on the list"],
    "stages":[
        {"stage":"authenticator","not_asked":"the identity is taken by its name",
         "steps":[{"plugin":"builtin-auth","digest":"aa","answer":null,"code":null,"reason":null,"headers":null,"duration_us":null}]},
        {"stage":"authorizer","not_asked":null,
         "steps":[{"plugin":"builtin-acl","digest":"bb","answer":"deny","code":"not-in-allow-list","reason":"not on the list","headers":null,"duration_us":31}]},
        {"stage":"guard","not_asked":"the call ends before","steps":[]}],
    "told":{"status":200,"body":{"error":{"code":-32602,"message":"tool 'raw__echo' not found"}}}}"#;

const ALLOWED: &str = r#"{"allowed":true,"principal":{"kind":"admin","name":"admin","allow":[]},"endpoint":"/api/v0",
    "item":{"kind":"tool","name":"raw__echo","uri":null},"findings":["server `raw` would be asked"],
    "stages":[{"stage":"header-injector","not_asked":null,
         "steps":[{"plugin":"builtin-headers","digest":"cc","answer":"headers","code":null,"reason":null,"headers":["authorization","x-team"],"duration_us":7}]}],
    "told":null}"#;

#[test]
fn a_denial_is_explained_step_by_step() {
    let api = Api::answering(&[("POST /explain", 200, DENIED)]);
    let person = Person::of(&api);
    let words = ["explain", "--client", "reader", "--tool", "raw__echo", "--group", "g", "--input", r#"{"a":1.50}"#];
    insta::assert_snapshot!(person.run(&words), @r#"
    exit: 0
    --- stdout
    Principal: client reader
    Allow-list: time
    Endpoint: /v0/groups/g/mcp
    Item: tool raw__echo

    authenticator: not asked, the identity is taken by its name
      builtin-auth
        sha256:aa

    authorizer:
      builtin-acl: deny (31 µs)
        not-in-allow-list: not on the list
        sha256:bb

    guard: not asked, the call ends before

    Findings:
    - plugin `builtin-acl` (authorizer) hides it: not on the list

    Result: refused
    The caller would be told: status 200, {"error":{"code":-32602,"message":"tool 'raw__echo' not found"}}
    "#);
    let asked = api.requests().join("\n");
    for part in [r#""client":"reader""#, r#""tool":"raw__echo""#, r#""group":"g""#, r#""input":{"a":1.50}"#] {
        assert!(asked.contains(part), "{asked}");
    }
    assert!(person.stdout(&[&words[..], &["--json"]].concat()).starts_with("{\n  \"allowed\": false,"));
}

#[test]
fn a_call_that_would_be_made_is_explained_with_the_names_of_its_headers() {
    let api = Api::answering(&[("POST /explain", 200, ALLOWED)]);
    insta::assert_snapshot!(Person::of(&api).stdout(&["explain", "--user", "admin", "--tool", "raw__echo"]), @"
    Principal: admin admin
    Endpoint: /api/v0
    Item: tool raw__echo

    header-injector:
      builtin-headers: headers (7 µs)
        authorization, x-team
        sha256:cc

    Findings:
    - server `raw` would be asked

    Result: the call would be made
    ");
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let person = Person::new();
    for (words, problem) in [
        (&["explain", "--client", "a"][..], "say what would be used: --tool, --prompt or --resource"),
        (&["explain", "--tool", "a__b", "--input", "[]"], "invalid input: must be a JSON object"),
        (&["explain", "--client", "a", "--user", "b", "--tool", "a__b"], "cannot be used with"),
        (&["explain", "--tool", "a__b", "--prompt", "a__b"], "cannot be used with"),
        (&["explain", "--tool", "a__b", "--group", "g", "--server", "s"], "cannot be used with"),
        (&["explain", "--user", "b", "--tool", "a__b", "--group", "g"], "cannot be used with"),
        (&["explain", "--resource", "a:b", "--input", "{}"], "cannot be used with"),
    ] {
        let shown = person.run(words).to_string();
        assert!(shown.starts_with("exit: 1") && shown.contains(problem), "{words:?}: {shown}");
    }
}
