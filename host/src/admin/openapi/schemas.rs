//! The shapes of bodies. What comes from an MCP server is passed on as it sent it,
//! and so is described as any JSON.

use serde_json::{Map, Value, json};

use crate::admin::identities::MAX_GRACE_SECONDS;

/// The rule of [`crate::names::ServerName`].
const SERVER_NAME: &str = "^_?[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*$";
/// The rule of [`crate::names::GroupName`].
const GROUP_NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";
/// The rule of [`crate::names::CanonicalName`]: no server's name holds the separator.
const CANONICAL_NAME: &str = "^_?[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*__[\\s\\S]+$";

/// The rule of names of secrets for plugins.
const PLUGIN_SECRET_NAME: &str = "^[A-Za-z0-9_@-][A-Za-z0-9_./@-]*$";

/// A reference to a schema in the document.
pub(super) fn named(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

pub(super) fn list_of(schema: &str) -> Value {
    json!({ "type": "array", "items": named(schema) })
}

/// All schemas, by name.
pub(super) fn all() -> Value {
    let groups = [
        gateway(),
        servers(),
        items(),
        calls(),
        explanations(),
        tool_groups(),
        identities(),
        plugin_secrets(),
        audit(),
    ];
    let all: Map<String, Value> = groups
        .into_iter()
        .flat_map(|group| match group {
            Value::Object(schemas) => schemas,
            _ => Map::new(),
        })
        .collect();
    Value::Object(all)
}

/// An object whose listed members are always there.
fn record(members: Value) -> Value {
    let required: Vec<String> = members.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({ "type": "object", "properties": members, "required": required })
}

/// An object for a request: `null` reads as "not given", and unknown members are ignored.
fn request(required: &[&str], members: Value) -> Value {
    json!({ "type": "object", "properties": members, "required": required })
}

fn optional(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn optional_texts() -> Value {
    json!({ "type": ["array", "null"], "items": { "type": "string" } })
}

fn optional_pairs() -> Value {
    json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } })
}

/// These and that of secrets are written out where a parameter is one: some readers do not follow references there.
pub(super) fn server_name() -> Value {
    json!({ "type": "string", "pattern": SERVER_NAME, "examples": ["calculator"] })
}

pub(super) fn group_name() -> Value {
    json!({ "type": "string", "pattern": GROUP_NAME, "examples": ["support"] })
}

pub(super) fn canonical_name() -> Value {
    json!({ "type": "string", "pattern": CANONICAL_NAME, "examples": ["calculator__add"] })
}

fn gateway() -> Value {
    json!({
        "Error": record(json!({ "error": { "type": "string", "description": "What went wrong." } })),
        "Liveness": record(json!({ "status": { "const": "ok" } })),
        "Metadata": record(json!({ "version": { "type": "string", "examples": ["v0.1.0"] } })),
        "Init": request(&["mode"], json!({
            "mode": { "enum": ["development", "enterprise", "production"] },
            "access_token": access_token("The administrator's; without it one is generated."),
        })),
        "Initialized": record(json!({ "status": { "type": "string" }, "admin_access_token": { "type": "string" } })),
    })
}

