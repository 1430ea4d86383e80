//! What each MCP method answers to everybody, at each kind of endpoint and over both transports.
//!
//! | word | means |
//! |---|---|
//! | `401` | the session of somebody who may do everything does not help |
//! | `ok` | the gateway answers by itself |
//! | `asked` | the MCP server is asked, and answers |
//! | `hidden` | byte for byte the answer about something that does not exist, and no server is asked |
//! | `unknown` | there is no such method |
//! | `202`, `told` | a notification is taken, and goes nowhere or to the MCP server |
//! | `204` | the session ends |
//! | `nothing`, `echo`, `one`, `few of one`, `few`, `both` | what is listed: that much of the two servers, or of the group |
//! | `-` | cannot be asked, for want of a session: `endpoints` shows what is answered then |

use crate::enterprise::hearing::Hearing;
use crate::enterprise::world::World;

const MAIN: &str = "
| asked                                               | nobody | bad token | user | admin | no access | one tool | one server | all    |
|-----------------------------------------------------|--------|-----------|------|-------|-----------|----------|------------|--------|
| initialize                                          | 401    | 401       | 401  | 401   | ok        | ok       | ok         | ok     |
| ping                                                | 401    | 401       | 401  | 401   | ok        | ok       | ok         | ok     |
| logging/setLevel debug                              | 401    | 401       | 401  | 401   | ok        | ok       | ok         | ok     |

| tools/list                                          | 401    | 401       | 401  | 401   | nothing   | echo     | one        | both   |
| prompts/list                                        | 401    | 401       | 401  | 401   | nothing   | nothing  | one        | both   |
| resources/list                                      | 401    | 401       | 401  | 401   | nothing   | nothing  | one        | both   |
| resources/templates/list                            | 401    | 401       | 401  | 401   | nothing   | nothing  | one        | both   |

| tools/call one__echo                                | 401    | 401       | 401  | 401   | hidden    | asked    | asked      | asked  |
| tools/call one__numbers                             | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| tools/call two__echo                                | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |
| tools/call one__nothing                             | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |
| prompts/get one__greet                              | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| prompts/get two__greet                              | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |
| completion/complete one__greet                      | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| completion/complete two__greet                      | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |

The resource raw:blob?x=1#y of either server, odd://x by the template of either, and the
first of them by its own URI: who sees it on both servers has to say on which.

| resources/read mcpj://res/one/cmF3OmJsb2I/eD0xI3k   | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| resources/read mcpj://res/two/cmF3OmJsb2I/eD0xI3k   | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |
| resources/read mcpj://res/one/b2RkOi8veA            | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| resources/read mcpj://res/two/b2RkOi8veA            | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |
| resources/read raw:blob?x=1#y                       | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | hidden |
| resources/subscribe mcpj://res/one/cmF3OmJsb2I/eD0xI3k | 401 | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| resources/subscribe mcpj://res/two/cmF3OmJsb2I/eD0xI3k | 401 | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |
| resources/unsubscribe mcpj://res/one/cmF3OmJsb2I/eD0xI3k | 401 | 401     | 401  | 401   | hidden    | hidden   | asked      | asked  |
| resources/unsubscribe mcpj://res/two/cmF3OmJsb2I/eD0xI3k | 401 | 401     | 401  | 401   | hidden    | hidden   | hidden     | asked  |
| completion/complete mcpj://res/one/b2RkOi8veA       | 401    | 401       | 401  | 401   | hidden    | hidden   | asked      | asked  |
| completion/complete mcpj://res/two/b2RkOi8veA       | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | asked  |

A task that somebody else has begun.

| tasks/list                                          | 401    | 401       | 401  | 401   | ok        | ok       | ok         | ok     |
| tasks/get TASK                                      | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |
| tasks/result TASK                                   | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |
| tasks/cancel TASK                                   | 401    | 401       | 401  | 401   | hidden    | hidden   | hidden     | hidden |

Notifications here concern no server, or one of whose calls there are none.

| notifications/initialized                           | 401    | 401       | 401  | 401   | 202       | 202      | 202        | 202    |
| notifications/cancelled                             | 401    | 401       | 401  | 401   | 202       | 202      | 202        | 202    |
| notifications/progress                              | 401    | 401       | 401  | 401   | 202       | 202      | 202        | 202    |
| notifications/made/up                               | 401    | 401       | 401  | 401   | 202       | 202      | 202        | 202    |
| made/up                                             | 401    | 401       | 401  | 401   | unknown   | unknown  | unknown    | unknown |
| tools/made_up                                       | 401    | 401       | 401  | 401   | unknown   | unknown  | unknown    | unknown |
| end                                                 | 401    | 401       | 401  | 401   | 204       | 204      | 204        | 204    |
";

