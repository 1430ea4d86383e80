//! Keeping what a server offers up to date, without a write where nothing has changed.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::{AnyConnection, Row};

use crate::pipeline::ItemKind;
use crate::server::Server;
use crate::store::error::bounded;
use crate::store::items::{read_items_of, storable_items, write_offer};
use crate::store::servers::{Found, initialize_text, read_server, touch_server};
use crate::store::{Store, StoreError};
use crate::upstream::Offer;

impl Store {
    /// Makes what is stored of a server what it offers by now. What is there already
    /// stays enabled or disabled; what is new is enabled as the server is. Items of
    /// the kinds in `unread` stay as they are.
    ///
    /// `false`, and nothing is written, if that is what is stored, or if the server is
    /// not registered as `server` any more.
    pub async fn update_offer(&self, server: &Server, offer: &Offer, unread: &[ItemKind]) -> Result<bool, StoreError> {
        // Without the lock for changes: most of the time there is nothing to do.
        let is_outdated = bounded(async {
            let mut reading = self.pool.acquire().await?;
            self.find_outdated(&mut reading, server, offer, unread).await
        });
        if is_outdated.await?.is_none() {
            return Ok(false);
        }
        let mut change = self.begin_change().await?;
        let updated = bounded(async {
            let (revision, now_ms) = (change.revision, change.now_ms);
            let Some(found) = self.find_outdated(change.connection(), server, offer, unread).await? else {
                return Ok::<_, StoreError>(None);
            };
            sqlx::query("UPDATE servers SET initialize = $2 WHERE id = $1")
                .bind(found.id)
                .bind(initialize_text(offer)?)
                .execute(change.connection())
                .await?;
            write_offer(change.connection(), found.id, &server.name, offer, unread, found.enabled).await?;
            touch_server(change.connection(), found.id, revision, now_ms).await?;
            Ok(Some(()))
        });
        let updated = updated.await?;
        Ok(change.end(updated).await?.is_some())
    }

    /// The server, if it is registered like this and something else is stored of it than `offer`.
    async fn find_outdated(
        &self,
        connection: &mut AnyConnection,
        server: &Server,
        offer: &Offer,
        unread: &[ItemKind],
    ) -> Result<Option<Found>, StoreError> {
        let query = "SELECT id, name, description, transport, config, session_mode, tool_sync_interval_seconds, audit, \
                     enabled, initialize FROM servers WHERE name = $1";
        let row = sqlx::query(query).bind(server.name.as_str()).fetch_optional(&mut *connection).await?;
        let Some(row) = row else { return Ok(None) };
        let found = Found { id: row.try_get("id")?, enabled: row.try_get::<i64, _>("enabled")? != 0 };
        let secrets = self.read_secrets_of(connection, found.id).await?;
        if read_server(&row, secrets)? != *server {
            return Ok(None);
        }
        let stored: HashMap<_, _> = read_items_of(connection, found.id)
            .await?
            .into_iter()
            .filter(|item| !unread.contains(&item.kind))
            .map(|item| ((item.kind, item.key), item.definition))
            .collect();
        let offered: Vec<_> = storable_items(&server.name, offer, unread).collect();
        // Their order is no change: some servers list what they have in any order.
        let is_same = is_same_json(row.try_get::<String, _>("initialize")?.as_bytes(), &offer.initialize)
            && stored.len() == offered.len()
            && offered.into_iter().all(|item| {
                stored.get(&(item.kind, item.key)).is_some_and(|stored| is_same_json(stored, &item.definition))
            });
        Ok((!is_same).then_some(found))
    }
}

/// Whether two documents say the same, however they are written.
fn is_same_json(one: &[u8], other: &[u8]) -> bool {
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    one == other || parse(one).is_some_and(|one| Some(one) == parse(other))
}
