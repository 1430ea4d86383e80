use std::path::Path;

use super::*;
use crate::plugin::{ComponentSource, Stock};
use crate::workbench::Subject;

async fn run_stock(stock: Stock, text: &str) -> Result<TestReport, TestError> {
    let mut subject = Subject::new("policy.wasm", Path::new("policy.wasm")).unwrap();
    subject.source = ComponentSource::Stock(stock);
    run(&subject, Source { shown: "cases.yaml", path: Path::new("cases.yaml"), text }, None).await
}

async fn problems(stock: Stock, text: &str) -> String {
    run_stock(stock, text).await.unwrap_err().to_string()
}

async fn assert_passes(stock: Stock, text: &str) {
    let report = run_stock(stock, text).await.unwrap();
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.passed).collect();
    assert!(failed.is_empty() && report.passed > 0, "{failed:#?}");
}

#[tokio::test]
async fn the_stock_components_decide_as_the_docs_say() {
    assert_passes(
        Stock::Acl,
        "principal: {name: cursor, allow: [github, time__now]}
cases:
  - {item: tool github__search, expect: allow}
  - {item: time__zone, expect: {deny: not-in-allow-list}}
  - items: [github__a, prompt time__now, {kind: resource, server: fs, name: notes, uri: 'file:///n'}]
    expect: {visible: [time__now, github__a], holds: until-change}
  - {item: fs__a, principal: {kind: user, name: ann}, expect: allow, repeat: 3}",
    )
    .await;
    assert_passes(
        Stock::Auth,
        "directory:
  mode: enterprise
  clients: [{name: cursor, token: t1, allow: [github]}]
  users: [{name: ann, admin: true, token: t2}]
cases:
  - request: {headers: {authorization: Bearer t1}}
    expect: {principal: {kind: client, name: cursor, allow: [github]}}
  - request: {headers: {authorization: Bearer t2}, endpoint: api}
    expect: {principal: {kind: admin, name: ann}}",
    )
    .await;
    assert_passes(
        Stock::Groups,
        "directory: {groups: [{name: reading, included_servers: [time], excluded_tools: [time__set]}]}
cases:
  - {group: reading, item: time__now, expect: allow}
  - {group: reading, item: time__set, expect: deny}
  - {request: {endpoint: {group: reading}}, items: [time__now, time__set, fs__x], expect: {visible: [time__now]}}",
    )
    .await;
    assert_passes(
        Stock::Headers,
        "cases:
  - upstream: {name: github, secrets: [bearer-token]}
    expect: {headers: {Authorization: {secret: bearer-token, prefix: 'Bearer '}}}",
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_the_expected_one_fails_the_case_and_says_where() {
    let report =
        run_stock(Stock::Acl, "cases: [{item: a__b, expect: deny}, {item: a__b, expect: allow}]").await.unwrap();
    assert_eq!((report.passed, report.failed), (1, 1));
    let [failed, passed] = &report.cases[..] else { panic!("two cases") };
    assert!(!failed.passed && passed.passed);
    assert_eq!((shown(&failed.expected), shown(&failed.got)), ("deny".to_owned(), "allow".to_owned()));
    assert_eq!(failed.differences.len(), 1);
    assert_eq!(failed.place.map(|place| place.line), Some(1));
    let xml = junit(&report);
    assert!(xml.contains(r#"tests="2" failures="1""#) && xml.contains("expected deny, got allow"), "{xml}");
}

#[tokio::test]
async fn what_is_wrong_in_a_file_is_told_with_its_place_and_what_was_meant() {
    for (text, expected) in [
        ("cases:\n  - item: a__b\n    expcet: allow\n", "unknown key `expcet`: did you mean `expect`?"),
        ("cases:\n  - item: a__b\n    expect: alow\n", "there is no answer `alow`: did you mean `allow`?"),
        ("cases:\n  - item: {sever: a, name: b}\n    expect: allow\n", "unknown key `sever`: did you mean `server`?"),
        ("cases:\n  - item: tol a__b\n    expect: allow\n", "there is no kind of item `tol`: did you mean `tool`?"),
        ("cases:\n  - item: a__b\n    expect: {allow: yes}\n", "unknown key `allow`"),
        ("cases:\n  - item: a__b\n    expect: {fails: deadlien}\n", "did you mean `deadline`?"),
        (
            "cases:\n  - item: a__b\n    expect: pass\n",
            "case 1: the answer of the stage authorizer is allow or deny, never pass",
        ),
        (
            "cases:\n  - items: [a__b]\n    expect: {visible: [a__c]}\n",
            r#""a__c" is expected to be visible, and is not one of the `items`"#,
        ),
        (
            "cases:\n  - arguments: {}\n    expect: pass\n",
            "it is a question to the stage guard, and the component has authorizer",
        ),
        (
            "cases:\n  - {item: a__b, group: g, stage: authorizer, expect: allow}\n",
            "the stage authorizer is not asked about group",
        ),
        ("cases:\n  - {item: a__b, principal: {kind: client}, expect: allow}\n", "the principal has no `name`"),
        ("cases: []", "it has no cases"),
        ("settings: {}", "missing field `cases`"),
    ] {
        let told = problems(Stock::Acl, text).await;
        assert!(told.starts_with("cases.yaml") && told.contains(expected), "{text}\n{told}");
    }
    let told = problems(Stock::Acl, "cases:\n  - {item: a__b, expect: allow}\n  - {item: a__b, expect: told}\n").await;
    assert!(told.starts_with("cases.yaml:3:5: case 2: "), "{told}");
}

#[tokio::test]
async fn settings_of_a_case_may_be_such_as_are_refused() {
    assert_passes(
        Stock::Acl,
        "cases: [{item: a__b, settings: {x: 1}, expect: {fails: settings}}, {item: a__b, expect: allow}]",
    )
    .await;
}
