//! Verifying the log: every record against its code, every chain from its checkpoint to its head,
//! and the list of writers.

use serde::Serialize;

use crate::audit::Index;
use crate::audit::chain::{AuditKey, Link};
use crate::store::{AuditRecordRow, AuditWriterRow, Store, StoreError};

/// How many records are read at a time.
const CHUNK: i64 = 1_000;
/// How many problems are told one by one.
const MAX_PROBLEMS: usize = 1_000;
/// How often a writer is looked at whose records are being removed meanwhile.
const LOOKS: usize = 3;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is wrong.
    pub verified: bool,
    /// How many writers there are.
    pub writers: u64,
    /// How many records were read.
    pub records: u64,
    /// How many writers have a checkpoint, where old records were removed.
    pub checkpoints: u64,
    /// What is wrong; not more than a thousand things.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more_problems: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The writer whose chain it is in, if in one.
    pub writer: Option<String>,
    /// The number of the record, if it is about one.
    pub record: Option<i64>,
    /// What it is.
    pub problem: String,
}

impl Report {
    fn tell(&mut self, writer: Option<&str>, record: Option<i64>, problem: impl Into<String>) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.more_problems += 1;
            return;
        }
        self.problems.push(Problem { writer: writer.map(str::to_owned), record, problem: problem.into() });
    }

    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.checkpoints += other.checkpoints;
        self.more_problems += other.more_problems;
        for problem in other.problems {
            self.tell(problem.writer.as_deref(), problem.record, problem.problem);
        }
    }
}

/// Verifies all that the database holds. `own` is the writer of this process, and what it knows to have arrived.
pub(super) async fn verify(store: &Store, key: &AuditKey, own: (&str, &Link)) -> Result<Report, StoreError> {
    let mut report = Report::default();
    // Before the writers: more may come meanwhile.
    let Some(log) = store.audit_log().await? else {
        report.tell(None, None, "the log is gone from the database");
        return Ok(report);
    };
    if key.sign_writers(log.writers, &log.writers_mac, log.unverified) != log.signature {
        report.tell(None, None, "the list of writers is not signed as it is: entries were changed or removed");
    }
    if log.unverified > 0 {
        report.tell(None, None, format!("the list of writers was found changed {} times before", log.unverified));
    }
    let (mut last, mut is_own_there) = ((0, key.start_of_writers()), false);
    loop {
        let writers = store.audit_writers(last.0).await?;
        if writers.is_empty() {
            break;
        }
        for writer in writers {
            report.writers += 1;
            last = verify_entry(&mut report, key, last, &writer);
            if writer.ordinal == log.writers && writer.mac != log.writers_mac {
                report.tell(Some(&writer.name), None, "its entry is not the one that the list was signed with");
            }
            is_own_there |= writer.name == own.0;
            if writer.name == own.0 && writer.head.seq < own.1.seq {
                let problem = format!("its chain was set back: this gateway had stored records up to {}", own.1.seq);
                report.tell(Some(&writer.name), None, problem);
            }
            let found = verify_writer(store, key, writer).await?;
            report.add(found);
        }
    }
    tell_missing(&mut report, last.0, log.writers.saturating_add(1));
    if !is_own_there && own.1.seq > 0 {
        report.tell(Some(own.0), None, "the writer of this gateway is missing");
    }
    let strays = store.audit_strays().await?;
    if strays > 0 {
        report.tell(None, None, format!("{strays} records belong to no writer"));
    }
    report.verified = report.problems.is_empty();
    Ok(report)
}

/// Tells of writers between two numbers: in one line, for somebody may have written any number there.
fn tell_missing(report: &mut Report, before: i64, behind: i64) {
    match behind.saturating_sub(before) {
        ..=1 => {}
        2 => report.tell(None, None, format!("writer number {} is missing", behind - 1)),
        _ => report.tell(None, None, format!("the writers from number {} to {} are missing", before + 1, behind - 1)),
    }
}

/// A writer's place in the list of writers.
fn verify_entry(
    report: &mut Report,
    key: &AuditKey,
    (ordinal, mac): (i64, [u8; 32]),
    writer: &AuditWriterRow,
) -> (i64, [u8; 32]) {
    tell_missing(report, ordinal, writer.ordinal);
    let is_next = ordinal.checked_add(1) == Some(writer.ordinal);
    if is_next && key.sign_writer(&mac, writer.ordinal, &writer.name, writer.registered_at_ms) != writer.mac {
        report.tell(Some(&writer.name), None, "its entry was changed");
    }
    (writer.ordinal, writer.mac)
}

