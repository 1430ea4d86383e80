//! Storing clients and users, and the digests of their tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::identity::{FIRST_ADMIN, IdentityKind, IdentityRecord, Role, StoredToken, TokenDigest};
use crate::pipeline::Mode;
use crate::store::change::Change;
use crate::store::error::bounded;
use crate::store::{Store, StoreError};

const CLIENT: &str = "client";
const USER: &str = "user";

/// A client or user to be stored.
#[derive(Debug, Clone)]
pub struct NewIdentity<'a> {
    /// What it is.
    pub kind: IdentityKind,
    /// Not taken by another of its kind.
    pub name: &'a str,
    /// For people; may be empty.
    pub description: &'a str,
    /// A client's allow-list.
    pub allow: &'a [String],
    /// Of its token.
    pub digest: TokenDigest,
}

/// What is to change about an identity; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct IdentityUpdate {
    /// For people; may be empty.
    pub description: Option<String>,
    /// A client's allow-list.
    pub allow: Option<Vec<String>>,
    /// A user's role.
    pub role: Option<Role>,
    /// A new token in the place of the one it has.
    pub token: Option<NewToken>,
}

/// A token that replaces another.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Of the new token.
    pub digest: TokenDigest,
    /// How long the old one lives on beside it. Tokens that were living on already go at once
    /// if it is zero.
    pub grace: Duration,
}

/// A client or user, by what tells it from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityRef<'a> {
    /// The client of this name.
    Client(&'a str),
    /// The user of this name.
    User(&'a str),
}

impl<'a> IdentityRef<'a> {
    fn kind(self) -> &'static str {
        match self {
            Self::Client(_) => CLIENT,
            Self::User(_) => USER,
        }
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Client(name) | Self::User(name) => name,
        }
    }
}

/// Whether the name of a removed identity was a client's or a user's, and the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdentityKey {
    /// A client's.
    Client(Arc<str>),
    /// A user's.
    User(Arc<str>),
}

impl IdentityKey {
    /// Of an identity.
    pub fn of(record: &IdentityRecord) -> Self {
        match record.kind {
            IdentityKind::Client => Self::Client(Arc::clone(&record.name)),
            IdentityKind::User(_) => Self::User(Arc::clone(&record.name)),
        }
    }
}

/// What has changed about identities.
#[derive(Debug, Clone, Default)]
pub struct StoredIdentities {
    /// Whether `changed` is all that there are, and not only what is newer than the caller knows.
    pub is_everything: bool,
    /// Deleted ones.
    pub removed: Vec<IdentityKey>,
    /// New and changed ones.
    pub changed: Vec<IdentityRecord>,
}

/// What became of an attempt to initialise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialization {
    /// It was done now.
    Done,
    /// It had been done before, in this mode.
    AlreadyDone(Mode),
}

impl Store {
    /// How the gateway was initialised, if it was.
    pub async fn initialized_mode(&self) -> Result<Option<Mode>, StoreError> {
        let mut connection = bounded(self.pool.acquire()).await?;
        bounded(read_initialization(&mut connection)).await
    }

    /// Initialises, once: keeps the mode and, in enterprise mode, makes the first
    /// administrator, known by the token of this digest.
    pub async fn initialize(&self, mode: Mode, admin: Option<TokenDigest>) -> Result<Initialization, StoreError> {
        // Usually it was done long ago: then nothing need be written.
        if let Some(mode) = self.initialized_mode().await? {
            return Ok(Initialization::AlreadyDone(mode));
        }
        let mut change = self.begin_change().await?;
        let outcome = bounded(async {
            if let Some(mode) = read_initialization(change.connection()).await? {
                return Ok::<_, StoreError>(Err(mode));
            }
            let now_ms = change.now_ms;
            sqlx::query("INSERT INTO initialization (id, mode, at) VALUES (1, $1, $2)")
                .bind(mode.as_str())
                .bind(now_ms)
                .execute(change.connection())
                .await?;
            if let Some(digest) = admin {
                let admin = NewIdentity {
                    kind: IdentityKind::User(Role::Admin),
                    name: FIRST_ADMIN,
                    description: "",
                    allow: &[],
                    digest,
                };
                insert_identity(&mut change, &admin).await?;
            }
            Ok(Ok(()))
        });
        let outcome = outcome.await?;
        change.end(outcome.ok()).await?;
        Ok(match outcome {
            Ok(()) => Initialization::Done,
            Err(mode) => Initialization::AlreadyDone(mode),
        })
    }

