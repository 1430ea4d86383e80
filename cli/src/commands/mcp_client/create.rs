//! `create mcp-client`: by flags, or from a file.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{note_wildcard, print_access, split_allow_list};
use crate::api::Api;
use crate::arguments::CreateClientArguments;
use crate::commands::token::{self, TokenReference};
use crate::config_file;
use crate::environment::Environment;
use crate::printer::Printer;

/// What a file says of a client.
#[derive(Deserialize)]
struct ClientFile {
    name: Option<String>,
    description: Option<String>,
    allowed_servers: Option<Vec<String>>,
    access_token: Option<String>,
    access_token_ref: Option<TokenReference>,
}

/// A client to be made. Without a token one is generated.
struct NewClient {
    name: String,
    description: String,
    allow_list: Vec<String>,
    access_token: Option<String>,
}

pub(in crate::commands) async fn run(
    arguments: &CreateClientArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let client = match &arguments.conf {
        Some(path) => {
            ensure!(arguments.name.is_none(), "a name cannot be given beside --conf: the file names the client");
            from_file(path, environment)?
        }
        None => from_flags(arguments)?,
    };
    note_wildcard(&client.allow_list, printer)?;
    let answer = api.create_client(&client.to_body()).await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    let created = answer.value;
    writeln!(printer, "MCP client '{}' created successfully!", created.name)?;
    print_access("Servers accessible", &created.allow_list, printer)?;
    let generated = created.access_token.filter(|_| client.access_token.is_none());
    Ok(token::print_for_client(generated.as_deref(), printer)?)
}

fn from_flags(arguments: &CreateClientArguments) -> anyhow::Result<NewClient> {
    let name = arguments.name.clone().filter(|name| !name.is_empty());
    Ok(NewClient {
        name: name.context("either supply a configuration file or the name of the client")?,
        description: arguments.description.clone().unwrap_or_default(),
        allow_list: split_allow_list(arguments.allow.as_deref().unwrap_or_default()),
        access_token: token::from_flag(arguments.access_token.as_deref())?.map(str::to_owned),
    })
}

fn from_file(path: &Path, environment: &Environment) -> anyhow::Result<NewClient> {
    let config = config_file::read(path, environment)?;
    let file: ClientFile = serde_json::from_value(Value::Object(config))
        .with_context(|| format!("failed to parse config file: {}", path.display()))?;
    Ok(NewClient {
        name: file.name.filter(|name| !name.is_empty()).context("config file must define a client name")?,
        description: file.description.unwrap_or_default(),
        allow_list: file.allowed_servers.unwrap_or_default(),
        access_token: Some(token::from_file(file.access_token, file.access_token_ref, environment)?),
    })
}

impl NewClient {
    fn to_body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert("description".to_owned(), json!(self.description));
        body.insert("allow_list".to_owned(), json!(self.allow_list));
        if let Some(token) = &self.access_token {
            body.insert("access_token".to_owned(), json!(token));
            body.insert("is_custom_access_token".to_owned(), json!(true));
        }
        body
    }
}
