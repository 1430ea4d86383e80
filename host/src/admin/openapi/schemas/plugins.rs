//! The shapes of plugins.

use serde_json::{Value, json};

use super::{list_of, named, optional, record};
use crate::plugin::{LARGEST_DEADLINE_MS, LARGEST_MEMORY_MIB};

/// The rule of [`crate::plugin::is_plugin_name`].
const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";
/// `builtin:NAME`, or the digest of one that was uploaded.
const COMPONENT: &str = "^(builtin:(auth|groups|acl|headers)|sha256:[0-9a-fA-F]{64})$";

pub(super) fn schemas() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let state = json!({ "enum": ["enabled", "disabled"] });
    let yes = json!({ "type": "boolean" });
    let plugin = record(json!({
        "name": text, "state": state, "running": yes, "component": named("ComponentRef"), "digest": text,
        "file": optional("string"),
        "version": text, "summary": text, "stages": list_of("Stage"), "settings": { "type": "object" },
        "grants": named("Grants"), "limits": record(limits(&json!({ "type": "integer", "minimum": 0 }))),
        "isolation": named("Isolation"), "fail_open": yes, "previous_versions": count,
    }));
    let step = record(json!({
        "name": text, "state": state, "component": named("ComponentRef"), "version": text, "digest": text,
        "file": optional("string"),
        "fail_open": yes, "grants": named("Grants"), "calls": count, "denials": count, "failures": count,
        "p99_us": { "type": ["number", "null"], "description": "In microseconds; null before the first call." },
    }));
    let item = record(json!({ "kind": { "enum": ["tool", "prompt", "resource", "resource-template"] }, "name": text }));
    let plugin_stages = json!({
        "anyOf": [record(json!({ "old": list_of("Stage"), "new": list_of("Stage") })), { "type": "null" }],
        "description": "Where one takes the place of another: the stages of both.",
    });
    json!({
        "PluginName": { "type": "string", "pattern": NAME },
        "ComponentRef": { "type": "string", "pattern": COMPONENT },
        "Stage": { "enum": [
            "authenticator", "tool-filter", "authorizer", "guard", "header-injector", "observer",
        ] },
        "Isolation": { "enum": ["reuse", "per-call"] },
        "Grants": {
            "type": "array", "items": text,
            "description": "`kv`, `http:HOST`, `http:HOST:PORT`, `http:NETWORK/BITS` and `secret:NAME`.",
        },
        "Plugin": plugin,
        "PluginStage": record(json!({ "stage": named("Stage"), "plugins": { "type": "array", "items": step } })),
        "Policies": record(json!({
            "source": { "enum": ["store", "file", "safe-mode"] }, "file": optional("string"), "id": count,
            "refused": { "anyOf": [
                record(json!({ "reason": text, "since": { "type": "string", "format": "date-time" } })),
                { "type": "null" },
            ] },
            "stages": list_of("PluginStage"), "plugins": list_of("Plugin"),
        })),
        "Component": record(json!({
            "component": named("ComponentRef"), "digest": text, "size": count, "stages": list_of("Stage"),
            "needs": { "type": "array", "items": text }, "version": text, "summary": text,
        })),
        "PluginChange": record(json!({
            "id": count, "change": text, "problem": optional("string"), "runs": yes,
            "plugin": { "anyOf": [named("Plugin"), { "type": "null" }] }, "plugin_stages": plugin_stages,
        })),
        "PluginHistoryEntry": record(json!({
            "id": count, "change": text, "author": text, "at": { "type": "string", "format": "date-time" },
        })),
        "PluginAddition": addition(),
        "PluginVersionChanges": version_changes(),
        "PluginOrder": strict(&["names"], json!({ "names": { "type": "array", "items": text } })),
        "PluginPlan": planned(),
        "PlannedPolicies": record(json!({
            "change": text, "stages": list_of("PluginStage"), "plugin_stages": plugin_stages, "looked_at": count,
            "notes": { "type": "array", "items": text },
            "rows": { "type": "array", "items": record(json!({
                "who": { "type": "array", "items": text }, "endpoint": text, "more": count,
                "appear": { "type": "array", "items": item }, "disappear": { "type": "array", "items": item },
                "problem": optional("string"),
            })) },
        })),
    })
}

/// An object for a request in which a member of another name is a mistake: it might have been a bound.
fn strict(required: &[&str], members: Value) -> Value {
    json!({ "type": "object", "properties": members, "required": required, "additionalProperties": false })
}

fn limits(number: &Value) -> Value {
    json!({
        "deadline_ms": number, "memory_mib": number, "host_calls": number, "output_kib": number, "http_kib": number,
        "instances": number,
    })
}

/// What is not given stays as it is, or has its default.
fn limit_changes() -> Value {
    let number = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX });
    let mut members = limits(&number);
    members["host_calls"]["minimum"] = 0.into();
    members["deadline_ms"]["maximum"] = LARGEST_DEADLINE_MS.into();
    members["memory_mib"]["maximum"] = LARGEST_MEMORY_MIB.into();
    strict(&[], members)
}

fn stages() -> Value {
    json!({ "type": ["array", "null"], "items": named("Stage") })
}

fn addition() -> Value {
    let place = json!({ "type": ["string", "null"], "description": "The name of another plugin; one of the three." });
    strict(
        &["name", "component"],
        json!({
            "name": named("PluginName"), "component": named("ComponentRef"),
            "replace": place, "before": place, "after": place, "stages": stages(),
            "settings": { "type": "object" }, "grants": named("Grants"), "limits": limit_changes(),
            "isolation": named("Isolation"), "fail_open": { "type": "boolean" },
        }),
    )
}

fn version_changes() -> Value {
    strict(
        &[],
        json!({
            "component": { "anyOf": [named("ComponentRef"), { "type": "null" }] }, "stages": stages(),
            "settings": { "type": ["object", "null"] }, "grant": named("Grants"), "revoke": named("Grants"),
            "limits": limit_changes(), "isolation": { "enum": ["reuse", "per-call", null] },
            "fail_open": { "type": ["boolean", "null"] },
        }),
    )
}

/// One of the changes that there are.
fn planned() -> Value {
    let name = json!({ "type": "string" });
    let one = strict(&["name"], json!({ "name": name }));
    let changes = [
        ("add", named("PluginAddition")),
        ("update", strict(&["name", "changes"], json!({ "name": name, "changes": named("PluginVersionChanges") }))),
        ("enable", one.clone()),
        ("disable", one.clone()),
        ("remove", one),
        ("order", named("PluginOrder")),
        ("rollback", strict(&[], json!({ "name": optional("string") }))),
    ];
    let alternatives: Vec<Value> = changes
        .into_iter()
        .map(|(word, change)| {
            let mut members = json!({});
            members[word] = change;
            strict(&[word], members)
        })
        .collect();
    json!({ "oneOf": alternatives })
}
