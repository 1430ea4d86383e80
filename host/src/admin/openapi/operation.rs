//! What can be said of a route: parameters, body, answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admin::openapi::schemas;

/// What one method of one route takes and answers.
#[derive(Clone)]
pub(in crate::admin) struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
}

impl Operation {
    /// Without parameters, body and answers. The id is unique in the document.
    pub(in crate::admin) fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self { id, tag, summary, parameters: Vec::new(), body: None, answers: BTreeMap::new() }
    }

    /// The name in the path. One that breaks the rules is refused.
    pub(super) fn name_in_path(mut self, description: &str, schema: &Value) -> Self {
        self.parameters.push(json!({
            "name": "name", "in": "path", "required": true, "description": description, "schema": schema,
        }));
        self.fails(&[400])
    }

    /// A query parameter.
    pub(super) fn query(mut self, name: &str, is_required: bool, description: &str, schema: &Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "required": is_required, "description": description, "schema": schema,
        }));
        self.fails(&[400])
    }

    /// A JSON body of the schema of this name.
    pub(super) fn body(mut self, schema: &str, example: &Value) -> Self {
        self.body = Some(json!({
            "required": true,
            "content": { "application/json": { "schema": schemas::named(schema), "example": example } },
        }));
        self.fails(&[400, 413])
    }

    /// A body of bytes, whatever its `Content-Type` says.
    pub(super) fn binary_body(mut self, media_type: &str) -> Self {
        self.body = Some(
            json!({ "required": true, "content": { media_type: { "schema": { "type": "string", "format": "binary" } } } }),
        );
        self.fails(&[400, 413])
    }

    /// An answer with a JSON body.
    pub(super) fn answers(mut self, status: u16, description: &str, schema: &Value) -> Self {
        let content = json!({ "application/json": { "schema": schema } });
        self.answers.insert(status, json!({ "description": description, "content": content }));
        self
    }

    /// An answer of plain text.
    pub(super) fn answers_text(mut self, status: u16, description: &str) -> Self {
        let content = json!({ "text/plain": { "schema": { "type": "string" } } });
        self.answers.insert(status, json!({ "description": description, "content": content }));
        self
    }

    /// An answer without a body.
    pub(super) fn answers_nothing(mut self, status: u16, description: &str) -> Self {
        self.answers.insert(status, json!({ "description": description }));
        self
    }

    /// Errors that it may answer.
    pub(in crate::admin) fn fails(self, statuses: &[u16]) -> Self {
        statuses
            .iter()
            .fold(self, |operation, status| operation.answers(*status, meaning(*status), &schemas::named("Error")))
    }

    pub(super) fn to_json(&self) -> Value {
        let answers = self.answers.iter().map(|(status, answer)| (status.to_string(), answer.clone()));
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": Value::Object(answers.collect()),
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.clone().into();
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }
}

/// What an error's status means, on every route.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed: bad JSON, a wrong type, an invalid name, URL, transport or parameter.",
        401 => "The access token is missing or not known.",
        403 => {
            "The Host or Origin is not allowed, a policy refused, the caller's role does not allow it, or the request \
             needs enterprise mode."
        }
        404 => "There is no such server, tool, prompt, resource, group, client, user or plugin.",
        409 => {
            "The name, or the access token, is taken; or there is no earlier version or change to go back to; or the \
             policies are those of a file."
        }
        413 => "The body is too long.",
        422 => "A component, its settings or its grants are not as they must be; nothing was changed.",
        500 => "The MCP server failed or could not be reached, or the gateway's database failed.",
        503 => "A policy could not decide, or too many calls are in flight.",
        _ => "An error.",
    }
}
