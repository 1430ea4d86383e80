//! Storing tool groups.

use sqlx::{AnyConnection, Row};

use crate::group::ToolGroup;
use crate::names::GroupName;
use crate::store::config_dir::forget_folder;
use crate::store::error::bounded;
use crate::store::{Store, StoreError};

impl Store {
    /// Stores a group that is new; a taken name is [`StoreError::AlreadyExists`].
    pub async fn create_group(&self, group: &ToolGroup) -> Result<(), StoreError> {
        let mut change = self.begin_change().await?;
        let created = bounded(async {
            let now_ms = change.now_ms;
            if find_group(change.connection(), &group.name).await?.is_some() {
                return Ok::<_, StoreError>(None);
            }
            sqlx::query("INSERT INTO tool_groups (name, definition, created_at, updated_at) VALUES ($1, $2, $3, $3)")
                .bind(group.name.as_str())
                .bind(write_group(group))
                .bind(now_ms)
                .execute(change.connection())
                .await?;
            Ok(Some(()))
        });
        let created = created.await?;
        let taken = || StoreError::AlreadyExists { kind: "tool group", name: group.name.to_string() };
        change.end(created).await?.ok_or_else(taken)
    }

    /// Replaces a group; returns the old one, `None` (and stores nothing) if there was none.
    pub async fn update_group(&self, group: &ToolGroup) -> Result<Option<ToolGroup>, StoreError> {
        let mut change = self.begin_change().await?;
        let replaced = bounded(async {
            let now_ms = change.now_ms;
            let Some(old) = find_group(change.connection(), &group.name).await? else {
                return Ok::<_, StoreError>(None);
            };
            sqlx::query("UPDATE tool_groups SET definition = $2, updated_at = $3 WHERE name = $1")
                .bind(group.name.as_str())
                .bind(write_group(group))
                .bind(now_ms)
                .execute(change.connection())
                .await?;
            Ok(Some(old))
        });
        let replaced = replaced.await?;
        change.end(replaced).await
    }

    /// Takes back what was written: stores the group as it was before, or removes it if there was
    /// none. `false`, and nothing is done, if it has been changed since.
    pub async fn take_back_group(&self, written: &ToolGroup, old: Option<&ToolGroup>) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let now_ms = change.now_ms;
        let (name, definition) = (written.name.as_str(), write_group(written));
        let query = match old {
            None => {
                sqlx::query("DELETE FROM tool_groups WHERE name = $1 AND definition = $2").bind(name).bind(definition)
            }
            Some(old) => sqlx::query(
                "UPDATE tool_groups SET definition = $3, updated_at = $4 WHERE name = $1 AND definition = $2",
            )
            .bind(name)
            .bind(definition)
            .bind(write_group(old))
            .bind(now_ms),
        };
        let affected = bounded(query.execute(change.connection())).await?.rows_affected();
        Ok(change.end((affected > 0).then_some(())).await?.is_some())
    }

    /// Removes a group; `false` if there was none.
    pub async fn delete_group(&self, name: &GroupName) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let deleted = bounded(async {
            let deleted = sqlx::query("DELETE FROM tool_groups WHERE name = $1")
                .bind(name.as_str())
                .execute(change.connection())
                .await?;
            forget_folder(change.connection(), "group", name.as_str()).await?;
            Ok::<_, StoreError>((deleted.rows_affected() > 0).then_some(()))
        });
        let deleted = deleted.await?;
        Ok(change.end(deleted).await?.is_some())
    }
}

/// All groups, sorted by name.
pub(super) async fn read_groups(connection: &mut AnyConnection) -> Result<Vec<ToolGroup>, StoreError> {
    let rows = sqlx::query("SELECT definition FROM tool_groups").fetch_all(connection).await?;
    let mut groups = rows.iter().map(|row| read_group(row.try_get(0)?)).collect::<Result<Vec<_>, _>>()?;
    // Sorted here: how a database orders text depends on its collation.
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}

async fn find_group(connection: &mut AnyConnection, name: &GroupName) -> Result<Option<ToolGroup>, StoreError> {
    let row = sqlx::query("SELECT definition FROM tool_groups WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| read_group(row.try_get(0)?)).transpose()
}

fn write_group(group: &ToolGroup) -> String {
    serde_json::to_string(group).expect("a group is names and text, which serialise")
}

fn read_group(definition: &str) -> Result<ToolGroup, StoreError> {
    serde_json::from_str(definition).map_err(|error| StoreError::Unreadable(format!("a tool group: {error}")))
}
