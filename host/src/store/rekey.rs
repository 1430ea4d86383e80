//! A new secret key: everything that is encrypted under the old one is encrypted anew, in one transaction.

use std::collections::BTreeSet;
use std::path::PathBuf;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::store::change::Change;
use crate::store::error::bounded;
use crate::store::key_file::Succession;
use crate::store::sealed::{Owner, SealedValue, read_sealed};
use crate::store::secret_key::{read_fingerprint, write_fingerprint};
use crate::store::secrets::Opened;
use crate::store::{ConfiguredKey, KeyError, Store, StoreError};

/// Where the new key comes from.
#[derive(Debug, Clone)]
pub enum NewKey {
    /// An administrator provides it.
    Configured(ConfiguredKey),
    /// It is made, and replaces the one in the key file.
    Generated,
}

/// What becomes of secrets that the old key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing is changed while there is one.
    Refuse,
    /// They stay as they are, and so unreadable.
    Keep,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// How many secrets of MCP servers were encrypted anew.
    pub secrets: usize,
    /// Of how many MCP servers.
    pub servers: usize,
    /// How many secrets for plugins were encrypted anew.
    pub plugin_secrets: usize,
    /// Whose secrets are unreadable still.
    pub unreadable: Vec<String>,
    /// Where the new key is, if it was made.
    pub key_file: Option<PathBuf>,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RekeyError {
    #[error("the old key does not open the secrets of {}: nothing was changed", .owners.join(", "))]
    Unreadable { owners: Vec<String> },
    #[error("the new key is the one that the database is under already: nothing was changed")]
    SameKey,
    #[error("a new key is made only in the place of a key file")]
    NoKeyFile,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RekeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Encrypts every secret anew. This store itself stays under the old key: it can store no
    /// secret any more, and is best closed. So can no gateway that runs under the old key.
    pub async fn rekey(&self, new: &NewKey, unreadable: Unreadable) -> Result<Rekeyed, RekeyError> {
        match new {
            NewKey::Configured(key) => {
                let new = Opened::configured(key)?;
                let change = self.begin_change().await?;
                self.reseal(change, &new, unreadable).await
            }
            NewKey::Generated => self.replace_key_file(unreadable).await,
        }
    }

    async fn replace_key_file(&self, unreadable: Unreadable) -> Result<Rekeyed, RekeyError> {
        let path = self.secrets.key_file().ok_or(RekeyError::NoKeyFile)?;
        // The old key is read after this: another rekey may just be replacing it.
        let succession = Succession::begin(path)?;
        if self.is_due(&succession, path).await? {
            // Another was quicker, and cut short. What opens the store next finishes that.
            return Err(KeyError::Wrong { origin: format!("the key file {}", path.display()) }.into());
        }
        if self.secrets.find_key()?.is_none() && self.is_without_secrets().await? {
            return Ok(Rekeyed { secrets: 0, servers: 0, plugin_secrets: 0, unreadable: Vec::new(), key_file: None });
        }
        let new = Opened::of_file(&succession.prepare()?, path)?;
        match self.begin_change().await {
            Ok(change) => match self.reseal(change, &new, unreadable).await {
                Ok(rekeyed) => {
                    succession.complete()?;
                    Ok(Rekeyed { key_file: Some(path.to_owned()), ..rekeyed })
                }
                // It may be the database's by now.
                Err(error @ RekeyError::Store(_)) => Err(error),
                Err(error) => {
                    succession.abandon()?;
                    Err(error)
                }
            },
            Err(error) => {
                succession.abandon()?;
                Err(error.into())
            }
        }
    }

    async fn is_without_secrets(&self) -> Result<bool, StoreError> {
        let mut connection = bounded(self.pool.acquire()).await?;
        Ok(bounded(read_sealed(&mut connection)).await?.is_empty())
    }

    async fn reseal(
        &self,
        mut change: Change<'_>,
        new: &Opened,
        unreadable: Unreadable,
    ) -> Result<Rekeyed, RekeyError> {
        let rekeyed = bounded(async {
            let noted = read_fingerprint(change.connection()).await?;
            let values = read_sealed(change.connection()).await?;
            let Opening { opened, closed } = self.open_all(values, noted.as_deref(), new)?;
            if unreadable == Unreadable::Refuse && !closed.is_empty() {
                return Err(RekeyError::Unreadable { owners: closed });
            }
            for (value, text) in &opened {
                let sealed = new.seal(&value.place, text)?;
                value.replace(change.connection(), sealed).await?;
            }
            write_fingerprint(change.connection(), Some(&new.fingerprint)).await?;
            let owners = || opened.iter().map(|(value, _)| &value.owner);
            // The audit log's key goes along, but is no secret that anybody stored.
            let of_servers = || owners().filter(|owner| matches!(owner, Owner::Server(_)));
            let servers = of_servers().collect::<BTreeSet<_>>().len();
            let plugin_secrets = owners().filter(|owner| matches!(owner, Owner::Plugins(_))).count();
            let secrets = of_servers().count();
            Ok(Rekeyed { secrets, servers, plugin_secrets, unreadable: closed, key_file: None })
        });
        let rekeyed = rekeyed.await?;
        change.end(Some(())).await?;
        Ok(rekeyed)
    }

    fn open_all(&self, values: Vec<SealedValue>, noted: Option<&str>, new: &Opened) -> Result<Opening, RekeyError> {
        let old = match values.is_empty() {
            true => self.secrets.find_key()?,
            false => Some(self.secrets.open_for_reading()?),
        };
        let of_old = old.as_ref().map(|old| old.fingerprint.as_str());
        if noted.or(of_old) == Some(&new.fingerprint) {
            return Err(RekeyError::SameKey);
        }
        let mut opening = Opening::default();
        let Some(old) = old else { return Ok(opening) };
        let mut closed = BTreeSet::new();
        for value in values {
            match old.unseal(&value.place, &value.ciphertext) {
                Ok(text) => opening.opened.push((value, text)),
                Err(_) => drop(closed.insert(value.owner.to_string())),
            }
        }
        // Otherwise all that the right key opens would be given up for lost.
        let is_wrong = opening.opened.is_empty() || noted.is_some_and(|noted| noted != old.fingerprint);
        if is_wrong && !closed.is_empty() {
            return Err(KeyError::Wrong { origin: old.origin }.into());
        }
        opening.closed = closed.into_iter().collect();
        Ok(opening)
    }
}

/// Every encrypted value, tried with the old key.
#[derive(Default)]
struct Opening {
    opened: Vec<(SealedValue, Zeroizing<Vec<u8>>)>,
    /// Whose the values are that it does not open.
    closed: Vec<String>,
}
