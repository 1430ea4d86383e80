//! The audit log's rows. What they mean, and who may have written them, is `audit`'s business.

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, Transaction};
use tokio::sync::MutexGuard;
use zeroize::Zeroizing;

use crate::audit::{AuditKey, Index, JournalEntry, Link, Mac};
use crate::clock::now_ms;
use crate::store::error::bounded;
use crate::store::secrets::Place;
use crate::store::{Dialect, KeyError, Store, StoreError};

/// How many rows one statement writes: far fewer parameters than either database takes.
const ROWS_AT_ONCE: usize = 200;
const COLUMNS: usize = 11;

/// What the log as a whole is signed for.
#[derive(Debug, Clone)]
pub struct AuditLogRow {
    /// How many writers there are.
    pub writers: i64,
    /// The code of the last one's entry.
    pub writers_mac: Mac,
    /// How often these two did not verify when they were renewed.
    pub unverified: i64,
    /// Over the three.
    pub signature: Mac,
}

/// A writer's entry.
#[derive(Debug, Clone)]
pub struct AuditWriterRow {
    /// Its place in the list, from 1.
    pub ordinal: i64,
    /// A random name.
    pub name: String,
    /// When its first record arrived, in milliseconds since 1970.
    pub registered_at_ms: i64,
    /// Over this entry and the code of the one before it.
    pub mac: Mac,
    /// Up to here its records were removed because they were old.
    pub cut: Link,
    /// How many of those did not verify.
    pub cut_unverified: i64,
    /// Over these two.
    pub cut_signature: Mac,
    /// The last record of it that arrived.
    pub head: Link,
    /// Over it.
    pub head_signature: Mac,
    /// The numbers of the first and the last record that are there, if any are.
    pub bounds: Option<(i64, i64)>,
}

/// A record as it is stored.
#[derive(Debug, Clone)]
pub struct AuditRecordRow {
    /// Its place in the order of all.
    pub arrival: i64,
    /// Its place in its writer's chain, and the code that says so.
    pub link: Link,
    /// What it is found by.
    pub index: Index,
    /// The record.
    pub text: String,
}

/// Which records are wanted; empty members do not narrow.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only requests of this MCP client.
    pub client: Option<String>,
    /// Only requests of this user.
    pub user: Option<String>,
    /// Only what was about this server.
    pub server: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Not before, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Only where somebody was refused something.
    pub denied: bool,
    /// Oldest first, instead of newest first.
    pub oldest_first: bool,
    /// Behind the record that arrived as this number, in that order.
    pub cursor: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

impl Store {
    /// The key of this database's audit log, made now if there is none.
    pub async fn audit_key(&self) -> Result<AuditKey, StoreError> {
        if let Some(key) = self.find_audit_key().await? {
            return Ok(key);
        }
        let key = AuditKey::generate().map_err(KeyError::Random)?;
        let sealed = self.secrets.open_for_storing()?.seal(&Place::of_audit_key(), key.expose())?;
        let first = key.start_of_writers();
        let insert = "INSERT INTO audit_log (id, sealed_key, arrival, writers, writers_mac, unverified, signature) \
                      VALUES (1, $1, 0, 0, $2, 0, $3) ON CONFLICT (id) DO NOTHING";
        let insert =
            sqlx::query(insert).bind(sealed).bind(first.to_vec()).bind(key.sign_writers(0, &first, 0).to_vec());
        let mut change = self.begin_change().await?;
        let stored = bounded(async {
            self.claim_key(change.connection()).await?;
            insert.execute(change.connection()).await?;
            Ok::<_, StoreError>(Some(()))
        });
        let stored = stored.await?;
        change.end(stored).await?;
        // Another gateway's, where that was quicker.
        self.find_audit_key().await?.ok_or_else(gone)
    }