fn servers() -> Value {
    let transport = json!({ "enum": ["streamable_http", "sse", "stdio"] });
    let session_mode = json!({ "enum": ["stateless", "stateful"] });
    let server = json!({
        "name": named("ServerName"), "transport": transport, "enabled": { "type": "boolean" },
        "description": { "type": "string" }, "url": { "type": "string" }, "command": { "type": "string" },
        "args": optional_texts(),
        "env": { "type": ["object", "null"], "additionalProperties": { "const": "[redacted]" } },
        "session_mode": session_mode, "tool_sync_interval_seconds": { "type": "integer", "minimum": 1 },
        "health": named("Health"),
    });
    let mut registered = server.clone();
    registered["server"] = named("Server");
    let mut config = request(
        &["name", "transport", "description", "session_mode"],
        json!({
            "name": named("ServerName"), "transport": transport, "description": { "type": "string" },
            "url": { "type": "string" }, "bearer_token": { "type": "string" },
            "headers": { "type": "object", "additionalProperties": { "type": "string" } },
            "command": { "type": "string" },
            "args": { "type": "array", "items": { "type": "string" } },
            "env": { "type": "object", "additionalProperties": { "type": "string" } },
            "session_mode": session_mode,
            "tool_sync_interval_seconds": { "type": "integer", "minimum": 1 },
            "audit": named("AuditDetail"),
        }),
    );
    config["description"] = "What `POST /api/v0/servers` takes; members that do not apply are left out.".into();
    json!({
        "ServerName": server_name(),
        "Health": record(json!({
            "state": { "enum": ["unknown", "healthy", "unhealthy"] },
            "last_error": optional("string"),
            "last_error_at": { "type": ["string", "null"], "format": "date-time" },
        })),
        "Server": record(server),
        "RegisteredServer": record(registered),
        "ServerConfig": config,
        "ServerDescription": request(&["name", "transport"], json!({
            "name": server_name(),
            "transport": transport,
            "description": optional("string"),
            "session_mode": { "enum": ["stateless", "stateful", "", null], "default": "stateless" },
            "tool_sync_interval_seconds": {
                "type": ["integer", "null"], "minimum": 0, "maximum": u32::MAX,
                "description": "How often the server is asked what it offers; 0 and `null` mean the default.",
            },
            "url": { "type": ["string", "null"], "description": "Required for `streamable_http` and `sse`." },
            "bearer_token": { "type": ["string", "null"], "description": "Sent as `Authorization: Bearer …`." },
            "headers": optional_pairs(),
            "command": { "type": ["string", "null"], "description": "Required for `stdio`; run without a shell." },
            "args": optional_texts(),
            "env": optional_pairs(),
            "audit": { "anyOf": [named("AuditDetail"), { "type": "null" }] },
        })),
        "AuditDetail": {
            "type": "object", "additionalProperties": false,
            "description": "What the audit log keeps of calls besides that they happened.",
            "properties": {
                "arguments": { "type": "boolean", "default": false },
                "results": { "type": "boolean", "default": false },
                "redact": { "type": "array", "items": { "type": "string", "pattern": "[A-Za-z0-9]" } },
                "max_bytes": { "type": "integer", "minimum": 0, "maximum": 65536, "default": 4096 },
            },
        },
        "ServerSwitched": record(json!({
            "name": named("ServerName"), "tools_affected": optional_texts(), "prompts_affected": optional_texts(),
        })),
        "Switched": {
            "type": ["array", "null"], "items": { "type": "string" },
            "description": "Canonical names of what changed; `null` if nothing of a server did.",
        },
    })
}

/// The members of a record with more, which are its own.
fn with_members(mut members: Value, own: Value) -> Value {
    if let (Some(members), Value::Object(own)) = (members.as_object_mut(), own) {
        members.extend(own);
    }
    members
}

/// What every record begins with.
fn head() -> Value {
    json!({
        "ID": { "type": "integer" },
        "CreatedAt": { "type": "string", "format": "date-time" },
        "UpdatedAt": { "type": "string", "format": "date-time" },
        "DeletedAt": { "type": "null" },
        "name": { "type": "string" }, "description": { "type": "string" },
    })
}

fn item_record(own: Value) -> Value {
    record(with_members(with_members(head(), json!({ "enabled": { "type": "boolean" } })), own))
}

fn items() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "CanonicalName": canonical_name(),
        "Tool": item_record(json!({ "input_schema": true, "annotations": true })),
        "Prompt": item_record(json!({ "arguments": true })),
        "Resource": item_record(json!({ "uri": text, "mime_type": text, "annotations": true, "meta": true })),
    })
}

fn calls() -> Value {
    json!({
        "Invocation": {
            "type": "object", "properties": { "name": canonical_name() }, "required": ["name"],
            "description": "The tool's arguments beside its name; or under `arguments`, an object with nothing but \
                            `name` and `_meta` beside it.",
        },
        "ToolResult": { "type": "object", "description": "As the MCP server sent it." },
        "RenderRequest": request(&["name"], json!({ "name": canonical_name(), "arguments": true })),
        "RenderedPrompt": {
            "type": "object",
            "properties": { "description": { "type": "string" }, "messages": true, "meta": true },
            "required": ["description", "messages"],
        },
        "ResourceRequest": request(&["uri"], json!({
            "uri": { "type": "string", "pattern": "^mcpj://", "examples": ["mcpj://res/docs/ZmlsZTovLy9y"] },
        })),
        "ResourceContents": { "type": "object", "description": "As the MCP server sent them, under the gateway's URI." },
    })
}