const GROUP: &str = "
| asked                                               | nobody | bad token | user | admin | no access | one tool | one server | all    |
|-----------------------------------------------------|--------|-----------|------|-------|-----------|----------|------------|--------|
| initialize                                          | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |
| ping                                                | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |
| logging/setLevel debug                              | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |

| tools/list                                          | 401    | 401       | 401  | 401   | -         | echo     | few of one | few    |
| prompts/list                                        | 401    | 401       | 401  | 401   | -         | nothing  | nothing    | nothing |
| resources/list                                      | 401    | 401       | 401  | 401   | -         | nothing  | nothing    | nothing |
| resources/templates/list                            | 401    | 401       | 401  | 401   | -         | nothing  | nothing    | nothing |

| tools/call one__echo                                | 401    | 401       | 401  | 401   | -         | asked    | asked      | asked  |
| tools/call one__numbers                             | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| tools/call two__echo                                | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | asked  |

What is not of the group is nobody's.

| tools/call one__spaced                              | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| prompts/get one__greet                              | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| completion/complete one__greet                      | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| resources/read mcpj://res/one/cmF3OmJsb2I/eD0xI3k   | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| resources/read raw:blob?x=1#y                       | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| resources/subscribe mcpj://res/one/cmF3OmJsb2I/eD0xI3k | 401 | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| resources/unsubscribe mcpj://res/one/cmF3OmJsb2I/eD0xI3k | 401 | 401     | 401  | 401   | -         | hidden   | hidden     | hidden |

| tasks/list                                          | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |
| tasks/get TASK                                      | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| tasks/result TASK                                   | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| tasks/cancel TASK                                   | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| notifications/made/up                               | 401    | 401       | 401  | 401   | -         | 202      | 202        | 202    |
| made/up                                             | 401    | 401       | 401  | 401   | -         | unknown  | unknown    | unknown |
| end                                                 | 401    | 401       | 401  | 401   | -         | 204      | 204        | 204    |
";

/// Here everything has its server's own name, and the server is told what else it may understand.
const SERVER: &str = "
| asked                              | nobody | bad token | user | admin | no access | one tool | one server | all    |
|------------------------------------|--------|-----------|------|-------|-----------|----------|------------|--------|
| initialize                         | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |
| ping                               | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |
| logging/setLevel debug             | 401    | 401       | 401  | 401   | -         | asked    | asked      | asked  |

| tools/list                         | 401    | 401       | 401  | 401   | -         | echo     | one        | one    |
| prompts/list                       | 401    | 401       | 401  | 401   | -         | nothing  | one        | one    |
| resources/list                     | 401    | 401       | 401  | 401   | -         | nothing  | one        | one    |
| resources/templates/list           | 401    | 401       | 401  | 401   | -         | nothing  | one        | one    |

| tools/call echo                    | 401    | 401       | 401  | 401   | -         | asked    | asked      | asked  |
| tools/call numbers                 | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| tools/call one__echo               | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| prompts/get greet                  | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| completion/complete greet          | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| completion/complete odd://x        | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| resources/read raw:blob?x=1#y      | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| resources/read odd://x             | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| resources/read not:listed          | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| resources/subscribe raw:blob?x=1#y | 401    | 401       | 401  | 401   | -         | hidden   | asked      | asked  |
| resources/unsubscribe raw:blob?x=1#y | 401  | 401       | 401  | 401   | -         | hidden   | asked      | asked  |

| tasks/list                         | 401    | 401       | 401  | 401   | -         | ok       | ok         | ok     |
| tasks/get TASK                     | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| tasks/result TASK                  | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| tasks/cancel TASK                  | 401    | 401       | 401  | 401   | -         | hidden   | hidden     | hidden |
| notifications/made/up              | 401    | 401       | 401  | 401   | -         | told     | told       | told   |
| made/up                            | 401    | 401       | 401  | 401   | -         | unknown  | unknown    | unknown |
| end                                | 401    | 401       | 401  | 401   | -         | 204      | 204        | 204    |
";

#[tokio::test]
async fn on_the_main_endpoint_everybody_gets_what_the_table_says() {
    let world = World::start().await;
    for path in ["/mcp", "/sse"] {
        Hearing::at(&world, path, "one__").await.go_through(MAIN).await;
    }
}

#[tokio::test]
async fn on_a_groups_endpoint_everybody_gets_what_the_table_says() {
    let world = World::start().await;
    for path in ["/v0/groups/few/mcp", "/v0/groups/few/sse"] {
        Hearing::at(&world, path, "one__").await.go_through(GROUP).await;
    }
}

#[tokio::test]
async fn on_a_servers_own_endpoint_everybody_gets_what_the_table_says() {
    let world = World::start().await;
    for path in ["/v0/servers/one/mcp", "/v0/servers/one/sse"] {
        Hearing::at(&world, path, "").await.go_through(SERVER).await;
    }
}
