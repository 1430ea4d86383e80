//! Who gets in where: every MCP endpoint, as everybody, over both transports.

use reqwest::Method;

use crate::enterprise::conversation::Conversation;
use crate::enterprise::table;
use crate::enterprise::world::World;
use crate::harness::client::{INITIALIZE, Reply, request, send};

/// `open`: a session can be opened there. `hidden`: whatever is asked, the answer is byte
/// for byte that of an endpoint that does not exist.
const ENDPOINTS: &str = "
| endpoint                | nobody | bad token | user | admin | no access | one tool | one server | all    |
|-------------------------|--------|-----------|------|-------|-----------|----------|------------|--------|
| /mcp                    | 401    | 401       | 401  | 401   | open      | open     | open       | open   |
| /sse                    | 401    | 401       | 401  | 401   | open      | open     | open       | open   |

A group, or a server, of which somebody may use nothing is not there.

| /v0/groups/few/mcp      | 401    | 401       | 401  | 401   | hidden    | open     | open       | open   |
| /v0/groups/few/sse      | 401    | 401       | 401  | 401   | hidden    | open     | open       | open   |
| /v0/groups/nothing/mcp  | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |
| /v0/groups/nothing/sse  | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |

| /v0/servers/one/mcp     | 401    | 401       | 401  | 401   | hidden    | open     | open       | open   |
| /v0/servers/one/sse     | 401    | 401       | 401  | 401   | hidden    | open     | open       | open   |
| /v0/servers/two/mcp     | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | open   |
| /v0/servers/two/sse     | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | open   |
| /v0/servers/nothing/mcp | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |
| /v0/servers/nothing/sse | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |
";

/// One of each kind, and the paths that belong to them.
pub(super) const PATHS: [&str; 9] = [
    "/mcp",
    "/sse",
    "/message",
    "/v0/groups/few/mcp",
    "/v0/groups/few/sse",
    "/v0/groups/few/message",
    "/v0/servers/one/mcp",
    "/v0/servers/one/sse",
    "/v0/servers/one/message",
];

#[tokio::test]
async fn every_endpoint_lets_in_whom_the_table_says() {
    let world = World::start().await;
    let before = world.upstream.asked_so_far().await;
    for row in table::read(ENDPOINTS) {
        let path = row.asked[0];
        for (who, expected) in row.cells {
            match expected {
                "open" => drop(Conversation::open(&world, who, path).await),
                "hidden" => {
                    let name = path.split('/').nth(3).expect("it is an endpoint with a name");
                    let absent = answers(&world, who, &path.replace(name, "absent")).await;
                    let absent: Vec<String> = absent.iter().map(|answer| answer.replace("absent", name)).collect();
                    assert_eq!(answers(&world, who, path).await, absent, "{who} at {path}");
                }
                status => {
                    let problem =
                        if who == "nobody" { "missing MCP client access token" } else { "invalid MCP client token" };
                    for answer in answers(&world, who, path).await {
                        assert!(answer.starts_with(status) && answer.contains("Bearer"), "{who} at {path}: {answer}");
                        assert!(answer.contains(problem), "{who} at {path}: {answer}");
                    }
                }
            }
        }
    }
    let since = &world.upstream.record()[before..];
    assert!(since.iter().all(|entry| entry.body.is_empty()), "nobody has asked for anything yet: {since:?}");
}

/// What a path answers to whatever can be sent to it without a session, or with one that there is not.
async fn answers(world: &World, who: &str, path: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let mut paths = vec![path.to_owned()];
    if path.ends_with("/sse") {
        paths.extend(["/message", "/message?sessionId=made-up"].map(|messages| path.replace("/sse", messages)));
    }
    for path in paths {
        let client = world.person(who, &path);
        let made_up = world.person(who, &path).with_session("made-up");
        for request in [
            client.polite(INITIALIZE),
            client.polite(request("ping", "{}")),
            client.polite("no JSON"),
            client.bare(Method::POST),
            client.listening(None),
            client.bare(Method::DELETE),
            client.bare(Method::PUT),
            made_up.polite(request("tools/list", "{}")),
            made_up.polite(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            made_up.listening(Some("0-1")),
            made_up.bare(Method::DELETE).header("mcp-session-id", "made-up"),
            client.polite(request("ping", "{}")).header("mcp-protocol-version", "1999-01-01"),
        ] {
            let Reply { status, headers, body } = send(request).await;
            let headers = ["content-type", "allow", "www-authenticate"].map(|name| headers.get(name).cloned());
            answers.push(format!("{status} {headers:?} {body}"));
        }
    }
    answers
}
