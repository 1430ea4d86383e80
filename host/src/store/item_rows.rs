//! The rows of items: reading a server's, and writing many in one statement.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::catalog::OfferedItem;
use crate::pipeline::ItemKind;
use crate::store::{ItemRecord, StoreError};

/// How many rows one statement writes: far fewer parameters than either database takes.
const ROWS_AT_ONCE: usize = 100;

/// An item with what only the store needs of it.
pub(super) struct ItemRow {
    pub(super) record: ItemRecord,
    pub(super) position: i64,
    /// Not so for a disabled item that its server lists no longer, of which nobody else hears.
    pub(super) is_offered: bool,
}

/// All rows of a server, kind by kind, in the upstream's order.
pub(super) async fn read_rows(connection: &mut AnyConnection, server_id: i64) -> Result<Vec<ItemRow>, StoreError> {
    let query = "SELECT id, kind, item_key, definition, enabled, position, offered FROM items \
                 WHERE server_id = $1 ORDER BY position";
    let rows = sqlx::query(query).bind(server_id).fetch_all(connection).await?;
    let read = |row: &AnyRow| {
        let (record, position) = (read_item(row)?, row.try_get("position")?);
        Ok(ItemRow { record, position, is_offered: row.try_get::<i64, _>("offered")? != 0 })
    };
    let mut items = rows.iter().map(read).collect::<Result<Vec<_>, StoreError>>()?;
    items.sort_by_key(|item| item.record.kind);
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

/// Adds items at their positions.
pub(super) async fn insert_items(
    connection: &mut AnyConnection,
    server_id: i64,
    enabled: bool,
    items: &[(i64, OfferedItem)],
) -> Result<(), StoreError> {
    for items in items.chunks(ROWS_AT_ONCE) {
        let rows = rows_of_parameters(items.len(), 6);
        let statement =
            format!("INSERT INTO items (server_id, kind, item_key, position, definition, enabled) VALUES {rows}");
        let mut insert = sqlx::query(AssertSqlSafe(statement));
        for (position, item) in items {
            insert = insert.bind(server_id).bind(kind_word(item.kind)).bind(item.key.as_str()).bind(*position);
            insert = insert.bind(definition_text(&item.definition)?).bind(i64::from(enabled));
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Gives items, by their ids, other positions and definitions; they are offered now.
pub(super) async fn update_items(
    connection: &mut AnyConnection,
    items: &[(i64, i64, OfferedItem)],
) -> Result<(), StoreError> {
    for items in items.chunks(ROWS_AT_ONCE) {
        let rows = rows_of_parameters(items.len(), 3);
        // Both databases name the columns of VALUES like this.
        let statement = format!(
            "UPDATE items SET position = changed.column2, definition = changed.column3, offered = 1 \
             FROM (VALUES {rows}) AS changed WHERE items.id = changed.column1"
        );
        let mut update = sqlx::query(AssertSqlSafe(statement));
        for (id, position, item) in items {
            update = update.bind(*id).bind(*position).bind(definition_text(&item.definition)?);
        }
        update.execute(&mut *connection).await?;
    }
    Ok(())
}

/// What can be done to items alike.
#[derive(Debug, Clone, Copy)]
pub(super) enum ItemChange {
    Enable,
    Disable,
    /// The server lists it no longer, which may pass.
    Withdraw,
    Delete,
}

/// Does the same to each of these items.
pub(super) async fn change_items(
    connection: &mut AnyConnection,
    change: ItemChange,
    ids: &[i64],
) -> Result<(), StoreError> {
    let change = match change {
        ItemChange::Enable => "UPDATE items SET enabled = 1",
        ItemChange::Disable => "UPDATE items SET enabled = 0",
        ItemChange::Withdraw => "UPDATE items SET offered = 0",
        ItemChange::Delete => "DELETE FROM items",
    };
    for ids in ids.chunks(ROWS_AT_ONCE) {
        let statement = format!("{change} WHERE id IN {}", rows_of_parameters(1, ids.len()));
        let statement = ids.iter().fold(sqlx::query(AssertSqlSafe(statement)), |statement, id| statement.bind(*id));
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// `($1, $2), ($3, $4)` for two rows of two columns.
fn rows_of_parameters(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let parameters: Vec<_> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", parameters.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

fn definition_text(definition: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(definition).map_err(|_| StoreError::Unreadable("a definition that is not UTF-8".into()))
}

pub(super) fn kind_word(kind: ItemKind) -> &'static str {
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