    /// Stores a client or user that is new. A taken name is [`StoreError::AlreadyExists`], a token
    /// that is in use already [`StoreError::TokenTaken`].
    pub async fn create_identity(&self, identity: &NewIdentity<'_>) -> Result<(), StoreError> {
        let mut change = self.begin_change().await?;
        let created = bounded(async {
            let of = identity.reference();
            if find_identity(change.connection(), of).await?.is_some() {
                let kind = match of {
                    IdentityRef::Client(_) => "MCP client",
                    IdentityRef::User(_) => "user",
                };
                return Err(StoreError::AlreadyExists { kind, name: of.name().to_owned() });
            }
            insert_identity(&mut change, identity).await
        });
        created.await?;
        change.end(Some(())).await?;
        Ok(())
    }

    /// Changes a client or user; `false` if there is none of that name. A token that is in use
    /// already is [`StoreError::TokenTaken`], to make the last administrator a mere user
    /// [`StoreError::LastAdmin`].
    pub async fn update_identity(&self, of: IdentityRef<'_>, update: &IdentityUpdate) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let updated = bounded(async {
            let Some(found) = find_identity(change.connection(), of).await? else { return Ok::<_, StoreError>(None) };
            if found.is_admin && update.role == Some(Role::User) && count_admins(change.connection()).await? < 2 {
                return Err(StoreError::LastAdmin);
            }
            update_identity(&mut change, found.id, update).await?;
            Ok(Some(()))
        });
        let updated = updated.await?;
        Ok(change.end(updated).await?.is_some())
    }

    /// Removes a client or user with its tokens; `false` if there is none of that name. An
    /// administrator stays: [`StoreError::AdminIsKept`].
    pub async fn delete_identity(&self, of: IdentityRef<'_>) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let deleted = bounded(async {
            let Some(found) = find_identity(change.connection(), of).await? else { return Ok::<_, StoreError>(None) };
            if found.is_admin {
                return Err(StoreError::AdminIsKept);
            }
            let revision = change.revision;
            sqlx::query("DELETE FROM identities WHERE id = $1").bind(found.id).execute(change.connection()).await?;
            sqlx::query("INSERT INTO removed_identities (kind, name, revision) VALUES ($1, $2, $3)")
                .bind(of.kind())
                .bind(of.name())
                .bind(revision)
                .execute(change.connection())
                .await?;
            Ok(Some(()))
        });
        let deleted = deleted.await?;
        Ok(change.end(deleted).await?.is_some())
    }
}

impl<'a> NewIdentity<'a> {
    fn reference(&self) -> IdentityRef<'a> {
        match self.kind {
            IdentityKind::Client => IdentityRef::Client(self.name),
            IdentityKind::User(_) => IdentityRef::User(self.name),
        }
    }
}

pub(super) async fn read_initialization(connection: &mut AnyConnection) -> Result<Option<Mode>, StoreError> {
    let row = sqlx::query("SELECT mode FROM initialization WHERE id = 1").fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let word: &str = row.try_get(0)?;
    Mode::parse(word).map(Some).ok_or_else(|| StoreError::Unreadable(format!("the mode `{word}`")))
}

