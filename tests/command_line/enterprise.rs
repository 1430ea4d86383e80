//! The commands of enterprise mode against the real gateway, in the mode that they are for and in the other.

use crate::running::{Running, log};
use crate::support::Person;

const ENTERPRISE: [&str; 3] = ["--enterprise", "--host", "127.0.0.1"];

#[test]
fn every_command_of_enterprise_mode_does_what_it_says() {
    runs_every_command(&Person::new());
}

#[cfg(feature = "e2e")]
#[test]
fn every_command_of_enterprise_mode_does_the_same_on_postgresql() {
    let mut person = Person::new();
    person.uses_postgres(crate::postgres::Cluster::shared());
    person.set("MCPJUNGLE_SECRET_KEY", &"ab".repeat(32));
    runs_every_command(&person);
}

fn runs_every_command(person: &Person) {
    let gateway = Running::gateway_with(person, &ENTERPRISE);
    let refused = |arguments: &[&str], problem: &str| {
        assert_eq!(person.run(arguments), format!("exit: 1\n--- stderr\n{problem}\n"), "{arguments:?}");
    };
    let prints = |arguments: &[&str], lines: &str| {
        assert_eq!(person.run(arguments), format!("exit: 0\n--- stdout\n{lines}\n"), "{arguments:?}");
    };
    refused(&["list", "mcp-clients"], "failed to list MCP clients: server is not initialized");
    refused(&["login", "some-token"], "failed to get user: server is not initialized");
    person.stdout(&["init-server", "--access-token", "token-of-admin"]);
    prints(&["list", "mcp-clients"], "There are no MCP clients in the registry");
    prints(&["list", "users"], "1. admin  [ADMIN]");

    person.stdout(&["create", "mcp-client", "c", "--allow", "calculator, github", "--access-token", "token-of-c"]);
    let taken = "failed to create MCP client: MCP client c already exists";
    refused(&["create", "mcp-client", "c", "--access-token", "token-of-d"], taken);
    let taken = "failed to create MCP client: this access token is in use already: choose another one";
    refused(&["create", "mcp-client", "d", "--access-token", "token-of-c"], taken);
    let short =
        "failed to create MCP client: invalid access token: access token should be at least 8 characters in length";
    refused(&["create", "mcp-client", "d", "--access-token", "short"], short);
    prints(
        &["update", "mcp-client", "c", "--allow", "github__get_*", "--description", "Reads"],
        "MCP client c updated successfully.\nServers accessible: github__get_*",
    );
    prints(&["list", "mcp-clients"], "1. c\nDescription:  Reads\nAllowed servers: github__get_*");
    prints(
        &["update", "mcp-client", "c", "--access-token", "new-token-of-c", "--grace", "10m"],
        "MCP client c access token updated successfully.",
    );
    refused(&["update", "mcp-client", "d", "--rotate"], "failed to update MCP client: MCP client d not found");
    for _ in 0..2 {
        prints(&["delete", "mcp-client", "c"], "MCP client 'c' deleted successfully (if it existed)!");
    }

    person.stdout(&["create", "user", "alice", "--access-token", "alice_token_123"]);
    prints(&["list", "users"], "1. admin  [ADMIN]\n2. alice");
    prints(
        &["update", "user", "alice", "--access-token", "alice_token_456"],
        "User alice access token updated successfully.",
    );
    prints(&["update", "user", "alice", "--role", "admin"], "User alice has the role admin now.");
    refused(&["delete", "user", "alice"], "failed to delete the user: cannot delete an admin user");
    prints(&["update", "user", "alice", "--role", "user"], "User alice has the role user now.");
    let last = "failed to update user: cannot take the role from the last admin: make another user an admin first";
    refused(&["update", "user", "admin", "--role", "user"], last);

    person.stdout(&["login", "alice_token_456"]);
    let administrators = "user is not authorized to perform this action";
    refused(&["create", "user", "bob"], &format!("failed to create user: {administrators}"));
    refused(&["list", "mcp-clients"], &format!("failed to list MCP clients: {administrators}"));
    prints(&["list", "servers"], "There are no MCP servers in the registry");
    person.stdout(&["login", "token-of-admin"]);
    prints(&["delete", "user", "alice"], "User 'alice' deleted successfully (if they existed)");
    refused(&["delete", "user", "alice"], "failed to delete the user: user alice not found");
    refused(&["login", "alice_token_456"], "failed to get user: invalid access token");

    drop(gateway);
    let logged = log(person);
    for token in ["token-of-admin", "token-of-c", "new-token-of-c", "alice_token_123", "alice_token_456"] {
        assert!(!logged.contains(token), "{token}: {logged}");
    }
    assert!(logged.contains("created an MCP client") && logged.contains("deleted a user"), "{logged}");
}

#[test]
fn in_development_mode_the_commands_say_what_they_need() {
    let person = Person::new();
    let _gateway = Running::gateway(&person);
    let need = "this request is only allowed in enterprise mode";
    for (arguments, what) in [
        (&["login", "some-token"][..], "failed to get user"),
        (&["create", "mcp-client", "c"], "failed to create MCP client"),
        (&["list", "mcp-clients"], "failed to list MCP clients"),
        (&["update", "mcp-client", "c", "--rotate"], "failed to update MCP client"),
        (&["delete", "mcp-client", "c"], "failed to delete the client"),
        (&["create", "user", "alice"], "failed to create user"),
        (&["list", "users"], "failed to list users"),
        (&["update", "user", "alice", "--rotate"], "failed to update user"),
        (&["delete", "user", "alice"], "failed to delete the user"),
    ] {
        assert_eq!(person.run(arguments), format!("exit: 1\n--- stderr\n{what}: {need}\n"), "{arguments:?}");
    }
    let shown = person.run(&["init-server"]);
    assert!(shown.ends_with("--- stderr\nfailed to initialize the server: Server is already initialized\n"), "{shown}");
}
