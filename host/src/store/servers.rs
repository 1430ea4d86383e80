//! Storing servers: their description in clear, their secrets encrypted.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use url::Url;

use crate::names::ServerName;
use crate::pipeline::ItemKind;
use crate::secret::Secret;
use crate::server::{BEARER_TOKEN_SECRET, HEADER_SECRET_PREFIX, Server, SessionMode, Transport};
use crate::store::config_dir::forget_folder;
use crate::store::error::bounded;
use crate::store::item_rows::read_rows;
use crate::store::items::{write_enabled, write_offer};
use crate::store::secrets::Place;
use crate::store::{Store, StoreError};
use crate::upstream::Offer;

/// Stands before an environment variable's name in the name of its secret.
const ENV_SECRET_PREFIX: &str = "env:";

impl Store {
    /// Stores a server with what it offers, all enabled. With `replace`, an old
    /// one of that name goes in the same transaction: the new one keeps its time
    /// of registration, and what was disabled, the server as a whole included,
    /// stays so. Without, a taken name is [`StoreError::AlreadyExists`].
    pub async fn put_server(&self, server: &Server, offer: &Offer, replace: bool) -> Result<(), StoreError> {
        let secrets = self.seal_secrets(server)?;
        let mut change = self.begin_change().await?;
        let stored = bounded(async {
            let (revision, now_ms) = (change.revision, change.now_ms);
            if !secrets.is_empty() {
                self.claim_key(change.connection()).await?;
            }
            let (id, enabled) = match find_server(change.connection(), &server.name).await? {
                Some(_) if !replace => return Ok::<_, StoreError>(None),
                Some(old) => {
                    update_server(change.connection(), old.id, server, offer, revision, now_ms).await?;
                    (old.id, old.enabled)
                }
                None => (insert_server(change.connection(), server, offer, revision, now_ms).await?, true),
            };
            write_secrets(change.connection(), id, secrets).await?;
            write_offer(change.connection(), id, &server.name, offer, &[], enabled).await?;
            Ok(Some(()))
        });
        let stored = stored.await?;
        let taken = || StoreError::AlreadyExists { kind: "MCP server", name: server.name.to_string() };
        change.end(stored).await?.ok_or_else(taken)
    }

    /// Removes a server and all its items; `false` if there was none.
    pub async fn delete_server(&self, name: &ServerName) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let deleted = bounded(async {
            let deleted = sqlx::query("DELETE FROM servers WHERE name = $1")
                .bind(name.as_str())
                .execute(change.connection())
                .await?;
            forget_folder(change.connection(), "server", name.as_str()).await?;
            Ok::<_, StoreError>((deleted.rows_affected() > 0).then_some(()))
        });
        let deleted = deleted.await?;
        Ok(change.end(deleted).await?.is_some())
    }

    /// Enables or disables a server and every item of it. Returns the items
    /// whose state changed; `None` if there is no such server.
    pub async fn set_server_enabled(
        &self,
        name: &ServerName,
        enabled: bool,
    ) -> Result<Option<Vec<(ItemKind, String)>>, StoreError> {
        let mut change = self.begin_change().await?;
        let mut is_known = false;
        let changed = bounded(async {
            let (revision, now_ms) = (change.revision, change.now_ms);
            let Some(found) = find_server(change.connection(), name).await? else {
                return Ok::<_, StoreError>(None);
            };
            is_known = true;
            let rows = read_rows(change.connection(), found.id).await?;
            let changed = write_enabled(change.connection(), rows, enabled).await?;
            if changed.is_none() && found.enabled == enabled {
                return Ok(None);
            }
            sqlx::query("UPDATE servers SET enabled = $2 WHERE id = $1")
                .bind(found.id)
                .bind(i64::from(enabled))
                .execute(change.connection())
                .await?;
            touch_server(change.connection(), found.id, revision, now_ms).await?;
            Ok(Some(changed.unwrap_or_default()))
        });
        let changed = changed.await?;
        let changed = change.end(changed).await?.unwrap_or_default();
        Ok(is_known.then(|| changed.into_iter().map(|item| (item.kind, item.key)).collect()))
    }

    fn seal_secrets(&self, server: &Server) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let seal = |(name, value): (String, &Secret)| {
            let sealed = self.secrets.seal(&Place::of_server_secret(server.name.as_str(), &name), value)?;
            Ok((name, sealed))
        };
        secrets_of(&server.transport).into_iter().map(seal).collect()
    }
}

