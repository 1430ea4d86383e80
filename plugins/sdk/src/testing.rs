//! What `cargo test` needs to ask a policy natively: a host, and questions.
//!
//! ```
//! use mcpjungle_policy::Host;
//! use mcpjungle_policy::testing::{FakeHost, item};
//!
//! let host = FakeHost::new().with_client("t0ken", "cursor", &["github"]);
//! assert_eq!(host.find_by_token("t0ken").unwrap().name, "cursor");
//! assert_eq!(item("tool github__search").canonical_name(), "github__search");
//! ```

mod fake_host;
mod groups;
mod key_value;

use crate::authenticator::{Header, HttpRequest};
use crate::header_injector::{Transport, Upstream};
use crate::{Attribute, Endpoint, Item, ItemKind, Principal, PrincipalKind, Request};

pub use fake_host::{FakeHost, Line};

/// A request at the main endpoint: `tools/call`.
pub fn request() -> Request {
    Request { id: "request-1".to_owned(), endpoint: Endpoint::Main, method: "tools/call".to_owned() }
}

/// A client that may use everything.
pub fn client(name: &str) -> Principal {
    principal(PrincipalKind::Client, name, &["*"])
}

/// A principal with an allow-list and no attributes.
pub fn principal(kind: PrincipalKind, name: &str, allow: &[&str]) -> Principal {
    Principal { kind, name: name.to_owned(), allow: owned(allow), attributes: Vec::new() }
}

/// The same principal with one more attribute.
pub fn with_attribute(mut principal: Principal, name: &str, value: &str) -> Principal {
    principal.attributes.push(Attribute { name: name.to_owned(), value: value.to_owned() });
    principal
}

/// An item as it is written in a cases file: its kind (`tool`, `prompt`, `resource` or `resource-template`),
/// its canonical name and, for the latter two, its URI: `resource files__readme file:///readme.md`.
///
/// # Panics
///
/// If the text is not of this form.
pub fn item(text: &str) -> Item {
    let mut words = text.split_whitespace();
    let kind = match words.next() {
        Some("tool") => ItemKind::Tool,
        Some("prompt") => ItemKind::Prompt,
        Some("resource") => ItemKind::Resource,
        Some("resource-template") => ItemKind::ResourceTemplate,
        _ => panic!("`{text}` does not begin with tool, prompt, resource or resource-template"),
    };
    let Some((server, name)) = words.next().and_then(|word| word.split_once("__")) else {
        panic!("`{text}` has no canonical name: a server's, two underscores, its own, such as `github__search`");
    };
    let uri = words.next().map(str::to_owned);
    assert!(words.next().is_none(), "`{text}` has more words than a kind, a name and a URI");
    Item { kind, server: server.to_owned(), name: name.to_owned(), uri }
}

/// A `POST` to the main endpoint with these headers.
pub fn http_request(headers: &[(&str, &str)]) -> HttpRequest {
    let header = |&(name, value): &(&str, &str)| Header { name: name.to_lowercase(), value: value.into() };
    HttpRequest {
        id: "request-1".to_owned(),
        endpoint: Endpoint::Main,
        method: "POST".to_owned(),
        path: "/mcp".to_owned(),
        headers: headers.iter().map(header).collect(),
        peer: "127.0.0.1".to_owned(),
    }
}

/// An upstream that is reached over HTTP, with the names of the secrets that are stored with it.
pub fn upstream(name: &str, secret_names: &[&str]) -> Upstream {
    Upstream { name: name.to_owned(), transport: Transport::StreamableHttp, secret_names: owned(secret_names) }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_kind_a_name_and_perhaps_a_uri() {
        let readme = item("resource files__read__me file:///readme.md");
        assert_eq!(readme.kind, ItemKind::Resource);
        assert_eq!((readme.server.as_str(), readme.name.as_str()), ("files", "read__me"));
        assert_eq!(readme.uri.as_deref(), Some("file:///readme.md"));
    }

    #[test]
    #[should_panic(expected = "no canonical name")]
    fn an_item_without_a_server_is_a_mistake_of_the_test() {
        item("tool search");
    }
}