/// Those that changed after a revision, or all if that is 0.
pub(super) async fn read_identities(
    connection: &mut AnyConnection,
    after: i64,
) -> Result<StoredIdentities, StoreError> {
    let is_everything = after == 0;
    let mut read = StoredIdentities { is_everything, ..StoredIdentities::default() };
    if !is_everything {
        let query = "SELECT kind, name FROM removed_identities WHERE revision > $1";
        for row in sqlx::query(query).bind(after).fetch_all(&mut *connection).await? {
            let name: Arc<str> = row.try_get::<&str, _>("name")?.into();
            read.removed.push(match row.try_get("kind")? {
                CLIENT => IdentityKey::Client(name),
                _ => IdentityKey::User(name),
            });
        }
    }
    let query = "SELECT identity_id, digest, expires_at FROM access_tokens \
                 JOIN identities ON identities.id = identity_id WHERE revision > $1";
    let mut tokens: HashMap<i64, Vec<StoredToken>> = HashMap::new();
    for row in sqlx::query(query).bind(after).fetch_all(&mut *connection).await? {
        let digest = TokenDigest::parse(row.try_get("digest")?)
            .ok_or_else(|| StoreError::Unreadable("the digest of an access token".to_owned()))?;
        let token = StoredToken { digest, expires_at_ms: row.try_get("expires_at")? };
        tokens.entry(row.try_get("identity_id")?).or_default().push(token);
    }
    let query = "SELECT id, kind, name, role, description, allow_list, created_at, updated_at FROM identities \
                 WHERE revision > $1";
    for row in sqlx::query(query).bind(after).fetch_all(&mut *connection).await? {
        let tokens = tokens.remove(&row.try_get("id")?).unwrap_or_default();
        read.changed.push(read_identity(&row, tokens)?);
    }
    Ok(read)
}

fn read_identity(row: &AnyRow, tokens: Vec<StoredToken>) -> Result<IdentityRecord, StoreError> {
    let name: Arc<str> = row.try_get::<&str, _>("name")?.into();
    let kind = match (row.try_get("kind")?, row.try_get("role")?) {
        (CLIENT, _) => IdentityKind::Client,
        (_, role) => IdentityKind::User(
            Role::parse(role).ok_or_else(|| StoreError::Unreadable(format!("the role `{role}` of user `{name}`")))?,
        ),
    };
    let allow = serde_json::from_str(row.try_get("allow_list")?)
        .map_err(|error| StoreError::Unreadable(format!("the allow-list of client `{name}`: {error}")))?;
    Ok(IdentityRecord {
        id: row.try_get("id")?,
        kind,
        name,
        description: row.try_get("description")?,
        allow,
        tokens,
        created_at_ms: row.try_get("created_at")?,
        updated_at_ms: row.try_get("updated_at")?,
    })
}

/// As much of a stored identity as a change of it depends on.
pub(super) struct Found {
    pub(super) id: i64,
    is_admin: bool,
}

pub(super) async fn find_identity(
    connection: &mut AnyConnection,
    of: IdentityRef<'_>,
) -> Result<Option<Found>, StoreError> {
    let query = "SELECT id, role FROM identities WHERE kind = $1 AND name = $2";
    let row = sqlx::query(query).bind(of.kind()).bind(of.name()).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let role: &str = row.try_get("role")?;
    Ok(Some(Found { id: row.try_get("id")?, is_admin: role == Role::Admin.as_str() }))
}

async fn count_admins(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let query = sqlx::query("SELECT COUNT(*) FROM identities WHERE kind = $1 AND role = $2");
    Ok(query.bind(USER).bind(Role::Admin.as_str()).fetch_one(connection).await?.try_get(0)?)
}

pub(super) async fn insert_identity(change: &mut Change<'_>, identity: &NewIdentity<'_>) -> Result<(), StoreError> {
    let (revision, now_ms, of) = (change.revision, change.now_ms, identity.reference());
    let role = match identity.kind {
        IdentityKind::Client => "",
        IdentityKind::User(role) => role.as_str(),
    };
    let insert = "INSERT INTO identities (kind, name, role, description, allow_list, revision, created_at, updated_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id";
    let row = sqlx::query(insert)
        .bind(of.kind())
        .bind(of.name())
        .bind(role)
        .bind(identity.description)
        .bind(allow_text(identity.allow))
        .bind(revision)
        .bind(now_ms)
        .fetch_one(change.connection())
        .await?;
    sqlx::query("DELETE FROM removed_identities WHERE kind = $1 AND name = $2")
        .bind(of.kind())
        .bind(of.name())
        .execute(change.connection())
        .await?;
    insert_token(change, row.try_get(0)?, &identity.digest).await
}

