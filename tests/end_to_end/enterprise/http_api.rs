//! Who may do what over the HTTP API: every route, as everybody.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::enterprise::table::{self, Row};
use crate::enterprise::world::World;
use crate::harness::client::{Reply, send};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;

/// The statuses. Each row leaves things as the next ones need them, and each admin's
/// request succeeds only if nobody's before it has changed anything. `NEWCOMER` is a
/// server that nobody has asked for anything yet.
pub(super) const ROUTES: &str = r#"
| request                                     | with                                                               | nobody | bad token | clients | user | admin |
|---------------------------------------------|--------------------------------------------------------------------|--------|-----------|---------|------|-------|
| GET /health                                 |                                                                    | 200    | 200       | 200     | 200  | 200   |
| GET /metadata                               |                                                                    | 200    | 200       | 200     | 200  | 200   |
| GET /metrics                                |                                                                    | 200    | 200       | 200     | 200  | 200   |

| GET /api/v0/openapi.json                    |                                                                    | 401    | 401       | 401     | 200  | 200   |
| GET /api/v0/nothing                         |                                                                    | 401    | 401       | 401     | 404  | 404   |
| DELETE /api/v0/servers                      |                                                                    | 401    | 401       | 401     | 405  | 405   |

| GET /api/v0/servers                         |                                                                    | 401    | 401       | 401     | 200  | 200   |
| GET /api/v0/server_configs                  |                                                                    | 401    | 401       | 401     | 403  | 200   |
| POST /api/v0/servers                        | {"name": "new", "transport": "streamable_http", "url": "NEWCOMER"} | 401    | 401       | 401     | 403  | 201   |
| POST /api/v0/servers/new/disable            |                                                                    | 401    | 401       | 401     | 403  | 200   |
| POST /api/v0/servers/new/enable             |                                                                    | 401    | 401       | 401     | 403  | 200   |
| POST /api/v0/servers/nothing/enable         |                                                                    | 401    | 401       | 401     | 403  | 404   |
| DELETE /api/v0/servers/new                  |                                                                    | 401    | 401       | 401     | 403  | 204   |
| DELETE /api/v0/servers/nothing              |                                                                    | 401    | 401       | 401     | 403  | 404   |

| GET /api/v0/tools                           |                                                                    | 401    | 401       | 401     | 200  | 200   |
| GET /api/v0/tool?name=one__echo             |                                                                    | 401    | 401       | 401     | 200  | 200   |
| GET /api/v0/tool?name=one__nothing          |                                                                    | 401    | 401       | 401     | 404  | 404   |
| POST /api/v0/tools/invoke                   | {"name": "one__echo"}                                              | 401    | 401       | 401     | 200  | 200   |
| POST /api/v0/tools/disable?entity=one__echo |                                                                    | 401    | 401       | 401     | 403  | 200   |
| POST /api/v0/tools/enable?entity=one__echo  |                                                                    | 401    | 401       | 401     | 403  | 200   |

| GET /api/v0/prompts                         |                                                                    | 401    | 401       | 401     | 200  | 200   |
| GET /api/v0/prompt?name=one__greet          |                                                                    | 401    | 401       | 401     | 200  | 200   |
| POST /api/v0/prompts/render                 | {"name": "one__greet", "arguments": {"who": "you"}}                | 401    | 401       | 401     | 200  | 200   |
| POST /api/v0/prompts/disable?entity=one     |                                                                    | 401    | 401       | 401     | 403  | 200   |
| POST /api/v0/prompts/enable?entity=one      |                                                                    | 401    | 401       | 401     | 403  | 200   |

| GET /api/v0/resources                       |                                                                    | 401    | 401       | 401     | 200  | 200   |
| POST /api/v0/resources/get                  | {"uri": "mcpj://res/one/cmF3OmJsb2I/eD0xI3k"}                      | 401    | 401       | 401     | 200  | 200   |
| POST /api/v0/resources/read                 | {"uri": "mcpj://res/one/cmF3OmJsb2I/eD0xI3k"}                      | 401    | 401       | 401     | 200  | 200   |