    async fn find_audit_key(&self) -> Result<Option<AuditKey>, StoreError> {
        let query = sqlx::query("SELECT sealed_key FROM audit_log WHERE id = 1");
        let Some(row) = bounded(query.fetch_optional(&self.pool)).await? else { return Ok(None) };
        let opened = self.secrets.open_for_reading()?;
        let key = opened.unseal(&Place::of_audit_key(), row.try_get(0)?)?;
        let key = Zeroizing::new(key.as_slice().try_into().map_err(|_| KeyError::Wrong { origin: opened.origin })?);
        Ok(Some(AuditKey::new(key)))
    }

    /// Appends entries to their writer's chain; those that are there already are left out. Returns
    /// where the chain stands then.
    pub async fn append_audit(
        &self,
        key: &AuditKey,
        writer: &str,
        entries: &[JournalEntry],
    ) -> Result<Link, StoreError> {
        let (_turn, mut transaction) = self.begin_audit().await?;
        let head = bounded(async {
            // The row is the lock that writers queue for, so that records become visible in the order of their numbers.
            let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
            let bump = sqlx::query("UPDATE audit_log SET arrival = arrival + $1 WHERE id = 1 RETURNING arrival");
            let row = bump.bind(count).fetch_optional(&mut *transaction).await?.ok_or_else(gone)?;
            let arrival: i64 = row.try_get::<i64, _>(0)? - count;
            let (ordinal, head) = match find_writer(&mut transaction, writer).await? {
                Some(found) => found,
                None => register_writer(&mut transaction, key, writer).await?,
            };
            let new: Vec<&JournalEntry> = entries.iter().filter(|entry| entry.link.seq > head.seq).collect();
            insert_records(&mut transaction, ordinal, arrival, &new).await?;
            let Some(last) = new.last() else { return Ok(head) };
            sqlx::query(
                "UPDATE audit_writers SET head_seq = $2, head_mac = $3, head_signature = $4 WHERE ordinal = $1",
            )
            .bind(ordinal)
            .bind(last.link.seq)
            .bind(last.link.mac.to_vec())
            .bind(key.sign_head(writer, &last.link).to_vec())
            .execute(&mut *transaction)
            .await?;
            Ok::<_, StoreError>(last.link.clone())
        });
        let head = head.await?;
        bounded(transaction.commit()).await.map_err(StoreError::of_commit)?;
        Ok(head)
    }

    async fn begin_audit(&self) -> Result<(Option<MutexGuard<'_, ()>>, Transaction<'static, Any>), StoreError> {
        let (turn, begin) = match self.dialect {
            Dialect::Sqlite => (Some(self.writer.lock().await), "BEGIN IMMEDIATE"),
            Dialect::Postgres => (None, "BEGIN"),
        };
        Ok((turn, bounded(self.pool.begin_with(begin)).await?))
    }

    /// The records that are wanted, and the number of the last one that has arrived.
    pub async fn find_audit(&self, query: &AuditQuery) -> Result<(Vec<AuditRecordRow>, i64), StoreError> {
        let latest = sqlx::query("SELECT arrival FROM audit_log WHERE id = 1").fetch_optional(&self.pool);
        let latest = bounded(latest).await?.map_or(Ok(0), |row| row.try_get(0))?;
        let (order, behind) = if query.oldest_first { ("ASC", ">") } else { ("DESC", "<") };
        let mut statement = format!("SELECT {RECORD_COLUMNS} FROM audit_records WHERE arrival <= $1");
        let mut texts: Vec<&str> = Vec::new();
        let mut numbers: Vec<i64> = vec![latest];
        for (condition, number) in [("at >= ", query.since_ms), ("at < ", query.until_ms)] {
            if let Some(number) = number {
                numbers.push(number);
                statement.push_str(&format!(" AND {condition}${}", numbers.len()));
            }
        }
        if let Some(cursor) = query.cursor {
            numbers.push(cursor);
            statement.push_str(&format!(" AND arrival {behind} ${}", numbers.len()));
        }
        let wanted = [
            ("principal_kind = 'client' AND principal = ", &query.client),
            ("principal_kind IN ('user', 'admin') AND principal = ", &query.user),
            ("server = ", &query.server),
            ("kind = ", &query.kind),
        ];
        for (condition, text) in wanted {
            if let Some(text) = text {
                texts.push(text);
                statement.push_str(&format!(" AND {condition}${}", numbers.len() + texts.len()));
            }
        }
        if query.denied {
            statement.push_str(" AND denied = 1");
        }
        statement.push_str(&format!(" ORDER BY arrival {order} LIMIT {}", query.limit));
        let found = numbers.iter().fold(sqlx::query(AssertSqlSafe(statement)), |found, number| found.bind(*number));
        let found = texts.iter().fold(found, |found, text| found.bind(*text));
        let rows = bounded(found.fetch_all(&self.pool)).await?;
        Ok((rows.iter().map(read_record).collect::<Result<_, _>>()?, latest))
    }