/// What a change needs to know of a server that is there.
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) enabled: bool,
}

pub(super) async fn find_server(
    connection: &mut AnyConnection,
    name: &ServerName,
) -> Result<Option<Found>, StoreError> {
    let row = sqlx::query("SELECT id, enabled FROM servers WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok(Found { id: row.try_get(0)?, enabled: row.try_get::<i64, _>(1)? != 0 })).transpose()
}

/// Marks a server as changed, so that the next load reads it anew.
pub(super) async fn touch_server(
    connection: &mut AnyConnection,
    id: i64,
    revision: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE servers SET revision = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(revision)
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_server(
    connection: &mut AnyConnection,
    server: &Server,
    offer: &Offer,
    revision: i64,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO servers (name, revision, description, transport, config, session_mode, \
         tool_sync_interval_seconds, audit, enabled, initialize, created_at, updated_at, secrets_revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $10, 1, $8, $9, $9, $2) RETURNING id",
    )
    .bind(server.name.as_str())
    .bind(revision)
    .bind(server.description.as_str())
    .bind(server.transport.kind())
    .bind(Config::of(&server.transport).write())
    .bind(server.session_mode.as_str())
    .bind(interval_column(server))
    .bind(initialize_text(offer)?)
    .bind(now_ms)
    .bind(audit_column(server))
    .fetch_one(connection)
    .await?;
    Ok(row.try_get(0)?)
}

async fn update_server(
    connection: &mut AnyConnection,
    id: i64,
    server: &Server,
    offer: &Offer,
    revision: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE servers SET revision = $2, description = $3, transport = $4, config = $5, session_mode = $6, \
         tool_sync_interval_seconds = $7, initialize = $8, updated_at = $9, secrets_revision = $2, audit = $10 \
         WHERE id = $1",
    )
    .bind(id)
    .bind(revision)
    .bind(server.description.as_str())
    .bind(server.transport.kind())
    .bind(Config::of(&server.transport).write())
    .bind(server.session_mode.as_str())
    .bind(interval_column(server))
    .bind(initialize_text(offer)?)
    .bind(now_ms)
    .bind(audit_column(server))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_secrets(
    connection: &mut AnyConnection,
    server_id: i64,
    secrets: Vec<(String, Vec<u8>)>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM server_secrets WHERE server_id = $1").bind(server_id).execute(&mut *connection).await?;
    for (name, ciphertext) in secrets {
        sqlx::query("INSERT INTO server_secrets (server_id, name, ciphertext) VALUES ($1, $2, $3)")
            .bind(server_id)
            .bind(name)
            .bind(ciphertext)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) fn initialize_text(offer: &Offer) -> Result<&str, StoreError> {
    std::str::from_utf8(&offer.initialize)
        .map_err(|_| StoreError::Unreadable("a result of `initialize` that is not UTF-8".into()))
}

/// 0 stands for the default, whatever that is by then.
fn interval_column(server: &Server) -> i64 {
    server.tool_sync_interval_seconds.map_or(0, |seconds| seconds.get().into())
}

fn audit_column(server: &Server) -> String {
    let write = |detail| serde_json::to_string(detail).expect("text, numbers and lists of text serialise");
    server.audit.as_deref().map(write).unwrap_or_default()
}

/// What a transport needs, without secrets: the column `config`. The column
/// `transport` tells what kind of endpoint a URL is.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Config {
    Endpoint { url: String },
    Stdio { command: String, args: Vec<String> },
}

impl Config {
    fn of(transport: &Transport) -> Self {
        match transport {
            Transport::StreamableHttp { url, .. } | Transport::Sse { url, .. } => {
                Self::Endpoint { url: url.to_string() }
            }
            Transport::Stdio { command, args, .. } => Self::Stdio { command: command.clone(), args: args.clone() },
        }
    }

    fn write(&self) -> String {
        serde_json::to_string(self).expect("text and lists of text serialise")
    }

    /// Puts the secrets back in their places.
    fn with_secrets(self, kind: &str, secrets: &BTreeMap<String, Secret>) -> Result<Transport, String> {
        let with_prefix = |prefix: &str| {
            secrets
                .iter()
                .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())))
                .collect()
        };
        match (self, kind) {
            (Self::Endpoint { url }, "streamable_http" | "sse") => {
                let url = Url::parse(&url).map_err(|error| format!("its URL: {error}"))?;
                let bearer_token = secrets.get(BEARER_TOKEN_SECRET).cloned();
                let headers = with_prefix(HEADER_SECRET_PREFIX);
                Ok(match kind {
                    "sse" => Transport::Sse { url, bearer_token, headers },
                    _ => Transport::StreamableHttp { url, bearer_token, headers },
                })
            }
            (Self::Stdio { command, args }, "stdio") => {
                Ok(Transport::Stdio { command, args, env: with_prefix(ENV_SECRET_PREFIX) })
            }
            (Self::Endpoint { .. } | Self::Stdio { .. }, kind) => Err(format!("transport `{kind}` with such a config")),
        }
    }
}