fn explanations() -> Value {
    let (text, optional_text) = (json!({ "type": "string" }), optional("string"));
    let step = record(json!({
        "plugin": text,
        "digest": { "type": "string", "description": "SHA-256 of the component, in hexadecimal." },
        "answer": { "enum": ["allow", "deny", "rewrite", "headers", "failed", null] },
        "code": optional_text, "reason": optional_text,
        "headers": { "type": ["array", "null"], "items": text, "description": "Names only." },
        "duration_us": { "type": ["integer", "null"], "minimum": 0 },
    }));
    let mut question = request(
        &[],
        json!({
            "client": optional_text, "user": optional_text,
            "tool": optional_text, "prompt": optional_text,
            "resource": { "type": ["string", "null"], "description": "A URI." },
            "group": optional_text,
            "server": { "type": ["string", "null"], "description": "At this server's own endpoint, under its own names." },
            "input": { "type": ["object", "null"], "description": "The arguments." },
        }),
    );
    question["description"] = "One of `client` and `user`, and one of `tool`, `prompt` and `resource`.".into();
    json!({
        "Question": question,
        "Explanation": record(json!({
            "allowed": { "type": "boolean", "description": "Whether the call would be made." },
            "principal": { "type": ["object", "null"], "properties": {
                "kind": text, "name": text, "allow": { "type": "array", "items": text },
            } },
            "endpoint": text,
            "item": { "type": ["object", "null"], "properties": { "kind": text, "name": text, "uri": optional_text } },
            "findings": { "type": "array", "items": text },
            "stages": { "type": "array", "items": record(json!({
                "stage": text, "not_asked": optional_text, "steps": { "type": "array", "items": step },
            })) },
            "told": {
                "type": ["object", "null"], "properties": { "status": { "type": "integer" }, "body": true },
                "description": "What the caller would be answered; `null` if the server would be asked.",
            },
        })),
    })
}

pub(super) fn plugin_secret_name() -> Value {
    json!({ "type": "string", "pattern": PLUGIN_SECRET_NAME, "maxLength": 128, "examples": ["github/ann"] })
}

fn plugin_secrets() -> Value {
    json!({
        "PluginSecret": record(json!({
            "name": { "type": "string" },
            "updated_at": { "type": "string", "format": "date-time" },
            "readable": { "type": "boolean", "description": "Whether this gateway's key opens it." },
        })),
        "PluginSecretDescription": request(&["value"], json!({
            "value": { "type": "string", "minLength": 1, "description": "At most 64 KiB." },
        })),
    })
}

fn audit() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    json!({
        "AuditRecord": {
            "type": "object",
            "description": "What happened; docs/audit.md describes the members.",
            "properties": {
                "at": { "type": "string", "format": "date-time" },
                "kind": { "enum": ["call", "read", "denial", "admin", "plugin-failure"] },
                "method": { "type": "string" }, "outcome": { "type": "string" },
            },
            "required": ["at", "kind", "method", "outcome"],
        },
        "AuditPage": record(json!({
            "records": list_of("AuditRecord"),
            "next": { "type": ["string", "null"], "description": "The cursor of the next page, if there is one." },
            "latest": { "type": "string", "description": "The cursor behind which newer records come, oldest first." },
        })),
        "AuditReport": record(json!({
            "verified": { "type": "boolean" }, "writers": count, "records": count, "checkpoints": count,
            "problems": { "type": "array", "items": record(json!({
                "writer": optional("string"), "record": optional("integer"), "problem": { "type": "string" },
            })) },
            "more_problems": count,
        })),
    })
}