    /// What the log as a whole is signed for; `None` if there is no log.
    pub async fn audit_log(&self) -> Result<Option<AuditLogRow>, StoreError> {
        let query = sqlx::query(LOG_QUERY).fetch_optional(&self.pool);
        bounded(query).await?.as_ref().map(read_log).transpose()
    }

    /// Writers behind the one of this ordinal, some at a time.
    pub async fn audit_writers(&self, after: i64) -> Result<Vec<AuditWriterRow>, StoreError> {
        let statement = format!("{WRITER_QUERY} WHERE ordinal > $1 ORDER BY ordinal LIMIT 500");
        let rows = bounded(sqlx::query(AssertSqlSafe(statement)).bind(after).fetch_all(&self.pool)).await?;
        rows.iter().map(read_writer).collect()
    }

    /// One writer as it is now.
    pub async fn audit_writer(&self, ordinal: i64) -> Result<Option<AuditWriterRow>, StoreError> {
        let statement = format!("{WRITER_QUERY} WHERE ordinal = $1");
        let row = bounded(sqlx::query(AssertSqlSafe(statement)).bind(ordinal).fetch_optional(&self.pool)).await?;
        row.as_ref().map(read_writer).transpose()
    }

    /// Records of a writer behind this number, at most so many.
    pub async fn audit_records(&self, ordinal: i64, after: i64, limit: i64) -> Result<Vec<AuditRecordRow>, StoreError> {
        let statement =
            format!("SELECT {RECORD_COLUMNS} FROM audit_records WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        let query = sqlx::query(AssertSqlSafe(statement)).bind(ordinal).bind(after).bind(limit);
        bounded(query.fetch_all(&self.pool)).await?.iter().map(read_record).collect()
    }

    /// How many records there are that belong to no writer.
    pub async fn audit_strays(&self) -> Result<i64, StoreError> {
        let query = "SELECT COUNT(*) FROM audit_records WHERE writer NOT IN (SELECT ordinal FROM audit_writers)";
        Ok(bounded(sqlx::query(query).fetch_one(&self.pool)).await?.try_get(0)?)
    }

    /// How much room records take, in characters of their texts.
    pub async fn audit_size(&self) -> Result<i64, StoreError> {
        let query = "SELECT CAST(COALESCE(SUM(LENGTH(record)), 0) AS BIGINT), MAX(arrival) FROM \
                     (SELECT arrival, record FROM audit_records WHERE arrival > $1 ORDER BY arrival LIMIT 50000) AS part";
        let (mut size, mut after) = (0_i64, i64::MIN);
        // Some at a time: of a large log on a slow disk one statement would take longer than any may.
        loop {
            let row = bounded(sqlx::query(query).bind(after).fetch_one(&self.pool)).await?;
            size = size.saturating_add(row.try_get(0)?);
            match row.try_get(1)? {
                Some(last) => after = last,
                None => return Ok(size),
            }
        }
    }

    /// The ordinal of the writer of the record that has been there for longest.
    pub async fn audit_oldest_writer(&self) -> Result<Option<i64>, StoreError> {
        let query = sqlx::query("SELECT writer FROM audit_records ORDER BY arrival LIMIT 1").fetch_optional(&self.pool);
        Ok(bounded(query).await?.map(|row| row.try_get(0)).transpose()?)
    }

    /// Removes a writer's records up to `cut`, if its last checkpoint is still the one in `seen`.
    pub async fn cut_audit(
        &self,
        key: &AuditKey,
        seen: &AuditWriterRow,
        cut: &Link,
        unverified: i64,
    ) -> Result<bool, StoreError> {
        let (_turn, mut transaction) = self.begin_audit().await?;
        let is_cut = bounded(async {
            let update = "UPDATE audit_writers SET cut_seq = $3, cut_mac = $4, cut_unverified = $5, cut_signature = $6 \
                          WHERE ordinal = $1 AND cut_seq = $2";
            let updated = sqlx::query(update)
                .bind(seen.ordinal)
                .bind(seen.cut.seq)
                .bind(cut.seq)
                .bind(cut.mac.to_vec())
                .bind(unverified)
                .bind(key.sign_cut(&seen.name, cut, unverified).to_vec())
                .execute(&mut *transaction)
                .await?;
            if updated.rows_affected() == 0 {
                return Ok::<_, StoreError>(false);
            }
            sqlx::query("DELETE FROM audit_records WHERE writer = $1 AND seq <= $2")
                .bind(seen.ordinal)
                .bind(cut.seq)
                .execute(&mut *transaction)
                .await?;
            Ok(true)
        });
        let is_cut = is_cut.await?;
        bounded(transaction.commit()).await.map_err(StoreError::of_commit)?;
        Ok(is_cut)
    }
}

const RECORD_COLUMNS: &str = "arrival, seq, at, kind, principal_kind, principal, server, denied, record, mac";
const LOG_QUERY: &str = "SELECT writers, writers_mac, unverified, signature FROM audit_log WHERE id = 1";
const WRITER_QUERY: &str = "SELECT ordinal, name, registered_at, mac, cut_seq, cut_mac, cut_unverified, cut_signature, \
     head_seq, head_mac, head_signature, \
     (SELECT MIN(seq) FROM audit_records WHERE writer = ordinal) AS first_seq, \
     (SELECT MAX(seq) FROM audit_records WHERE writer = ordinal) AS last_seq FROM audit_writers";

fn gone() -> StoreError {
    StoreError::Unreadable("the audit log has lost its key".to_owned())
}

async fn find_writer(connection: &mut AnyConnection, name: &str) -> Result<Option<(i64, Link)>, StoreError> {
    let query = sqlx::query("SELECT ordinal, head_seq, head_mac FROM audit_writers WHERE name = $1").bind(name);
    let row = query.fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get(0)?, Link { seq: row.try_get(1)?, mac: read_mac(&row, "head_mac")? }))).transpose()
}

