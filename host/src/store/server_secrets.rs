//! Reading the secrets of servers, from memory where the database has gone under another key.

use std::collections::{BTreeMap, HashMap};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::secret::Secret;
use crate::store::secret_key::read_fingerprint;
use crate::store::secrets::Place;
use crate::store::servers::read_name;
use crate::store::{KeyError, OpenedSecrets, Store, StoreError};

/// The secrets of a server, by the names that they are stored under; or why they cannot be read.
pub(super) type Secrets = Result<BTreeMap<String, Secret>, StoreError>;

impl Store {
    /// The secrets of all servers changed at `since` or later, by the server's id.
    pub(super) async fn read_secrets(
        &self,
        connection: &mut AnyConnection,
        since: i64,
    ) -> Result<HashMap<i64, Secrets>, StoreError> {
        let query = "SELECT server_id, servers.name AS server_name, server_secrets.name AS secret_name, ciphertext, \
                     secrets_revision FROM server_secrets JOIN servers ON servers.id = server_id WHERE revision >= $1";
        let rows = sqlx::query(query).bind(since).fetch_all(&mut *connection).await?;
        self.open_rows(connection, &rows).await
    }

    /// The secrets of one server.
    pub(super) async fn read_secrets_of(&self, connection: &mut AnyConnection, server_id: i64) -> Secrets {
        let query = "SELECT server_id, servers.name AS server_name, server_secrets.name AS secret_name, ciphertext, \
                     secrets_revision FROM server_secrets JOIN servers ON servers.id = server_id WHERE server_id = $1";
        let rows = sqlx::query(query).bind(server_id).fetch_all(&mut *connection).await?;
        let mut secrets = self.open_rows(connection, &rows).await?;
        secrets.remove(&server_id).unwrap_or_else(|| Ok(BTreeMap::new()))
    }

    async fn open_rows(
        &self,
        connection: &mut AnyConnection,
        rows: &[AnyRow],
    ) -> Result<HashMap<i64, Secrets>, StoreError> {
        let mut secrets: HashMap<i64, Secrets> = HashMap::new();
        let mut revisions = HashMap::new();
        for row in rows {
            let id: i64 = row.try_get("server_id")?;
            revisions.insert(id, row.try_get::<i64, _>("secrets_revision")?);
            let of_server = secrets.entry(id).or_insert_with(|| Ok(BTreeMap::new()));
            match (self.open_row(row), of_server) {
                (Ok((name, value)), Ok(values)) => drop(values.insert(name, value)),
                (Err(error), of_server @ Ok(_)) => *of_server = Err(error),
                (_, Err(_)) => {}
            }
        }
        let is_wrong = |secrets: &Secrets| matches!(secrets, Err(StoreError::Key(KeyError::Wrong { .. })));
        let replaced_key = match secrets.values().any(is_wrong) {
            true => self.find_replaced_key(connection).await?,
            false => None,
        };
        let mut opened = self.opened.lock();
        for (id, secrets) in &mut secrets {
            let revision = revisions.get(id).copied().unwrap_or(0);
            match (&*secrets, &replaced_key) {
                (Ok(values), _) => drop(opened.insert(*id, OpenedSecrets { revision, values: values.clone() })),
                (Err(_), Some(origin)) if is_wrong(secrets) => {
                    // Not those of an earlier registration: they may have been given up, or be for another host.
                    let known = opened.get(id).filter(|known| known.revision == revision);
                    let replaced = || KeyError::Replaced { origin: origin.clone() }.into();
                    *secrets = known.map(|known| known.values.clone()).ok_or_else(replaced);
                }
                (Err(_), _) => {}
            }
        }
        Ok(secrets)
    }

    /// Where our key comes from, if the database has gone under another one.
    async fn find_replaced_key(&self, connection: &mut AnyConnection) -> Result<Option<String>, StoreError> {
        let noted = read_fingerprint(connection).await?;
        let own = self.secrets.open_for_reading()?;
        Ok(noted.is_some_and(|noted| noted != own.fingerprint).then_some(own.origin))
    }

    fn open_row(&self, row: &AnyRow) -> Result<(String, Secret), StoreError> {
        let server = read_name(row.try_get("server_name")?)?;
        let name: String = row.try_get("secret_name")?;
        let place = Place::of_server_secret(server.as_str(), &name);
        let value = self.secrets.unseal(&place, row.try_get("ciphertext")?)?;
        Ok((name, value))
    }
}