fn tool_groups() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let group = json!({
        "name": named("GroupName"), "description": text,
        "included_tools": texts, "included_servers": texts, "excluded_tools": texts,
        "included_prompts": texts, "excluded_prompts": texts,
        "included_resources": texts, "excluded_resources": texts, "allowed_clients": texts,
    });
    let endpoints = json!({ "streamable_http_endpoint": text, "sse_endpoint": text, "sse_message_endpoint": text });
    let mut with_endpoints = group.clone();
    if let (Some(members), Value::Object(endpoints)) = (with_endpoints.as_object_mut(), endpoints.clone()) {
        members.extend(endpoints);
    }
    let contents = json!({
        "description": optional("string"), "included_tools": optional_texts(),
        "included_servers": optional_texts(), "excluded_tools": optional_texts(),
        "included_prompts": optional_texts(), "excluded_prompts": optional_texts(),
        "included_resources": {
            "type": ["array", "null"], "items": { "type": "string" },
            "description": "Canonical names of resources and templates, or for a resource its URI: the gateway's own \
                            (`mcpj://res/…`), or the server's name, two underscores and the server's URI.",
        },
        "excluded_resources": optional_texts(),
        "allowed_clients": {
            "type": ["array", "null"], "items": { "type": "string" },
            "description": "Names of the clients that may use the group; `null` for every client, empty for none.",
        },
    });
    let mut description = contents.clone();
    description["name"] = group_name();
    // On an update the path names the group, and a name in the body is not looked at.
    let mut update = contents;
    update["name"] = optional("string");
    json!({
        "GroupName": group_name(),
        "ToolGroup": request(&["name", "description"], group),
        "ToolGroupWithEndpoints": request(
            &["name", "description", "streamable_http_endpoint", "sse_endpoint", "sse_message_endpoint"],
            with_endpoints,
        ),
        "ToolGroupDescription": request(&["name"], description),
        "ToolGroupUpdate": request(&[], update),
        "GroupEndpoints": record(endpoints),
        "UpdatedToolGroup": record(json!({
            "name": named("GroupName"), "old": named("ToolGroup"), "new": named("ToolGroup"),
        })),
        "EffectiveTools": record(json!({ "tools": texts })),
    })
}

/// A token that is chosen, in a request.
fn access_token(description: &str) -> Value {
    let rules = "From 8 to 4096 bytes, without white space and control characters.";
    json!({ "type": ["string", "null"], "description": format!("{description} {rules}") })
}

fn identities() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let shown_once = json!({ "type": "string", "description": "Shown in this answer only." });
    let chosen = access_token("Without it one is generated.");
    let replaces = json!({
        "access_token": access_token("Takes the place of the token that there is."),
        "rotate": { "type": ["boolean", "null"], "description": "Has the gateway generate the new token." },
        "grace_seconds": {
            "type": ["integer", "null"], "minimum": 0, "maximum": MAX_GRACE_SECONDS,
            "description": "How long the old token lives on beside the new one.",
        },
    });
    let allow_list = json!({
        "type": ["array", "null"], "items": { "type": "string", "minLength": 1 }, "maxItems": 1000,
        "description": "Names of servers and items, with `*` for any text.",
    });
    let client = with_members(head(), json!({ "allow_list": texts }));
    let user = json!({ "username": text, "role": { "enum": ["user", "admin"] } });
    let role = json!({ "enum": ["user", "admin", null] });
    let is_custom = json!({ "type": ["boolean", "null"] });
    json!({
        "Client": record(client.clone()),
        "ClientWithToken": record(with_members(client.clone(), json!({ "access_token": shown_once }))),
        "ChangedClient": with_optional(record(client), "access_token", &shown_once),
        "ClientDescription": request(&["name"], json!({
            "name": { "type": "string", "minLength": 1 }, "description": optional("string"),
            "allow_list": allow_list, "access_token": chosen, "is_custom_access_token": is_custom,
        })),
        "ClientChange": request(&[], with_members(replaces.clone(), json!({
            "description": optional("string"), "allow_list": allow_list,
        }))),
        "User": record(user.clone()),
        "UserWithToken": record(with_members(user.clone(), json!({ "access_token": shown_once }))),
        "ChangedUser": with_optional(record(user), "access_token", &shown_once),
        "UserDescription": request(&["username"], json!({
            "username": { "type": "string", "minLength": 1 }, "role": role, "access_token": chosen,
        })),
        "UserChange": request(&[], with_members(replaces, json!({ "role": role }))),
    })
}

/// A record with one member more that is not always there.
fn with_optional(mut record: Value, name: &str, member: &Value) -> Value {
    record["properties"][name] = member.clone();
    record
}
