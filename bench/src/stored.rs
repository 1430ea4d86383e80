//! What the benchmark puts into databases by itself, where the command line would take too long.

use std::path::Path;

use anyhow::Result;
use mcpjungle_host::identity::{AccessToken, TokenDigest};
use mcpjungle_host::store::{Database, KeySource};

/// The database that a gateway started in this folder opens.
pub(crate) fn database_in(folder: &Path) -> (Database, KeySource) {
    let database = Database::Sqlite(folder.join("mcpjungle.db"));
    let keys = KeySource { configured: None, key_file: database.default_key_file() };
    (database, keys)
}

/// What is stored of a token.
pub(crate) fn digest(token: &str) -> Result<TokenDigest> {
    Ok(AccessToken::parse(token)?.digest())
}
