//! From the journal to the database, in batches, and nobody waits for it. While the database is
//! away records stay on the disk.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use thiserror::Error;

use crate::audit::chain::{AuditKey, Link};
use crate::audit::journal::{self, Chunk, Damage, Orphan, Position, Shared};
use crate::store::{Store, StoreError};

/// How many records go to the database in one transaction.
const BATCH: usize = 1_000;

/// Why records did not reach the database. They are still on the disk.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ShipError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the audit log's journal cannot be read")]
    Journal(#[from] io::Error),
}

/// Takes records to the database.
pub(super) struct Shipper {
    key: AuditKey,
    root: PathBuf,
    writer: String,
    shared: Arc<Shared>,
    /// How far the own journal is in the database.
    done: Position,
    /// Where the own chain stands there.
    pub(super) head: Link,
    orphans: Vec<Orphan>,
    /// Journals of other databases that were told of.
    of_others: HashSet<PathBuf>,
}

impl Shipper {
    pub(super) fn new(key: AuditKey, root: PathBuf, writer: String, shared: Arc<Shared>) -> Self {
        let (head, done) = (key.start(&writer), Position { file: 1, bytes: 0 });
        Self { key, root, writer, shared, done, head, orphans: Vec::new(), of_others: HashSet::new() }
    }

    /// Finds journals that other processes have left. Those of other databases stay where they are:
    /// here nothing in them would verify, and there they would be missing.
    pub(super) fn adopt(&mut self) -> io::Result<()> {
        let left = journal::adopt(&self.root, &self.writer, |writer| self.key.mark(writer))?;
        for folder in left.of_others {
            if self.of_others.insert(folder.clone()) {
                let folder = folder.display();
                tracing::warn!(%folder, "audit records wait here for another database: start a gateway on that one");
            }
        }
        for orphan in left.orphans {
            tracing::info!(audit.writer = orphan.writer, bytes = orphan.bytes, "an earlier process left audit records");
            self.shared.bytes.fetch_add(orphan.bytes, Ordering::Relaxed);
            self.orphans.push(orphan);
        }
        Ok(())
    }

    /// Takes everything to the database that is in a journal now.
    pub(super) async fn ship(&mut self, store: &Store) -> Result<(), ShipError> {
        while let Some(orphan) = self.orphans.first() {
            let (writer, folder) = (orphan.writer.clone(), orphan.folder.clone());
            for file in journal::files_of(&folder)? {
                self.ship_file(store, &writer, &folder, file, 0, None).await?;
                self.finish_file(&folder, file)?;
            }
            journal::remove_folder(&folder)?;
            self.orphans.remove(0);
        }
        let written = *self.shared.written.lock();
        let (writer, folder) = (self.writer.clone(), self.root.join(&self.writer));
        while self.done < written {
            let is_last = self.done.file == written.file;
            let end = is_last.then_some(written.bytes);
            self.ship_file(store, &writer, &folder, self.done.file, self.done.bytes, end).await?;
            if is_last {
                break;
            }
            self.finish_file(&folder, self.done.file)?;
            self.done = Position { file: self.done.file + 1, bytes: 0 };
        }
        Ok(())
    }

    async fn ship_file(
        &mut self,
        store: &Store,
        writer: &str,
        folder: &Path,
        file: u64,
        mut from: u64,
        end: Option<u64>,
    ) -> Result<(), ShipError> {
        loop {
            let chunk = match read(folder, file, from, end).await {
                // Set aside.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                chunk => chunk?,
            };
            for entries in chunk.entries.chunks(BATCH) {
                let head = store.append_audit(&self.key, writer, entries).await?;
                if writer == self.writer {
                    self.head = head;
                }
            }
            from = chunk.next;
            if writer == self.writer {
                self.done.bytes = from;
            }
            match chunk.damage {
                Some(Damage::Torn) => {
                    tracing::info!(
                        audit.writer = writer,
                        "the last record of an earlier process was not written whole"
                    );
                    return Ok(());
                }
                Some(Damage::Garbled) => {
                    let (bytes, kept) = journal::set_aside(folder, file)?;
                    let kept = kept.display();
                    tracing::error!(audit.writer = writer, %kept, "a journal of the audit log is damaged: what could be read is stored");
                    self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
                    return Ok(());
                }
                None if chunk.entries.is_empty() => return Ok(()),
                None => {}
            }
        }
    }

    /// All of a file is in the database.
    fn finish_file(&self, folder: &Path, file: u64) -> io::Result<()> {
        match journal::remove_file(folder, file) {
            Ok(bytes) => {
                self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
                Ok(())
            }
            // Set aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes what is left of the own journal, all of which is in the database.
    pub(super) fn finish(&self) -> io::Result<()> {
        let folder = self.root.join(&self.writer);
        for file in journal::files_of(&folder)? {
            self.finish_file(&folder, file)?;
        }
        journal::remove_folder(&folder)
    }
}

/// Away from the threads that serve requests: it may wait for the disk.
async fn read(folder: &Path, file: u64, from: u64, end: Option<u64>) -> io::Result<Chunk> {
    let folder = folder.to_owned();
    let reading = tokio::task::spawn_blocking(move || journal::read_chunk(&folder, file, from, end));
    reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