/// Each thing by a statement of its own: rarely more than one changes.
pub(super) async fn update_identity(
    change: &mut Change<'_>,
    id: i64,
    update: &IdentityUpdate,
) -> Result<(), StoreError> {
    let (revision, now_ms) = (change.revision, change.now_ms);
    sqlx::query("UPDATE identities SET revision = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(revision)
        .bind(now_ms)
        .execute(change.connection())
        .await?;
    let texts = [
        ("UPDATE identities SET description = $2 WHERE id = $1", update.description.clone()),
        ("UPDATE identities SET allow_list = $2 WHERE id = $1", update.allow.as_deref().map(allow_text)),
        ("UPDATE identities SET role = $2 WHERE id = $1", update.role.map(|role| role.as_str().to_owned())),
    ];
    for (statement, text) in texts {
        if let Some(text) = text {
            sqlx::query(statement).bind(id).bind(text).execute(change.connection()).await?;
        }
    }
    match &update.token {
        Some(token) => replace_token(change, id, token).await,
        None => Ok(()),
    }
}

async fn replace_token(change: &mut Change<'_>, id: i64, token: &NewToken) -> Result<(), StoreError> {
    let now_ms = change.now_ms;
    let current = sqlx::query("SELECT digest FROM access_tokens WHERE identity_id = $1 AND expires_at IS NULL")
        .bind(id)
        .fetch_optional(change.connection())
        .await?;
    let is_current = match current {
        Some(row) => row.try_get::<&str, _>(0)? == token.digest.to_string(),
        None => false,
    };
    // With the token that it has, it is only the older ones that can still change.
    let outlives = if is_current { " AND expires_at IS NOT NULL" } else { "" };
    if token.grace.is_zero() {
        let statement = format!("DELETE FROM access_tokens WHERE identity_id = $1{outlives}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).execute(change.connection()).await?;
    } else if !is_current {
        let grace_ms = i64::try_from(token.grace.as_millis()).unwrap_or(i64::MAX);
        // Of several that live on only the latest does: what is rotated again is wanted gone.
        sqlx::query("DELETE FROM access_tokens WHERE identity_id = $1 AND expires_at IS NOT NULL")
            .bind(id)
            .execute(change.connection())
            .await?;
        sqlx::query("UPDATE access_tokens SET expires_at = $2 WHERE identity_id = $1")
            .bind(id)
            .bind(now_ms.saturating_add(grace_ms))
            .execute(change.connection())
            .await?;
    }
    if is_current { Ok(()) } else { insert_token(change, id, &token.digest).await }
}

/// Two identities with one token could not be told apart. One that has expired is nobody's any more.
async fn insert_token(change: &mut Change<'_>, id: i64, digest: &TokenDigest) -> Result<(), StoreError> {
    let now_ms = change.now_ms;
    // Others that have expired go with their owners, or when those get new ones: an identity has one at
    // most, and looking through all tokens would make each change slower the more clients there are.
    sqlx::query("DELETE FROM access_tokens WHERE digest = $1 AND expires_at <= $2")
        .bind(digest.to_string())
        .bind(now_ms)
        .execute(change.connection())
        .await?;
    let insert = "INSERT INTO access_tokens (digest, identity_id) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    let inserted =
        sqlx::query(insert).bind(digest.to_string()).bind(id).execute(change.connection()).await?.rows_affected();
    if inserted == 0 {
        return Err(StoreError::TokenTaken);
    }
    Ok(())
}

fn allow_text(allow: &[String]) -> String {
    serde_json::to_string(allow).expect("text serialises")
}
