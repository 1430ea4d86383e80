//! When nobody has an administrator's token any more: a new one, by whoever may write to the database.

use sqlx::Row as _;
use thiserror::Error;

use crate::identity::{FIRST_ADMIN, IdentityKind, Role, TokenDigest};
use crate::pipeline::Mode;
use crate::store::change::Change;
use crate::store::error::bounded;
use crate::store::identities::{
    IdentityRef, IdentityUpdate, NewIdentity, NewToken, find_identity, insert_identity, read_initialization,
    update_identity,
};
use crate::store::{Store, StoreError};

/// Whose token was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetToken {
    /// The administrator's name.
    pub user: String,
    /// Whether there was no administrator, so that this one was made.
    pub is_new_admin: bool,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ResetError {
    #[error(
        "this gateway is not initialised, so it has no administrator yet: \
         start it with `mcpjungle start --enterprise` and run `mcpjungle init-server`"
    )]
    NotInitialized,
    #[error(
        "this database is one of development mode, in which nobody needs a token: \
         use the gateway without one, or start one in enterprise mode on a new database"
    )]
    Development,
    #[error("there are several administrators ({}): say which one with --user NAME", .names.join(", "))]
    Several { names: Vec<String> },
    #[error("user {name} is no administrator: there {}", there_are(.admins))]
    NoAdmin { name: String, admins: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ResetError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

fn there_are(admins: &[String]) -> String {
    match admins {
        [] => format!("is none left, and without --user the user {FIRST_ADMIN} is made one"),
        [only] => format!("is {only}"),
        several => format!("are {}", several.join(", ")),
    }
}

impl Store {
    /// Gives an administrator another token; the old ones are good for nothing from then on.
    /// Without a name, the only administrator there is; where none is left, the user `admin`
    /// is made one.
    pub async fn reset_admin_token(&self, name: Option<&str>, digest: TokenDigest) -> Result<ResetToken, ResetError> {
        let mut change = self.begin_change().await?;
        let reset = bounded(async {
            match read_initialization(change.connection()).await? {
                None => return Err(ResetError::NotInitialized),
                Some(Mode::Development) => return Err(ResetError::Development),
                Some(Mode::Enterprise) => {}
            }
            let admins = read_admins(&mut change).await?;
            let (user, is_new_admin) = choose(&admins, name)?;
            give_token(&mut change, &user, digest).await?;
            Ok(ResetToken { user, is_new_admin })
        });
        let reset = reset.await?;
        change.end(Some(())).await?;
        Ok(reset)
    }
}

/// The administrator that is meant, and whether it is to be made one.
fn choose(admins: &[String], name: Option<&str>) -> Result<(String, bool), ResetError> {
    match (name, admins) {
        (Some(name), _) if admins.iter().any(|admin| admin == name) => Ok((name.to_owned(), false)),
        (None | Some(FIRST_ADMIN), []) => Ok((FIRST_ADMIN.to_owned(), true)),
        (Some(name), _) => Err(ResetError::NoAdmin { name: name.to_owned(), admins: admins.to_vec() }),
        (None, [only]) => Ok((only.clone(), false)),
        (None, several) => Err(ResetError::Several { names: several.to_vec() }),
    }
}

async fn read_admins(change: &mut Change<'_>) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query("SELECT name FROM identities WHERE kind = 'user' AND role = $1").bind(Role::Admin.as_str());
    let rows = query.fetch_all(change.connection()).await?;
    let mut names = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    names.sort();
    Ok(names)
}

async fn give_token(change: &mut Change<'_>, user: &str, digest: TokenDigest) -> Result<(), StoreError> {
    match find_identity(change.connection(), IdentityRef::User(user)).await? {
        Some(found) => {
            let update = IdentityUpdate {
                role: Some(Role::Admin),
                token: Some(NewToken { digest, grace: std::time::Duration::ZERO }),
                ..IdentityUpdate::default()
            };
            update_identity(change, found.id, &update).await
        }
        None => {
            let kind = IdentityKind::User(Role::Admin);
            insert_identity(change, &NewIdentity { kind, name: user, description: "", allow: &[], digest }).await
        }
    }
}
