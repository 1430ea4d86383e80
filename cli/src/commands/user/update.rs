//! `update user`: another token or role.

use std::io::Write as _;

use anyhow::ensure;
use serde_json::{Map, json};

use crate::api::Api;
use crate::arguments::UpdateUserArguments;
use crate::commands::token;
use crate::printer::Printer;

pub(in crate::commands) async fn run(
    arguments: &UpdateUserArguments,
    api: &Api,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let UpdateUserArguments { name, rotation, role } = arguments;
    let mut change = Map::new();
    token::add_rotation(rotation, &mut change)?;
    if let Some(role) = role {
        change.insert("role".to_owned(), json!(role.as_str()));
    }
    ensure!(!change.is_empty(), "at least one of the flags \"access-token\", \"rotate\" and \"role\" must be set");
    let answer = api.update_user(name, &change).await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if let Some(role) = role {
        writeln!(printer, "User {name} has the role {} now.", role.as_str())?;
    }
    if rotation.is_given() {
        writeln!(printer, "User {name} access token updated successfully.")?;
    }
    match answer.value.access_token.filter(|_| rotation.rotate) {
        Some(generated) => Ok(token::print_for_user(&generated, printer)?),
        None => Ok(()),
    }
}
