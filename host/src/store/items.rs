//! Storing what servers offer.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::catalog::{OfferedItem, read_offer};
use crate::names::ServerName;
use crate::pipeline::ItemKind;
use crate::store::servers::{find_server, touch_server};
use crate::store::{ItemRecord, Store, StoreError};
use crate::upstream::Offer;

impl Store {
    /// Enables or disables one item, or all of a kind (`key` is `None`). Returns
    /// the keys whose state changed; `None` if there is no such server or item.
    pub async fn set_items_enabled(
        &self,
        server: &ServerName,
        kind: ItemKind,
        key: Option<&str>,
        enabled: bool,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let mut change = self.begin_change().await?;
        let (revision, now_ms) = (change.revision, change.now_ms);
        let Some(found) = find_server(change.connection(), server).await? else {
            change.abandon().await?;
            return Ok(None);
        };
        let mut items = read_items_of(change.connection(), found.id).await?;
        items.retain(|item| item.kind == kind && key.is_none_or(|key| item.key == key));
        if key.is_some() && items.is_empty() {
            change.abandon().await?;
            return Ok(None);
        }
        items.retain(|item| item.enabled != enabled);
        if items.is_empty() {
            change.abandon().await?;
            return Ok(Some(Vec::new()));
        }
        for item in &items {
            write_enabled(change.connection(), item.id, enabled).await?;
        }
        touch_server(change.connection(), found.id, revision, now_ms).await?;
        change.commit().await?;
        Ok(Some(items.into_iter().map(|item| item.key).collect()))
    }
}

/// The items of an offer that can be stored, but for the kinds in `unread`.
pub(super) fn storable_items(
    server: &ServerName,
    offer: &Offer,
    unread: &[ItemKind],
) -> impl Iterator<Item = OfferedItem> {
    read_offer(server, offer).into_iter().filter(move |item| {
        // PostgreSQL's TEXT holds every character but this one.
        let is_storable = !item.key.contains('\0');
        if !is_storable {
            tracing::warn!(upstream.server = %server, item.kind = kind_word(item.kind), "left out an item whose name holds a NUL");
        }
        is_storable && !unread.contains(&item.kind)
    })
}

/// Makes a server's stored items those of `offer`, but for the kinds in `unread`. An
/// item that was there keeps its id and its state; one that is new is enabled as the
/// server is.
pub(super) async fn write_offer(
    connection: &mut AnyConnection,
    server_id: i64,
    server: &ServerName,
    offer: &Offer,
    unread: &[ItemKind],
    enabled: bool,
) -> Result<(), StoreError> {
    let mut old: HashMap<(ItemKind, String), ItemRecord> = read_items_of(connection, server_id)
        .await?
        .into_iter()
        .filter(|item| !unread.contains(&item.kind))
        .map(|item| ((item.kind, item.key.clone()), item))
        .collect();
    for (position, item) in (0_i64..).zip(storable_items(server, offer, unread)) {
        let definition = definition_text(&item.definition)?;
        match old.remove(&(item.kind, item.key.clone())) {
            Some(known) => {
                sqlx::query("UPDATE items SET position = $2, definition = $3 WHERE id = $1")
                    .bind(known.id)
                    .bind(position)
                    .bind(definition)
                    .execute(&mut *connection)
                    .await?;
            }
            None => {
                sqlx::query(
                    "INSERT INTO items (server_id, kind, item_key, position, definition, enabled) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(server_id)
                .bind(kind_word(item.kind))
                .bind(item.key)
                .bind(position)
                .bind(definition)
                .bind(i64::from(enabled))
                .execute(&mut *connection)
                .await?;
            }
        }
    }
    for gone in old.into_values() {
        sqlx::query("DELETE FROM items WHERE id = $1").bind(gone.id).execute(&mut *connection).await?;
    }
    Ok(())
}

fn definition_text(definition: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(definition).map_err(|_| StoreError::Unreadable("a definition that is not UTF-8".into()))
}

pub(super) async fn write_enabled(
    connection: &mut AnyConnection,
    item_id: i64,
    enabled: bool,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET enabled = $2 WHERE id = $1")
        .bind(item_id)
        .bind(i64::from(enabled))
        .execute(connection)
        .await?;
    Ok(())
}

/// A server's items, kind by kind, in the upstream's order.
pub(super) async fn read_items_of(
    connection: &mut AnyConnection,
    server_id: i64,
) -> Result<Vec<ItemRecord>, StoreError> {
    let query = "SELECT id, kind, item_key, definition, enabled FROM items WHERE server_id = $1 ORDER BY position";
    let rows = sqlx::query(query).bind(server_id).fetch_all(connection).await?;
    let mut items = rows.iter().map(read_item).collect::<Result<Vec<_>, _>>()?;
    items.sort_by_key(|item| item.kind);
    Ok(items)
}

/// Reads the columns `id`, `kind`, `item_key`, `definition` and `enabled`.
pub(super) fn read_item(row: &AnyRow) -> Result<ItemRecord, StoreError> {
    let kind: &str = row.try_get("kind")?;
    Ok(ItemRecord {
        kind: parse_kind(kind).ok_or_else(|| StoreError::Unreadable(format!("an item of kind `{kind}`")))?,
        key: row.try_get("item_key")?,
        definition: row.try_get::<String, _>("definition")?.into(),
        enabled: row.try_get::<i64, _>("enabled")? != 0,
        id: row.try_get("id")?,
    })
}

fn kind_word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "tool",
        ItemKind::Prompt => "prompt",
        ItemKind::Resource => "resource",
        ItemKind::ResourceTemplate => "resource_template",
    }
}

fn parse_kind(word: &str) -> Option<ItemKind> {
    [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate]
        .into_iter()
        .find(|kind| kind_word(*kind) == word)
}
