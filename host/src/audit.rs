//! Who did what, and what was refused: one record for each call, read, denial, change by an
//! administrator and failure of a policy. In reading order:
//!
//! - `event`: what happened, as a request notes it; `redact`: its arguments and results, if they are wanted.
//! - `noting`: events out of what calls and requests have at hand.
//! - `flood`, `recorder`: a bounded queue, and the thread that writes it to the journal.
//! - `record`: the line that an event becomes, and what it is found by.
//! - `chain`: codes that show what was changed or removed.
//! - `journal`: records on the local disk.
//! - `shipper`: from there to the database, which `store` writes.
//! - `retention`, `verify`: removing what is old, and finding what is wrong.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Mutex;

use crate::clock::now_ms;
use crate::gateway::Gateway;
use crate::store::Store;

mod chain;
mod event;
mod flood;
mod journal;
mod noting;
mod record;
mod recorder;
pub(crate) mod redact;
mod retention;
mod shipper;
mod time;
mod verify;

pub use chain::{AuditKey, Link, Mac};
pub use event::{Decision, Event, Kind, NamedPlugin, Target};
pub use journal::Entry as JournalEntry;
pub(crate) use noting::{
    CallNotes, Change, NamedInBody, RefusedByRole, Stranger, Unended, policy_failed, record_call, record_folder_change,
    record_hidden_endpoint, record_policies_file, record_stranger,
};
pub use record::Index;
pub use recorder::{Counts, Ticket, WhenFull};
pub use redact::Captured;
pub use retention::Retention;
pub use shipper::ShipError;
pub use time::{parse_rfc3339, rfc3339};
pub use verify::{Problem, Report};

use journal::Journal;
use recorder::Recorder;
use shipper::Shipper;

/// How often records are taken to the database.
const SHIPPING: Duration = Duration::from_secs(1);
/// How often old records are looked for, and journals that other processes have left.
const TIDYING: Duration = Duration::from_secs(60);
/// After how long records are taken to the database to make room for those that wait.
const MAKING_ROOM: Duration = Duration::from_millis(100);
/// How long whoever reads, or waits for a record of their own, waits for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a gateway keeps its audit log.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// Where records are kept until they are in the database.
    pub folder: PathBuf,
    /// How much of the disk they may take there, in bytes.
    pub max_journal_bytes: u64,
    /// What happens when that is full.
    pub when_full: WhenFull,
    /// Whether answers wait until their record is safely on the disk.
    pub sync: bool,
    /// For how long records are kept in the database.
    pub retention: Retention,
}

impl AuditSettings {
    /// Makes the folder, if it is missing.
    pub fn create_folder(&self) -> Result<(), AuditStartError> {
        let folder = &self.folder;
        journal::create_folder(folder).map_err(|source| AuditStartError::Folder { folder: folder.clone(), source })
    }
}

/// Why there can be no audit log.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AuditStartError {
    #[error("cannot keep the audit log's journal in {}: choose another folder with MCPJUNGLE_AUDIT_DIR", .folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("no randomness from the operating system: {0}")]
    Random(getrandom::Error),
}

/// The audit log of one process.
pub struct Audit {
    recorder: Arc<Recorder>,
    shared: Arc<journal::Shared>,
    /// Locked while records are taken to the database.
    shipper: Mutex<Shipper>,
    key: AuditKey,
    writer: String,
    sync: bool,
    retention: Retention,
}

/// What an audit log is asked for by whoever counts.
#[derive(Debug, Clone, Copy)]
pub struct AuditFigures {
    /// Records written to the journal.
    pub written: u64,
    /// Records that found no room.
    pub dropped: u64,
    /// Requests that were refused because records find no room.
    pub refused: u64,
    /// Events that are not in the journal yet.
    pub waiting: u64,
    /// What the journal takes on the disk.
    pub journal_bytes: u64,
}