| POST /api/v0/tool-groups                    | {"name": "new", "included_tools": ["one__echo"]}                   | 401    | 401       | 401     | 403  | 201   |
| GET /api/v0/tool-groups                     |                                                                    | 401    | 401       | 401     | 403  | 200   |
| GET /api/v0/tool-groups/new                 |                                                                    | 401    | 401       | 401     | 403  | 200   |
| GET /api/v0/tool-groups/new/effective-tools |                                                                    | 401    | 401       | 401     | 403  | 200   |
| PUT /api/v0/tool-groups/new                 | {"name": "new", "included_servers": ["two"]}                       | 401    | 401       | 401     | 403  | 200   |
| DELETE /api/v0/tool-groups/new              |                                                                    | 401    | 401       | 401     | 403  | 204   |

| POST /api/v0/users                          | {"username": "new"}                                                | 401    | 401       | 401     | 403  | 201   |
| GET /api/v0/users                           |                                                                    | 401    | 401       | 401     | 403  | 200   |
| GET /api/v0/users/whoami                    |                                                                    | 401    | 401       | 401     | 200  | 200   |
| PUT /api/v0/users/new                       | {"access_token": "another-token"}                                  | 401    | 401       | 401     | 403  | 200   |
| DELETE /api/v0/users/new                    |                                                                    | 401    | 401       | 401     | 403  | 204   |
| DELETE /api/v0/users/admin                  |                                                                    | 401    | 401       | 401     | 403  | 400   |

| POST /api/v0/clients                        | {"name": "new", "allow_list": ["one"]}                             | 401    | 401       | 401     | 403  | 201   |
| GET /api/v0/clients                         |                                                                    | 401    | 401       | 401     | 403  | 200   |
| PUT /api/v0/clients/new                     | {"access_token": "another-token"}                                  | 401    | 401       | 401     | 403  | 200   |
| DELETE /api/v0/clients/new                  |                                                                    | 401    | 401       | 401     | 403  | 204   |

| POST /api/v0/explain                        | {"client": "echoer", "tool": "one__echo"}                          | 401    | 401       | 401     | 403  | 200   |

| PUT /api/v0/plugin-secrets/github%2Fann     | {"value": "s3cret"}                                                | 401    | 401       | 401     | 403  | 200   |
| GET /api/v0/plugin-secrets                  |                                                                    | 401    | 401       | 401     | 403  | 200   |
| DELETE /api/v0/plugin-secrets/github%2Fann  |                                                                    | 401    | 401       | 401     | 403  | 204   |

| GET /api/v0/audit                           |                                                                    | 401    | 401       | 401     | 403  | 200   |
| POST /api/v0/audit/verify                   |                                                                    | 401    | 401       | 401     | 403  | 200   |

Nobody can initialise what is initialised, whoever asks.

| POST /init                                  | {"mode": "enterprise"}                                             | 400    | 400       | 400     | 400  | 400   |
"#;

/// What answers before an administrator has initialised the gateway.
const OPEN_BEFORE_INITIALIZATION: [&str; 4] = ["/health", "/metadata", "/metrics", "/init"];

impl Row {
    /// Method, path with query, and body.
    fn request(&self, newcomer: &str) -> (&'static str, &'static str, String) {
        let (method, path) = self.asked[0].split_once(' ').expect("a method and a path");
        (method, path, self.asked[1].replace("NEWCOMER", newcomer))
    }
}

