//! `plugin test`: a table of decisions, held against a real component.

use crate::plugin_check::fixture;
use crate::support::Person;

const CASES: &str = "settings:
  hide: [delete]
  arguments: {'{\"path\":\"a\"}': '{\"path\":\"b\"}'}
  headers: {x-who: $principal}
principal: {name: cursor}
cases:
  - name: nobody deletes
    item: tool github__delete
    expect: deny
  - name: what may be seen
    items: [tool github__delete, tool time__now]
    expect: {visible: [time__now]}
  - name: not in any group either
    group: reading
    item: tool github__delete
    expect: deny
  - name: arguments are put right
    item: tool time__now
    arguments: {path: a}
    expect: {rewrite: {path: b}}
  - name: who asks is told upstream
    upstream: {name: github}
    expect: {headers: {x-who: cursor}}
  - name: what ended is written down
    observations: [{item: tool time__now, outcome: success}]
    expect: {answer: told, log: saw now end}
";

#[test]
fn a_table_that_holds_is_a_line_for_each_case() {
    let person = Person::new();
    person.write("cases.yaml", CASES);
    let policy = fixture("house-rules.wasm");
    insta::assert_snapshot!(person.run(&["plugin", "test", &policy, "--cases", "cases.yaml"]), @"
    exit: 0
    --- stdout
    ok    nobody deletes
    ok    what may be seen
    ok    not in any group either
    ok    arguments are put right
    ok    who asks is told upstream
    ok    what ended is written down

    6 cases: 6 passed, 0 failed
    ");
    insta::assert_snapshot!(person.run(&["plugin", "test", &policy, "--cases", "cases.yaml", "--filter", "group"]), @"
    exit: 0
    --- stdout
    ok    not in any group either

    1 case: 1 passed, 0 failed (5 left out by --filter)
    ");
    insta::assert_snapshot!(person.run(&["plugin", "test", &policy, "--cases", "cases.yaml", "--filter", "nothing"]), @r#"
    exit: 1
    --- stderr
    no case has "nothing" in its name
    "#);
}

#[test]
fn a_case_that_does_not_hold_says_what_is_different() {
    let person = Person::new();
    person.write(
        "cases.yaml",
        "settings: {hide: [delete], headers: {x-who: $principal}}
cases:
  - name: deleting is fine
    item: tool github__delete
    expect: allow
  - name: all may be seen
    items: [tool github__delete, tool time__now]
    expect: {visible: [github__delete, time__now]}
  - name: nobody is told upstream
    upstream: {name: github}
    principal: {name: ann}
    expect: {headers: {}}
",
    );
    let policy = fixture("house-rules.wasm");
    let shown = person.run(&["plugin", "test", &policy, "--cases", "cases.yaml", "--junit", "report.xml"]);
    assert!(shown.starts_with("exit: 1\n"), "{shown}");
    for part in [
        "FAIL  deleting is fine (cases.yaml:3, authorizer)\n      - expected allow\n      + got      deny: {code: ",
        "      - expected visible: [github__delete, time__now]\n      + got      visible: [time__now]\n",
        "      - expected headers.x-who: nothing\n      + got      headers.x-who: ann\n",
        "\n3 cases: 0 passed, 3 failed\n",
    ] {
        assert!(shown.contains(part), "{part:?}: {shown}");
    }
    let xml = std::fs::read_to_string(person.directory.path().join("report.xml")).unwrap();
    assert!(xml.contains(r#"tests="3" failures="3""#), "{xml}");
    assert!(xml.contains("<testcase name=\"deleting is fine\""), "{xml}");
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_place() {
    let person = Person::new();
    person.write("cases.yaml", "cases:\n  - itme: tool a__b\n    expect: allow\n");
    let shown = person.run(&["plugin", "test", "builtin:acl", "--cases", "cases.yaml"]);
    assert!(shown.starts_with("exit: 1\n--- stderr\ncases.yaml:2:"), "{shown}");
    assert!(shown.contains("unknown key `itme`: did you mean `item`?"), "{shown}");
    insta::assert_snapshot!(person.run(&["plugin", "test", "builtin:acl", "--cases", "gone.yaml"]), @"
    exit: 1
    --- stderr
    failed to read the cases file gone.yaml: No such file or directory (os error 2)
    ");
}

#[test]
fn programs_are_told_the_same_by_the_keys_that_the_page_names() {
    let person = Person::new();
    person.write("cases.yaml", &CASES.replace("    expect: deny\n  - name: what", "    expect: allow\n  - name: what"));
    let arguments =
        ["plugin", "test", &fixture("house-rules.wasm"), "--cases", "cases.yaml", "--filter", "s", "--json"];
    let output = person.command(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&report), ["cases", "component", "digest", "failed", "file", "left_out", "passed"]);
    assert_eq!((&report["passed"], &report["failed"], &report["left_out"]), (&4.into(), &1.into(), &1.into()));
    let [wrong, right, ..] = report["cases"].as_array().unwrap().as_slice() else { panic!("{report}") };
    for case in [wrong, right] {
        let expected = [
            "column",
            "differences",
            "duration_us",
            "expected",
            "got",
            "line",
            "log",
            "name",
            "passed",
            "remarks",
            "stage",
        ];
        assert_eq!(keys(case), expected);
        assert_eq!(case["stage"], "authorizer");
    }
    assert_eq!(
        (&wrong["name"], &wrong["line"], &wrong["passed"]),
        (&"nobody deletes".into(), &7.into(), &false.into())
    );
    assert_eq!(wrong["expected"], serde_json::json!({ "allow": {} }));
    assert_eq!((&wrong["got"]["deny"]["code"], &right["passed"]), (&"house-rules".into(), &true.into()));
    assert_eq!(keys(&wrong["differences"][0]), ["at", "expected", "got"]);
}
