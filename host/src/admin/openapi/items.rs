//! The routes of tools, prompts and resources.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{canonical_name, list_of, named, server_name};

const TOOLS: &str = "tools";
const PROMPTS: &str = "prompts";
const RESOURCES: &str = "resources";

pub(in crate::admin) fn list_tools() -> Operation {
    list("listTools", TOOLS, "List tools, disabled ones too", "Tool")
}

pub(in crate::admin) fn list_prompts() -> Operation {
    list("listPrompts", PROMPTS, "List prompts, disabled ones too", "Prompt")
}

pub(in crate::admin) fn list_resources() -> Operation {
    list("listResources", RESOURCES, "List resources, disabled ones too", "Resource")
}

pub(in crate::admin) fn find_tool() -> Operation {
    find("getTool", TOOLS, "One tool", "Tool")
}

pub(in crate::admin) fn find_prompt() -> Operation {
    find("getPrompt", PROMPTS, "One prompt", "Prompt")
}

pub(in crate::admin) fn find_resource() -> Operation {
    of_resource("getResource", "One resource").answers(200, "The resource.", &named("Resource"))
}

pub(in crate::admin) fn invoke_tool() -> Operation {
    Operation::new("invokeTool", TOOLS, "Call a tool")
        .body("Invocation", &json!({ "name": "calculator__add", "arguments": { "a": 100, "b": 50 } }))
        .answers(200, "The tool's result, also if it reports an error.", &named("ToolResult"))
        .fails(&[404, 500])
}

pub(in crate::admin) fn explain() -> Operation {
    Operation::new("explain", TOOLS, "What policies would decide about a call, and why; no call is made")
        .body("Question", &json!({ "client": "cursor", "tool": "calculator__add", "group": "support" }))
        .answers(200, "What would be decided, also if nobody or nothing has that name.", &named("Explanation"))
}

pub(in crate::admin) fn render_prompt() -> Operation {
    Operation::new("renderPrompt", PROMPTS, "The messages that a prompt makes of its arguments")
        .body("RenderRequest", &json!({ "name": "writer__greet", "arguments": { "who": "Ada" } }))
        .answers(200, "The messages.", &named("RenderedPrompt"))
        .fails(&[404, 500])
}

pub(in crate::admin) fn read_resource() -> Operation {
    of_resource("readResource", "A resource's contents")
        .answers(200, "The contents.", &named("ResourceContents"))
        .fails(&[500])
}

pub(in crate::admin) fn enable_tools() -> Operation {
    switch("enableTools", TOOLS, "Enable a tool, or all of a server")
}

pub(in crate::admin) fn disable_tools() -> Operation {
    switch("disableTools", TOOLS, "Disable a tool, or all of a server")
}

pub(in crate::admin) fn enable_prompts() -> Operation {
    switch("enablePrompts", PROMPTS, "Enable a prompt, or all of a server")
}

pub(in crate::admin) fn disable_prompts() -> Operation {
    switch("disablePrompts", PROMPTS, "Disable a prompt, or all of a server")
}

fn list(id: &'static str, tag: &'static str, summary: &'static str, record: &str) -> Operation {
    // Empty is as good as absent.
    let server = json!({ "anyOf": [server_name(), { "const": "" }] });
    Operation::new(id, tag, summary)
        .query("server", false, "Only those of this server.", &server)
        .answers(200, "They, server by server.", &list_of(record))
        .fails(&[404])
}

fn find(id: &'static str, tag: &'static str, summary: &'static str, record: &str) -> Operation {
    Operation::new(id, tag, summary)
        .query("name", true, "The canonical name.", &canonical_name())
        .answers(200, "It.", &named(record))
        .fails(&[404])
}

fn switch(id: &'static str, tag: &'static str, summary: &'static str) -> Operation {
    let entity = json!({ "anyOf": [canonical_name(), server_name()] });
    Operation::new(id, tag, summary)
        .query("entity", true, "A canonical name, or a server's name.", &entity)
        .answers(200, "What changed.", &named("Switched"))
        .fails(&[404, 500])
}

fn of_resource(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, RESOURCES, summary)
        .body("ResourceRequest", &json!({ "uri": "mcpj://res/docs/ZmlsZTovLy9y" }))
        .fails(&[404])
}