/// The secrets of a transport, by the names that they are stored under.
fn secrets_of(transport: &Transport) -> Vec<(String, &Secret)> {
    match transport {
        Transport::StreamableHttp { bearer_token, headers, .. } | Transport::Sse { bearer_token, headers, .. } => {
            let bearer = bearer_token.iter().map(|token| (BEARER_TOKEN_SECRET.to_owned(), token));
            let custom = headers.iter().map(|(name, value)| (format!("{HEADER_SECRET_PREFIX}{name}"), value));
            bearer.chain(custom).collect()
        }
        Transport::Stdio { env, .. } => {
            env.iter().map(|(name, value)| (format!("{ENV_SECRET_PREFIX}{name}"), value)).collect()
        }
    }
}

/// Reads the columns `name`, `description`, `transport`, `config`, `session_mode`,
/// `tool_sync_interval_seconds` and `audit`.
pub(super) fn read_server(row: &AnyRow, secrets: BTreeMap<String, Secret>) -> Result<Server, StoreError> {
    let name = read_name(row.try_get("name")?)?;
    let unreadable = |what: String| StoreError::Unreadable(format!("server `{name}`: {what}"));
    let config: Config =
        serde_json::from_str(row.try_get("config")?).map_err(|error| unreadable(format!("its config: {error}")))?;
    let transport = config.with_secrets(row.try_get("transport")?, &secrets).map_err(unreadable)?;
    let session_mode: &str = row.try_get("session_mode")?;
    let session_mode =
        SessionMode::parse(session_mode).ok_or_else(|| unreadable(format!("session mode `{session_mode}`")))?;
    let interval: i64 = row.try_get("tool_sync_interval_seconds")?;
    let tool_sync_interval_seconds =
        u32::try_from(interval).map(NonZeroU32::new).map_err(|_| unreadable(format!("sync interval {interval}")))?;
    let audit = match row.try_get("audit")? {
        "" => None,
        written => Some(serde_json::from_str(written).map_err(|error| unreadable(format!("its audit: {error}")))?),
    };
    let description = row.try_get("description")?;
    Ok(Server { name, description, transport, session_mode, tool_sync_interval_seconds, audit })
}

pub(super) fn read_name(name: &str) -> Result<ServerName, StoreError> {
    ServerName::parse(name).map_err(|error| StoreError::Unreadable(error.to_string()))
}
