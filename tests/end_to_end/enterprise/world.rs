//! What the tables are about: two servers, a group of a few of their tools, and everybody who may ask.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::enterprise::lists::FEW;
use crate::harness::client::Client;
use crate::harness::enterprise::{self, ADMIN_TOKEN, Person, client, user};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

/// A token that nobody has.
const BAD_TOKEN: &str = "token-of-nobody-at-all";

/// A gateway with the servers `one` and `two`, which offer the same, and the group `few`.
pub(super) struct World {
    pub(super) gateway: Gateway,
    /// Both servers.
    pub(super) upstream: RawServer,
}

impl World {
    pub(super) async fn start() -> Self {
        let people = [
            user("alice", "token-of-alice"),
            client("outsider", "token-of-outsider", &[]),
            client("echoer", "token-of-echoer", &["one__echo"]),
            client("specialist", "token-of-specialist", &["one"]),
            client("generalist", "token-of-generalist", &["*"]),
        ];
        let gateway = enterprise::start(&people).await;
        let upstream = RawServer::http(&["--talks", "--session-ids"]);
        for name in ["one", "two"] {
            gateway.register(&upstream.registration(name));
        }
        gateway.create_group(&json!({ "name": "few", "included_tools": FEW }));
        Self { gateway, upstream }
    }

    /// A person at a path, without a session.
    pub(super) fn person(&self, who: &str, path: &str) -> Client {
        let client = Client::new(self.gateway.url(path));
        match token(who) {
            Some(token) => client.with_token(token),
            None => client,
        }
    }

    /// A request of the HTTP API, with a body where there is one.
    pub(super) fn api(&self, who: &str, method: &str, path: &str, body: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method of HTTP");
        let request = self.person(who, path).bare(method);
        if body.is_empty() { request } else { request.body(body.to_owned()) }
    }

    /// The marks of all requests that reached a server, in order.
    pub(super) fn marks(&self) -> Vec<String> {
        let bodies = self.upstream.record().into_iter().map(|entry| entry.body);
        let messages = bodies.filter_map(|body| serde_json::from_str::<Value>(&body).ok());
        messages.filter_map(|message| Some(message["params"]["_meta"]["mark"].as_str()?.to_owned())).collect()
    }
}

/// A gateway with the stock policies, and after them the test component with these settings.
pub(super) async fn with_house_rules(people: &[Person<'_>], settings: &Value) -> Gateway {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/house-rules.wasm");
    // Machines that test are busy, and many call at once.
    let limits = json!({ "deadline_ms": 10_000 });
    let stock = ["auth", "acl", "groups", "headers"];
    let mut policies =
        stock.map(|name| json!({ "name": name, "component": format!("builtin:{name}"), "limits": limits })).to_vec();
    policies.push(json!({ "name": "house-rules", "component": component, "settings": settings, "limits": limits }));
    let home = enterprise::home(people).await;
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, json!({ "policies": policies }).to_string()).expect("the home is writable");
    enterprise::start_in(home, &["--policies", file.to_str().expect("temporary paths are UTF-8")])
}

/// What a person says to be let in.
pub(super) fn token(who: &str) -> Option<&'static str> {
    match who {
        "nobody" => None,
        "bad token" => Some(BAD_TOKEN),
        "user" => Some("token-of-alice"),
        "admin" => Some(ADMIN_TOKEN),
        "no access" => Some("token-of-outsider"),
        "one tool" => Some("token-of-echoer"),
        "one server" => Some("token-of-specialist"),
        "all" => Some("token-of-generalist"),
        stranger => panic!("who is `{stranger}`?"),
    }
}