/// Adds a writer behind the last one, whose row is locked. A list that does not verify is gone on
/// with, and that it did not is kept: signed anew, it would look as if all were well.
async fn register_writer(
    connection: &mut AnyConnection,
    key: &AuditKey,
    name: &str,
) -> Result<(i64, Link), StoreError> {
    let log = read_log(&sqlx::query(LOG_QUERY).fetch_one(&mut *connection).await?)?;
    let is_sound = key.sign_writers(log.writers, &log.writers_mac, log.unverified) == log.signature;
    let unverified = log.unverified + i64::from(!is_sound);
    let highest =
        sqlx::query("SELECT COALESCE(MAX(ordinal), 0) FROM audit_writers").fetch_one(&mut *connection).await?;
    let (ordinal, now, start) = (log.writers.max(highest.try_get(0)?).saturating_add(1), now_ms(), key.start(name));
    let mac = key.sign_writer(&log.writers_mac, ordinal, name, now);
    sqlx::query("UPDATE audit_log SET writers = $1, writers_mac = $2, unverified = $3, signature = $4 WHERE id = 1")
        .bind(ordinal)
        .bind(mac.to_vec())
        .bind(unverified)
        .bind(key.sign_writers(ordinal, &mac, unverified).to_vec())
        .execute(&mut *connection)
        .await?;
    let insert = "INSERT INTO audit_writers (ordinal, name, registered_at, mac, cut_seq, cut_mac, cut_unverified, \
                  cut_signature, head_seq, head_mac, head_signature) VALUES ($1, $2, $3, $4, 0, $5, 0, $6, 0, $5, $7)";
    sqlx::query(insert)
        .bind(ordinal)
        .bind(name)
        .bind(now)
        .bind(mac.to_vec())
        .bind(start.mac.to_vec())
        .bind(key.sign_cut(name, &start, 0).to_vec())
        .bind(key.sign_head(name, &start).to_vec())
        .execute(&mut *connection)
        .await?;
    Ok((ordinal, start))
}

