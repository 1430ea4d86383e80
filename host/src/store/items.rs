//! Storing what servers offer.

use std::collections::HashMap;

use sqlx::AnyConnection;

use crate::catalog::{OfferedItem, read_offer};
use crate::names::ServerName;
use crate::pipeline::ItemKind;
use crate::store::error::bounded;
use crate::store::item_rows::{ItemChange, ItemRow, change_items, insert_items, kind_word, read_rows, update_items};
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
        let mut is_known = false;
        let changed = bounded(async {
            let (revision, now_ms) = (change.revision, change.now_ms);
            let Some(found) = find_server(change.connection(), server).await? else {
                return Ok::<_, StoreError>(None);
            };
            let mut rows = read_rows(change.connection(), found.id).await?;
            rows.retain(|row| row.record.kind == kind && key.is_none_or(|key| row.record.key == key));
            is_known = key.is_none() || rows.iter().any(|row| row.is_offered);
            if !is_known {
                return Ok(None);
            }
            let changed = write_enabled(change.connection(), rows, enabled).await?;
            if changed.is_some() {
                touch_server(change.connection(), found.id, revision, now_ms).await?;
            }
            Ok(changed)
        });
        let changed = changed.await?;
        let changed = change.end(changed).await?.unwrap_or_default();
        Ok(is_known.then(|| changed.into_iter().map(|item| item.key).collect()))
    }
}

/// Gives all these items one state. Returns those that had another; `None` if no row had to be written.
pub(super) async fn write_enabled(
    connection: &mut AnyConnection,
    rows: Vec<ItemRow>,
    enabled: bool,
) -> Result<Option<Vec<ItemRecord>>, StoreError> {
    let (offered, withdrawn): (Vec<_>, Vec<_>) =
        rows.into_iter().filter(|row| row.record.enabled != enabled).partition(|row| row.is_offered);
    if offered.is_empty() && withdrawn.is_empty() {
        return Ok(None);
    }
    let changed: Vec<_> = offered.into_iter().map(|row| row.record).collect();
    let ids: Vec<_> = changed.iter().map(|item| item.id).collect();
    let change = if enabled { ItemChange::Enable } else { ItemChange::Disable };
    change_items(connection, change, &ids).await?;
    // They were kept for being disabled.
    let ids: Vec<_> = withdrawn.iter().map(|row| row.record.id).collect();
    change_items(connection, ItemChange::Delete, &ids).await?;
    Ok(Some(changed))
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
/// server is, and one that has gone is disabled still if it comes back.
pub(super) async fn write_offer(
    connection: &mut AnyConnection,
    server_id: i64,
    server: &ServerName,
    offer: &Offer,
    unread: &[ItemKind],
    enabled: bool,
) -> Result<(), StoreError> {
    let mut old: HashMap<(ItemKind, String), ItemRow> = read_rows(connection, server_id)
        .await?
        .into_iter()
        .filter(|row| !unread.contains(&row.record.kind))
        .map(|row| ((row.record.kind, row.record.key.clone()), row))
        .collect();
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (position, item) in (0_i64..).zip(storable_items(server, offer, unread)) {
        match old.remove(&(item.kind, item.key.clone())) {
            Some(row) if row.is_offered && row.position == position && row.record.definition == item.definition => {}
            Some(row) => changed.push((row.record.id, position, item)),
            None => new.push((position, item)),
        }
    }
    update_items(connection, &changed).await?;
    insert_items(connection, server_id, enabled, &new).await?;
    // Of a server that is disabled, or enabled again, all items are so: there is no state to keep.
    let (kept, gone): (Vec<_>, Vec<_>) = old.into_values().partition(|row| enabled && !row.record.enabled);
    let ids = |rows: &[ItemRow]| rows.iter().map(|row| row.record.id).collect::<Vec<_>>();
    change_items(connection, ItemChange::Withdraw, &ids(&kept)).await?;
    change_items(connection, ItemChange::Delete, &ids(&gone)).await
}

/// What a server offers as far as is known, kind by kind, in the upstream's order.
pub(super) async fn read_items_of(
    connection: &mut AnyConnection,
    server_id: i64,
) -> Result<Vec<ItemRecord>, StoreError> {
    let rows = read_rows(connection, server_id).await?;
    Ok(rows.into_iter().filter(|row| row.is_offered).map(|row| row.record).collect())
}