/// A writer's records. If some are removed meanwhile because they are old, it is looked at again.
async fn verify_writer(store: &Store, key: &AuditKey, mut writer: AuditWriterRow) -> Result<Report, StoreError> {
    for look in 1.. {
        let mut report = Report::default();
        verify_chain(store, key, &writer, &mut report).await?;
        let again = match report.problems.is_empty() || look == LOOKS {
            true => None,
            false => store.audit_writer(writer.ordinal).await?.filter(|now| now.cut != writer.cut),
        };
        match again {
            Some(now) => writer = now,
            None => return Ok(report),
        }
    }
    unreachable!("the last look returns")
}

async fn verify_chain(
    store: &Store,
    key: &AuditKey,
    writer: &AuditWriterRow,
    report: &mut Report,
) -> Result<(), StoreError> {
    let name = writer.name.as_str();
    if key.sign_head(name, &writer.head) != writer.head_signature {
        report.tell(Some(name), None, "the signature of its last record is wrong");
    }
    if key.sign_cut(name, &writer.cut, writer.cut_unverified) != writer.cut_signature {
        report.tell(Some(name), None, "the signature of its checkpoint is wrong");
    }
    report.checkpoints += u64::from(writer.cut.seq > 0);
    if writer.cut_unverified > 0 {
        let problem = format!("of the old records that were removed, {} did not verify", writer.cut_unverified);
        report.tell(Some(name), None, problem);
    }
    if writer.cut.seq == 0 && writer.cut != key.start(name) {
        report.tell(Some(name), None, "the beginning of its chain was changed");
    }
    if let Some((first, last)) = writer.bounds {
        if first <= writer.cut.seq {
            report.tell(Some(name), Some(first), "it stands before the checkpoint: it was put in");
        }
        if last > writer.head.seq {
            report.tell(Some(name), Some(last), "it stands behind the last one that was signed: it was put in");
        }
    }
    let mut walk = Walk::new(writer.cut.clone());
    loop {
        let rows = store.audit_records(writer.ordinal, walk.last.seq, CHUNK).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.link.seq <= writer.head.seq).collect();
        if rows.is_empty() {
            break;
        }
        for row in rows {
            report.records += 1;
            let seq = row.link.seq;
            for problem in walk.take(key, &row) {
                report.tell(Some(name), Some(seq), problem);
            }
        }
    }
    if walk.last.seq < writer.head.seq {
        let problem = format!("the records from here up to {} are missing", writer.head.seq);
        report.tell(Some(name), Some(walk.last.seq.saturating_add(1)), problem);
    } else if walk.last != writer.head {
        report.tell(Some(name), Some(writer.head.seq), "it is not the one that was signed as the last");
    }
    Ok(())
}

/// Goes along a chain.
pub(super) struct Walk {
    /// The last record that was seen.
    pub(super) last: Link,
    arrival: i64,
}

impl Walk {
    pub(super) fn new(from: Link) -> Self {
        Self { last: from, arrival: 0 }
    }

    /// What is wrong with the next record. One that is wrong does not make those behind it wrong.
    pub(super) fn take(&mut self, key: &AuditKey, row: &AuditRecordRow) -> Vec<String> {
        let mut problems = Vec::new();
        let seq = row.link.seq;
        match seq.saturating_sub(self.last.seq) {
            1 if key.next(&self.last, row.text.as_bytes()) != row.link => {
                problems.push("it, or its place, was changed".to_owned());
            }
            1 => {}
            // What it should follow is not there to tell.
            2 => problems.push("the record before it is missing".to_owned()),
            _ => problems.push(format!(
                "the records from {} to {} are missing",
                self.last.seq.saturating_add(1),
                seq - 1
            )),
        }
        if Index::of(&row.text) != row.index {
            problems.push("what it is found by was changed".to_owned());
        }
        if row.arrival <= self.arrival {
            problems.push("the order in which it arrived was changed".to_owned());
        }
        (self.last, self.arrival) = (row.link.clone(), row.arrival);
        problems
    }
}
