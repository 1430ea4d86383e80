//! Removing what is old: oldest first, and never without a signed checkpoint where the chain is cut.
//!
//! What is removed is verified first, and its age read from its own text, not from a column that
//! anybody with access to the database could have changed: the checkpoint must not vouch for what
//! somebody else took away. Records that do not verify are counted in it.

use crate::audit::chain::{AuditKey, Link};
use crate::audit::verify::Walk;
use crate::store::{AuditRecordRow, AuditWriterRow, Store, StoreError};

/// How many records are looked at, and removed, at a time: other changes wait that long.
const CHUNK: i64 = 1_000;

/// For how long records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// In milliseconds; `None` for ever.
    pub max_age_ms: Option<i64>,
    /// In bytes of their text; `None` for as many as there are.
    pub max_bytes: Option<i64>,
}

/// Removes what is older, or more, than is kept. Returns how many records went.
pub(super) async fn apply(store: &Store, key: &AuditKey, retention: Retention, now_ms: i64) -> Result<u64, StoreError> {
    let mut removed = 0;
    if let Some(max_age_ms) = retention.max_age_ms {
        let oldest_ms = now_ms.saturating_sub(max_age_ms);
        let mut after = 0;
        loop {
            let writers = store.audit_writers(after).await?;
            let Some(last) = writers.last() else { break };
            after = last.ordinal;
            for writer in writers.into_iter().filter(|writer| writer.bounds.is_some()) {
                removed += cut_while(store, key, writer, |row| row.index.at_ms < oldest_ms).await?;
            }
        }
    }
    if let Some(max_bytes) = retention.max_bytes {
        removed += apply_size(store, key, max_bytes).await?;
    }
    Ok(removed)
}

async fn apply_size(store: &Store, key: &AuditKey, max_bytes: i64) -> Result<u64, StoreError> {
    // Counted anew: a number that somebody changed would have records removed.
    let mut excess = store.audit_size().await? - max_bytes;
    let mut removed = 0;
    while excess > 0 {
        let Some(ordinal) = store.audit_oldest_writer().await? else { break };
        let Some(writer) = store.audit_writer(ordinal).await? else { break };
        let mut budget = excess;
        let cut = cut_once(store, key, &writer, |row| {
            let is_wanted = budget > 0;
            budget -= i64::try_from(row.text.len()).unwrap_or(i64::MAX);
            is_wanted
        });
        match cut.await? {
            0 => {
                tracing::error!("old audit records are kept although there are too many: they do not verify");
                break;
            }
            cut => removed += cut,
        }
        excess = budget;
    }
    Ok(removed)
}

/// Removes records of a writer for as long as they are to go.
async fn cut_while(
    store: &Store,
    key: &AuditKey,
    mut writer: AuditWriterRow,
    mut is_to_go: impl FnMut(&AuditRecordRow) -> bool,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    loop {
        let cut = cut_once(store, key, &writer, &mut is_to_go).await?;
        removed += cut;
        match store.audit_writer(writer.ordinal).await? {
            Some(now) if cut == CHUNK.unsigned_abs() => writer = now,
            _ => return Ok(removed),
        }
    }
}

/// Removes the first records of a writer, not more than some. One that does not verify says
/// nothing: it goes with a later one that does.
async fn cut_once(
    store: &Store,
    key: &AuditKey,
    writer: &AuditWriterRow,
    mut is_to_go: impl FnMut(&AuditRecordRow) -> bool,
) -> Result<u64, StoreError> {
    let rows = store.audit_records(writer.ordinal, writer.cut.seq, CHUNK).await?;
    let mut walk = Walk::new(writer.cut.clone());
    let is_sound = key.sign_cut(&writer.name, &writer.cut, writer.cut_unverified) == writer.cut_signature;
    let mut unverified = writer.cut_unverified + i64::from(!is_sound);
    let mut cut: Option<(Link, i64, u64)> = None;
    for (count, row) in (1..).zip(&rows) {
        let is_verified = walk.take(key, row).is_empty();
        if is_verified && !is_to_go(row) {
            break;
        }
        unverified += i64::from(!is_verified);
        if is_verified {
            cut = Some((row.link.clone(), unverified, count));
        }
    }
    let Some((link, unverified, count)) = cut else { return Ok(0) };
    let is_cut = store.cut_audit(key, writer, &link, unverified).await?;
    Ok(if is_cut { count } else { 0 })
}
