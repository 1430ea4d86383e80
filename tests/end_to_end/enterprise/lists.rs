//! What is listed of the two servers, and to whom.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::harness::json::{elements, member, text};

/// A method, its list, what tells the items of it apart, and what each of the servers has of them.
const LISTED: [(&str, &str, &str, &[&str]); 4] = [
    (
        "tools/list",
        "tools",
        "name",
        &[
            "echo",
            "numbers",
            "unknown_content",
            "escaped",
            "spaced",
            "any_output",
            "failing",
            "refusing",
            "headers",
            "large",
            "wait_for",
            "perform",
            "work",
            "crash",
        ],
    ),
    ("prompts/list", "prompts", "name", &["greet", "farewell"]),
    ("resources/list", "resources", "uri", &["file:///odd path/ä.txt", "raw:blob?x=1#y"]),
    ("resources/templates/list", "resourceTemplates", "uriTemplate", &["odd://{name}{?query*}"]),
];

/// The tools of the group `few`.
pub(super) const FEW: [&str; 5] = ["one__echo", "one__numbers", "one__perform", "one__work", "two__echo"];

/// What tells the items of an answer apart.
pub(super) fn listed(method: &str, answer: &str) -> Vec<String> {
    let (_, list, key, _) = of(method);
    let result = member(answer, "result").unwrap_or_else(|| panic!("no result: {answer}"));
    let items = elements(member(result, list).expect("the result has a list"));
    let key = |item: &str| member(item, key).and_then(text).unwrap_or_else(|| panic!("no {key}: {item}"));
    let mut keys: Vec<String> = items.into_iter().map(key).collect();
    keys.sort();
    keys
}

/// The same for what a word of a table means; names of the server `one` begin with `prefix`.
pub(super) fn to_be_listed(method: &str, word: &str, prefix: &str) -> Vec<String> {
    let (.., own) = of(method);
    let of_server = |server: &str| own.iter().map(|own| shown(method, server, own)).collect::<Vec<_>>();
    let few = FEW.map(str::to_owned).to_vec();
    let mut keys = match word {
        "nothing" => Vec::new(),
        "echo" => vec![format!("{prefix}echo")],
        "one" if prefix.is_empty() => own.iter().map(|&own| own.to_owned()).collect(),
        "one" => of_server("one"),
        "both" => [of_server("one"), of_server("two")].concat(),
        "few of one" => few.into_iter().filter(|name| name.starts_with("one__")).collect(),
        "few" => few,
        other => panic!("no word of these tables: {other}"),
    };
    keys.sort();
    keys
}

/// What a server calls `own`, as it is called where there are several servers.
fn shown(method: &str, server: &str, own: &str) -> String {
    match method {
        "resources/list" => format!("mcpj://res/{server}/{}", STANDARD_NO_PAD.encode(own)),
        "resources/templates/list" => format!("mcpj://tpl/{server}/{own}"),
        _ => format!("{server}__{own}"),
    }
}

fn of(method: &str) -> (&'static str, &'static str, &'static str, &'static [&'static str]) {
    *LISTED.iter().find(|(listing, ..)| *listing == method).expect("it is a method that lists")
}
