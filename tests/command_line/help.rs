//! What help says.

use crate::support::Person;

#[test]
fn without_a_command_help_shows_what_there_is() {
    let person = Person::new();
    insta::assert_snapshot!(person.run(&[]), @r#"
    exit: 0
    --- stdout
    MCPJungle: one self-hosted gateway to all your MCP servers

    Usage:
      mcpjungle [command]

    Basic Commands:
      start       Start the gateway
      register    Register an MCP server
      list        List servers, tools, prompts, resources, groups, MCP clients or users
      usage       Show what a tool does and what input it takes
      invoke      Call a tool
      deregister  Remove an MCP server and all that it provides
      version     Show the versions of this program and of the gateway

    Advanced Commands:
      get         Show a prompt, a group or a resource
      disable     Disable a tool, a prompt or a whole server
      enable      Enable a tool, a prompt or a whole server
      create      Create a tool group, an MCP client or a user
      delete      Delete a tool group, an MCP client or a user
      init-server Make yourself the administrator of a server in enterprise mode
      login       Log in to a server in enterprise mode
      update      Change a tool group, an MCP client or a user
      explain     Show what policies would decide about a call, and why
      export      Write every server and tool group to a file
      apply       Make servers and tool groups what files say
      validate    Check configuration files
      plugin      Check, test and measure policy components
      server      Look after a gateway's database, on its own machine
      audit       Show who did what, and what was refused
      plugin      Look after policies that are WebAssembly components
      completion  Print a script with which your shell completes arguments

    Examples:
      mcpjungle start
      mcpjungle register --name context7 --url https://mcp.context7.com/mcp

    Flags:
      -h, --help           help for mcpjungle
          --json           print the API's answer as JSON in place of text
          --registry URL   base URL of the gateway (default `registry_url` in ~/.mcpjungle.conf, or http://127.0.0.1:8080)
      -v, --version        version for mcpjungle

    Use "mcpjungle [command] --help" for more information about a command.
    "#);
    assert_eq!(person.run(&[]), person.run(&["--help"]));
    assert_eq!(person.run(&[]), person.run(&["-h"]));
}

#[test]
fn a_command_that_needs_more_shows_its_help() {
    let person = Person::new();
    insta::assert_snapshot!(person.run(&["list"]), @"
    exit: 0
    --- stdout
    List servers, tools, prompts, resources, groups, MCP clients or users

    Usage: mcpjungle list [OPTIONS] <COMMAND>

    Commands:
      servers      List registered MCP servers
      tools        List tools, disabled ones too
      prompts      List prompts, disabled ones too
      resources    List resources
      groups       List tool groups
      mcp-clients  List MCP clients and what they may use (enterprise mode)
      users        List users (enterprise mode)
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Global Options:
          --registry <URL>  Base URL of the gateway [default: `registry_url` in ~/.mcpjungle.conf, or
                            http://127.0.0.1:8080]
          --json            Print the API's answer as JSON in place of text

    Examples:
      mcpjungle list tools
      mcpjungle list tools --server calculator
    ");
    for command in ["get", "create", "update", "delete", "enable", "disable", "server"] {
        let shown = person.stdout(&[command]);
        assert!(shown.contains("Usage: mcpjungle"), "{command}: {shown}");
    }
}

#[test]
fn the_help_of_start_names_its_flags_and_defaults() {
    insta::assert_snapshot!(Person::new().stdout(&["start", "--help"]), @"
    Start the gateway

    Usage: mcpjungle start [OPTIONS]

    Options:
          --port <PORT>            Port to listen on [default: PORT, or 8080]
          --host <HOST>            Address to listen on [default: 127.0.0.1, this machine only; in
                                   enterprise mode all addresses]
          --policies <FILE>        File that says which policies run [default: the stock policies]
          --config-dir <DIR>       Folder of server and group files to keep to, changes included
          --sqlite-db-path <FILE>  SQLite database file [default: SQLITE_DB_PATH, or ./mcpjungle.db]
          --enterprise             Run in enterprise mode: every request needs an access token [default:
                                   SERVER_MODE]
          --audit-sync             Send no answer of a call before its audit record is safely on the
                                   disk
      -h, --help                   Print help

    Global Options:
          --registry <URL>  Base URL of the gateway [default: `registry_url` in ~/.mcpjungle.conf, or
                            http://127.0.0.1:8080]
          --json            Print the API's answer as JSON in place of text

    Examples:
      mcpjungle start
      mcpjungle start --port 9000 --policies ./policies.yaml
      mcpjungle start --enterprise

    Settings also come from environment variables and a .env file in the working directory;
    docs/configuration.md lists them.
    ");
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let person = Person::new();
    for command in [
        "start",
        "register",
        "list",
        "list servers",
        "list tools",
        "list prompts",
        "list resources",
        "list groups",
        "list mcp-clients",
        "list users",
        "usage",
        "invoke",
        "deregister",
        "version",
        "get",
        "get prompt",
        "get group",
        "get resource",
        "enable",
        "enable tool",
        "enable prompt",
        "enable server",
        "disable",
        "disable tool",
        "disable prompt",
        "disable server",
        "create",
        "create group",
        "create mcp-client",
        "create user",
        "update",
        "update group",
        "update mcp-client",
        "update user",
        "delete",
        "delete group",
        "delete mcp-client",
        "delete user",
        "init-server",
        "login",
        "export",
        "apply",
        "validate",
        "plugin",
        "plugin check",
        "plugin test",
        "plugin bench",
        "server",
        "server reset-admin-token",
        "server rekey",
        "audit",
        "audit verify",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let shown = person.stdout(&words);
        let (_, example) = shown.split_once("Example").unwrap_or_else(|| panic!("{command} has no example: {shown}"));
        assert!(example.contains("\n  mcpjungle "), "{command}: {shown}");
    }
}
