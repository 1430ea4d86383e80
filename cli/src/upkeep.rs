//! `server`: what is done on a gateway's own machine, straight on its database. Whoever may
//! write to that needs no token: it is theirs already.

mod rekey;
mod reset_admin_token;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use mcpjungle_host::store::{ConfiguredKey, Database, KeySource, Store};

use crate::arguments::{DatabaseArguments, StartArguments, UpkeepArguments, UpkeepKind};
use crate::environment::Environment;
use crate::printer::Printer;
use crate::start::{database, dotenv};

/// Runs one of these commands.
pub(crate) fn run(
    arguments: &UpkeepArguments,
    mut environment: Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    for warning in dotenv::load(&mut environment) {
        printer.note(warning)?;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start the runtime")?;
    runtime.block_on(async {
        match &arguments.kind {
            UpkeepKind::ResetAdminToken(reset) => reset_admin_token::run(reset, &environment, printer).await,
            UpkeepKind::Rekey(rekey) => rekey::run(rekey, &environment, printer).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Where `start` would find the database, but not waiting for it: somebody is looking on.
fn find_database(
    arguments: &DatabaseArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<Database> {
    let start = StartArguments { sqlite_db_path: arguments.sqlite_db_path.clone(), ..StartArguments::default() };
    let (database, warning) = database::choose(&start, environment)?;
    if let Some(warning) = warning {
        printer.note(warning)?;
    }
    Ok(match database {
        Database::Postgres(postgres) => Database::Postgres(postgres.waiting_for(Duration::ZERO)),
        sqlite @ Database::Sqlite(_) => sqlite,
    })
}

async fn open(database: Database, key: Option<ConfiguredKey>) -> anyhow::Result<Store> {
    let key_file = database.default_key_file();
    Ok(Store::open_existing(database, KeySource { configured: key, key_file }).await?)
}