async fn insert_records(
    connection: &mut AnyConnection,
    writer: i64,
    mut arrival: i64,
    entries: &[&JournalEntry],
) -> Result<(), StoreError> {
    for entries in entries.chunks(ROWS_AT_ONCE) {
        let row = |row: usize| {
            let parameters: Vec<_> = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column)).collect();
            format!("({})", parameters.join(", "))
        };
        let rows: Vec<String> = (0..entries.len()).map(row).collect();
        let statement = format!(
            "INSERT INTO audit_records (arrival, writer, seq, at, kind, principal_kind, principal, server, denied, \
             record, mac) VALUES {} ON CONFLICT (writer, seq) DO NOTHING",
            rows.join(", ")
        );
        // What somebody else put into its place must not hold up all that follows, and shows when it is verified.
        // Not kept prepared, unless it is the one that a busy gateway needs again and again.
        let mut insert = sqlx::query(AssertSqlSafe(statement)).persistent(entries.len() == ROWS_AT_ONCE);
        for entry in entries {
            arrival += 1;
            let index = Index::of(&entry.text);
            insert = insert.bind(arrival).bind(writer).bind(entry.link.seq).bind(index.at_ms).bind(index.kind);
            insert = insert.bind(index.principal_kind).bind(index.principal).bind(index.server);
            insert = insert.bind(i64::from(index.denied)).bind(entry.text.as_str()).bind(entry.link.mac.to_vec());
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

fn read_log(row: &AnyRow) -> Result<AuditLogRow, StoreError> {
    Ok(AuditLogRow {
        writers: row.try_get("writers")?,
        writers_mac: read_mac(row, "writers_mac")?,
        unverified: row.try_get("unverified")?,
        signature: read_mac(row, "signature")?,
    })
}

fn read_writer(row: &AnyRow) -> Result<AuditWriterRow, StoreError> {
    let bounds = (row.try_get::<Option<i64>, _>("first_seq")?, row.try_get::<Option<i64>, _>("last_seq")?);
    Ok(AuditWriterRow {
        ordinal: row.try_get("ordinal")?,
        name: row.try_get("name")?,
        registered_at_ms: row.try_get("registered_at")?,
        mac: read_mac(row, "mac")?,
        cut: Link { seq: row.try_get("cut_seq")?, mac: read_mac(row, "cut_mac")? },
        cut_unverified: row.try_get("cut_unverified")?,
        cut_signature: read_mac(row, "cut_signature")?,
        head: Link { seq: row.try_get("head_seq")?, mac: read_mac(row, "head_mac")? },
        head_signature: read_mac(row, "head_signature")?,
        bounds: bounds.0.zip(bounds.1),
    })
}

fn read_record(row: &AnyRow) -> Result<AuditRecordRow, StoreError> {
    Ok(AuditRecordRow {
        arrival: row.try_get("arrival")?,
        link: Link { seq: row.try_get("seq")?, mac: read_mac(row, "mac")? },
        index: Index {
            at_ms: row.try_get("at")?,
            kind: row.try_get("kind")?,
            principal_kind: row.try_get("principal_kind")?,
            principal: row.try_get("principal")?,
            server: row.try_get("server")?,
            denied: row.try_get::<i64, _>("denied")? != 0,
        },
        text: row.try_get("record")?,
    })
}

/// One of another length is nobody's: it verifies as little as a wrong one.
fn read_mac(row: &AnyRow, column: &str) -> Result<Mac, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    Ok(bytes.try_into().unwrap_or_default())
}
