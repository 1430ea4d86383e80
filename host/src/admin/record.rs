//! Describing what is stored: what all records have in common, and parts of raw definitions.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::admin::error::ApiError;
use crate::admin::input::Parameters;
use crate::admin::servers;
use crate::catalog::{CatalogItem, CatalogServer, Snapshot};
use crate::identity::IdentityRecord;
use crate::names::ServerName;
use crate::pipeline::ItemKind;
use crate::wire::{borrowed_text, object_members};

/// The first members of every record. Items change with their server, so its times are theirs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Head {
    #[serde(rename = "ID")]
    id: i64,
    created_at: String,
    updated_at: String,
    /// Always null: what is deleted is gone.
    deleted_at: Option<String>,
}

impl Head {
    pub(super) fn of(server: &CatalogServer, item: &CatalogItem) -> Self {
        Self::new(item.id, server.created_at_ms, server.updated_at_ms)
    }

    pub(super) fn of_identity(record: &IdentityRecord) -> Self {
        Self::new(record.id, record.created_at_ms, record.updated_at_ms)
    }

    fn new(id: i64, created_at_ms: i64, updated_at_ms: i64) -> Self {
        Self { id, created_at: rfc3339(created_at_ms), updated_at: rfc3339(updated_at_ms), deleted_at: None }
    }
}

/// The items of a kind, of the server that the parameter `server` names or of all.
pub(super) fn items<'s>(
    snapshot: &'s Snapshot,
    parameters: &Parameters,
    kind: ItemKind,
) -> Result<Vec<(&'s CatalogServer, &'s Arc<CatalogItem>)>, ApiError> {
    let chosen: Vec<&CatalogServer> = match parameters.get("server").filter(|name| !name.is_empty()) {
        Some(name) => vec![servers::find(snapshot, &ServerName::parse(name)?)?],
        None => snapshot.servers.values().map(AsRef::as_ref).collect(),
    };
    Ok(chosen.into_iter().flat_map(|server| server.items_of(kind).map(move |item| (server, item))).collect())
}

/// A record, or several, as JSON text.
pub(super) fn write(records: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(records).expect("records are text, numbers and JSON that was read before")
}

/// Named members of an item's definition as raw JSON; `None` for one that is not there.
pub(super) fn members<'a, const N: usize>(item: &'a CatalogItem, names: [&str; N]) -> [Option<&'a RawValue>; N] {
    let text = std::str::from_utf8(&item.definition).unwrap_or("{}");
    let found = object_members(text, names).unwrap_or([None; N]);
    found.map(|member| member.and_then(|json| serde_json::from_str(json).ok()))
}

/// A member that should be text; empty where it is not.
pub(super) fn text(member: Option<&RawValue>) -> String {
    member.and_then(|json| borrowed_text(json.get())).unwrap_or_default().into_owned()
}

/// A time in UTC, such as `2026-01-31T08:05:09.250Z`.
pub(crate) fn rfc3339(ms_since_1970: i64) -> String {
    let (days, ms) = (ms_since_1970.div_euclid(86_400_000), ms_since_1970.rem_euclid(86_400_000));
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Year, month and day of a day counted from 1970-01-01. Years are taken to
/// begin in March, so that a leap day is the last of its year.
fn civil_date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }
}