impl Audit {
    /// Begins a chain of its own.
    pub fn start(settings: AuditSettings, key: AuditKey) -> Result<Self, AuditStartError> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(AuditStartError::Random)?;
        let writer: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let failed = |source| AuditStartError::Folder { folder: settings.folder.clone(), source };
        let journal =
            Journal::create(&settings.folder, &writer, &key.mark(&writer), settings.max_journal_bytes, settings.sync);
        let journal = journal.map_err(failed)?;
        let shared = Arc::clone(&journal.shared);
        let mut shipper = Shipper::new(key.clone(), settings.folder.clone(), writer.clone(), Arc::clone(&shared));
        shipper.adopt().map_err(failed)?;
        let recorder = Arc::new(Recorder::new(settings.when_full, settings.sync));
        recorder::spawn(&recorder, journal, key.clone(), key.start(&writer)).map_err(failed)?;
        let (sync, retention) = (settings.sync, settings.retention);
        Ok(Self { recorder, shared, shipper: Mutex::new(shipper), key, writer, sync, retention })
    }

    /// Notes what happened, without waiting.
    pub fn record(&self, event: Event) -> Option<Ticket> {
        self.recorder.record(event)
    }

    /// Notes what anybody can bring about, such as that somebody who is nobody was refused; of a flood of
    /// it only a part one by one.
    pub fn record_stranger(&self, event: Event) {
        self.recorder.record_stranger(event);
    }

    /// Whether something may be done that has to be recorded.
    pub fn has_room(&self) -> bool {
        self.recorder.has_room()
    }

    /// Where answers wait for their records, waits for this one; `false` if that takes too long.
    pub async fn settle(&self, ticket: Option<Ticket>) -> bool {
        match ticket {
            Some(ticket) if self.sync => tokio::time::timeout(PATIENCE, self.recorder.settled(ticket)).await.is_ok(),
            Some(_) => true,
            // It was dropped, which an administrator must have chosen.
            None => !self.sync || self.recorder.may_drop(),
        }
    }

    /// Takes all that was noted so far to the database.
    pub async fn flush(&self, store: &Store) -> Result<(), ShipError> {
        let ticket = self.recorder.hurry();
        self.ship_until(store, ticket).await.map(drop)
    }

    /// Takes records to the database until those up to a ticket are there: what finds no room on the
    /// disk does so once something has left it. `false` if that takes too long.
    async fn ship_until(&self, store: &Store, ticket: Ticket) -> Result<bool, ShipError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let settled = self.recorder.settled(ticket);
            let is_settled = tokio::time::timeout(MAKING_ROOM, settled).await.is_ok();
            self.shipper.lock().await.ship(store).await?;
            if is_settled || tokio::time::Instant::now() >= deadline {
                return Ok(is_settled);
            }
        }
    }

    /// Verifies what the database holds.
    pub async fn verify(&self, store: &Store) -> Result<Report, ShipError> {
        self.flush(store).await?;
        let head = self.shipper.lock().await.head.clone();
        Ok(verify::verify(store, &self.key, (&self.writer, &head)).await?)
    }

    /// Removes what is older than is kept.
    pub async fn retain(&self, store: &Store) -> Result<u64, ShipError> {
        Ok(retention::apply(store, &self.key, self.retention, now_ms()).await?)
    }

    /// Takes what is left to the database, and leaves nothing on the disk if that succeeds.
    pub async fn close(&self, store: &Store) -> Result<(), ShipError> {
        let ticket = self.recorder.hurry();
        self.recorder.close();
        if self.ship_until(store, ticket).await? {
            self.shipper.lock().await.finish()?;
        }
        // What the thread may still write is for the next process to find.
        Ok(())
    }

    /// How much there was.
    pub fn figures(&self) -> AuditFigures {
        let counts = &self.recorder.counts;
        AuditFigures {
            written: counts.written.load(Ordering::Relaxed),
            dropped: counts.dropped.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            waiting: self.recorder.waiting(),
            journal_bytes: self.shared.bytes.load(Ordering::Relaxed),
        }
    }

    /// One round of taking records to the database.
    async fn ship(&self, store: &Store) -> Result<(), ShipError> {
        self.recorder.hurry();
        self.shipper.lock().await.ship(store).await
    }

    /// One round of what need not be done often.
    async fn tidy(&self, store: &Store) -> Result<(), ShipError> {
        self.shipper.lock().await.adopt()?;
        let removed = self.retain(store).await?;
        if removed > 0 {
            tracing::info!(records = removed, "removed old audit records");
        }
        Ok(())
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // The thread would wait for ever.
        self.recorder.close();
    }
}

/// Takes records to the database for as long as the gateway is used.
pub(crate) async fn keep_shipping(gateway: Weak<Gateway>) {
    let mut ticks = tokio::time::interval(SHIPPING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_failing = false;
    let mut tidied_at: Option<tokio::time::Instant> = None;
    loop {
        ticks.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let Some(audit) = &gateway.audit else { return };
        let mut outcome = audit.ship(&gateway.store).await;
        if outcome.is_ok() && tidied_at.is_none_or(|at| at.elapsed() >= TIDYING) {
            tidied_at = Some(tokio::time::Instant::now());
            outcome = audit.tidy(&gateway.store).await;
        }
        // The last records are taken there before the database is closed.
        if gateway.is_closing() {
            return;
        }
        match outcome {
            Ok(()) if is_failing => {
                is_failing = false;
                tracing::info!("audit records reach the database again");
            }
            Ok(()) => {}
            // Once, not every second.
            Err(error) if !is_failing => {
                is_failing = true;
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, "audit records cannot be stored: they wait on the disk");
            }
            Err(_) => {}
        }
    }
}
