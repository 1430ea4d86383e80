//! `create user`: by flags, or from a file.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::arguments::CreateUserArguments;
use crate::commands::token::{self, TokenReference};
use crate::config_file;
use crate::environment::Environment;
use crate::printer::Printer;

/// What a file says of a user.
#[derive(Deserialize)]
struct UserFile {
    name: Option<String>,
    access_token: Option<String>,
    access_token_ref: Option<TokenReference>,
}

pub(in crate::commands) async fn run(
    arguments: &CreateUserArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let (name, chosen) = match &arguments.conf {
        Some(path) => {
            ensure!(arguments.name.is_none(), "a name cannot be given beside --conf: the file names the user");
            from_file(path, environment)?
        }
        None => from_flags(arguments)?,
    };
    let mut body = Map::from_iter([("username".to_owned(), json!(name))]);
    if let Some(token) = &chosen {
        body.insert("access_token".to_owned(), json!(token));
    }
    let answer = api.create_user(&body).await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    let token =
        answer.value.access_token.or(chosen).context("failed to create user: there is no token in the answer")?;
    writeln!(printer, "User '{}' created successfully", answer.value.username)?;
    Ok(token::print_for_user(&token, printer)?)
}

/// The name, and the token if it was chosen.
fn from_flags(arguments: &CreateUserArguments) -> anyhow::Result<(String, Option<String>)> {
    let name = arguments.name.clone().filter(|name| !name.is_empty());
    let name = name.context("either supply a configuration file or the name of the user")?;
    Ok((name, token::from_flag(arguments.access_token.as_deref())?.map(str::to_owned)))
}

fn from_file(path: &Path, environment: &Environment) -> anyhow::Result<(String, Option<String>)> {
    let config = config_file::read(path, environment)?;
    let file: UserFile = serde_json::from_value(Value::Object(config))
        .with_context(|| format!("failed to parse config file: {}", path.display()))?;
    let name = file.name.filter(|name| !name.is_empty()).context("config file must define a username")?;
    Ok((name, Some(token::from_file(file.access_token, file.access_token_ref, environment)?)))
}