#[tokio::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let world = World::start().await;
    let newcomer = RawServer::http(&[]);
    let operations = operations(&world).await;
    let mut without_row: BTreeSet<&Operation> = operations.iter().collect();
    let mut unauthenticated = BTreeSet::new();
    for row in table::read(ROUTES) {
        let (method, path, body) = row.request(&newcomer.url());
        match find(&operations, method, path) {
            Some(operation) => {
                without_row.remove(operation);
            }
            None => assert!(row.cells.iter().all(|(_, word)| word.starts_with('4')), "no such route: {method} {path}"),
        }
        // Who is refused asks first: had it changed anything, the others would not succeed.
        let (refused, admitted): (Vec<_>, Vec<_>) =
            row.cells.iter().copied().partition(|(_, word)| word.starts_with('4'));
        let asked_before = count_calls(&world);
        for (who, expected) in refused {
            let reply = ask(&world, who, (method, path, &body), expected).await;
            assert!(reply.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{who}, {reply:?}");
            if expected == "401" {
                unauthenticated.insert(reply.body);
            }
        }
        assert_eq!(count_calls(&world), asked_before, "{method} {path}: no server was asked for who was refused");
        if row.asked[1].contains("NEWCOMER") {
            assert!(newcomer.record().is_empty(), "nor was one that is not registered");
        }
        for (who, expected) in admitted {
            ask(&world, who, (method, path, &body), expected).await;
        }
    }
    assert!(without_row.is_empty(), "the table says nothing of: {without_row:?}");
    assert_eq!(unauthenticated.len(), 2, "who is nobody learns only whether it said a token: {unauthenticated:?}");
}

#[tokio::test]
async fn nothing_but_health_version_metrics_and_init_answers_before_initialization() {
    let gateway = Gateway::start_in(new_home(), &["--enterprise", "--host", "127.0.0.1"]);
    let upstream = RawServer::http(&[]);
    let world = World { gateway, upstream };
    let mut requests: Vec<(&str, &str, String)> =
        table::read(ROUTES).iter().map(|row| row.request(&world.upstream.url())).collect();
    for path in crate::enterprise::endpoints::PATHS {
        requests.extend(["POST", "GET", "DELETE", "PUT"].map(|method| (method, path, String::new())));
    }
    requests.extend([("GET", "/", String::new()), ("GET", "/no/such/path", String::new())]);
    for (method, path, body) in requests {
        if OPEN_BEFORE_INITIALIZATION.contains(&path) {
            continue;
        }
        for who in ["nobody", "bad token"] {
            let reply = ask(&world, who, (method, path, &body), "403").await;
            assert_eq!(reply.body, r#"{"error":"server is not initialized"}"#, "{method} {path}");
        }
    }
    for path in ["/health", "/metadata", "/metrics"] {
        ask(&world, "nobody", ("GET", path, ""), "200").await;
    }
    assert!(world.upstream.record().is_empty(), "no server was asked");
}

async fn ask(world: &World, who: &str, (method, path, body): (&str, &str, &str), expected: &str) -> Reply {
    let reply = send(world.api(who, method, path, body)).await;
    assert_eq!(reply.status.as_str(), expected, "{who}, {method} {path}: {reply:?}");
    reply
}

/// How many requests for somebody have reached a server.
fn count_calls(world: &World) -> usize {
    ["tools/call", "prompts/get", "resources/read"].iter().map(|method| world.upstream.requests(method).len()).sum()
}

/// Method and path of a route, parameters in braces.
type Operation = (String, String);

/// All that the gateway says it answers.
async fn operations(world: &World) -> Vec<Operation> {
    let document = ask(world, "admin", ("GET", "/api/v0/openapi.json", ""), "200").await.json();
    let paths = document["paths"].as_object().expect("the document has paths");
    let methods = |path: &Value| path.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    let of_path = |(path, of_it): (&String, &Value)| {
        methods(of_it).into_iter().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// The route that answers a request: of several the one that names more of the path.
fn find<'a>(operations: &'a [Operation], method: &str, path: &str) -> Option<&'a Operation> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (known, asked) = (template.split('/'), path.split('/'));
        known.clone().count() == asked.clone().count()
            && known.zip(asked).all(|(known, asked)| known.starts_with('{') || known == asked)
    };
    let fitting = operations.iter().filter(|(known, template)| known == method && fits(template));
    fitting.min_by_key(|(_, template)| template.matches('{').count())
}
