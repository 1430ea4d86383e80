//! The journal: records on the local disk until they are in the database.
//!
//! Each writer has a folder of its own, named after it, with numbered files of lines: number, code
//! and record. `write` survives the end of the process however it ends; the end of the machine only
//! what was synced. The last line may be torn, and then it was never written.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::audit::chain::{Link, hex, parse_hex};

/// Held by the process whose journal it is, for as long as it lives. It says which database the journal is for.
const LOCK: &str = "lock";
/// What the names of files end in.
const SUFFIX: &str = ".journal";
/// How long a file gets at most before the next is begun; shorter where the whole journal is small.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// How much of a file is read at a time.
const READ_BYTES: u64 = 1 << 20;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in its writer's chain, and the code that says so.
    pub link: Link,
    /// The record.
    pub text: String,
}

/// How far a journal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The number of the file.
    pub(super) file: u64,
    /// How much of it.
    pub(super) bytes: u64,
}

/// What the writer of a journal and its reader share.
pub(super) struct Shared {
    /// Bytes on the disk, those of journals that other processes left included.
    pub(super) bytes: AtomicU64,
    /// How far whole lines are written.
    pub(super) written: Mutex<Position>,
}

/// A journal that is written.
pub(super) struct Journal {
    folder: PathBuf,
    file: File,
    position: Position,
    max_bytes: u64,
    must_sync: bool,
    /// Something half-written could not be taken back, so the file must not be gone on with.
    is_torn: bool,
    pub(super) shared: Arc<Shared>,
    /// Its being locked shows others that this process lives.
    _lock: File,
}

impl Journal {
    /// Makes the folder of a new writer. `mark` tells its database from others.
    pub(super) fn create(root: &Path, writer: &str, mark: &str, max_bytes: u64, must_sync: bool) -> io::Result<Self> {
        create_folder(root)?;
        let folder = root.join(writer);
        // Under another name until it is locked: a process that starts now must not take it over.
        let draft = root.join(format!("{writer}.new"));
        create_folder(&draft)?;
        let mut lock = open(&draft.join(LOCK))?;
        lock.lock()?;
        lock.write_all(mark.as_bytes())?;
        fs::rename(&draft, &folder)?;
        let position = Position { file: 1, bytes: 0 };
        let file = open(&path_of(&folder, position.file))?;
        if must_sync {
            lock.sync_all()?;
            File::open(&folder)?.sync_all()?;
            File::open(root)?.sync_all()?;
        }
        let shared = Arc::new(Shared { bytes: AtomicU64::new(0), written: Mutex::new(position) });
        Ok(Self { folder, file, position, max_bytes, must_sync, is_torn: false, shared, _lock: lock })
    }

    /// Writes entries, all or none. An error says that there is no room, on the disk or by the bound.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            write_line(&mut lines, entry);
        }
        let length = lines.len() as u64;
        if entries.is_empty() {
            return Ok(());
        }
        if self.shared.bytes.load(Ordering::Relaxed) + length > self.max_bytes {
            // So that what is in this file can go from the disk as soon as it is in the database.
            if self.position.bytes > 0 {
                self.begin_file()?;
            }
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the journal has reached its bound"));
        }
        if self.is_torn || (self.position.bytes > 0 && self.position.bytes + length > self.file_bound()) {
            self.begin_file()?;
        }
        let written =
            self.file.write_all(&lines).and_then(|()| if self.must_sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            self.is_torn = self.file.set_len(self.position.bytes).is_err();
            return Err(error);
        }
        self.position.bytes += length;
        self.shared.bytes.fetch_add(length, Ordering::Relaxed);
        *self.shared.written.lock() = self.position;
        Ok(())
    }

    /// Whether it is far from its bound.
    pub(super) fn has_ample_room(&self) -> bool {
        self.shared.bytes.load(Ordering::Relaxed) < self.max_bytes - self.max_bytes / 8
    }

    /// Several files, so that what is in the database can go from the disk before all of it is.
    fn file_bound(&self) -> u64 {
        (self.max_bytes / 8).min(MAX_FILE_BYTES)
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let next = Position { file: self.position.file + 1, bytes: 0 };
        self.file = open(&path_of(&self.folder, next.file))?;
        // Left from an attempt that failed.
        self.file.set_len(0)?;
        if self.must_sync {
            File::open(&self.folder)?.sync_all()?;
        }
        (self.position, self.is_torn) = (next, false);
        *self.shared.written.lock() = next;
        Ok(())
    }
}

/// For the owner only: who did what is nobody else's business.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn path_of(folder: &Path, file: u64) -> PathBuf {
    folder.join(format!("{file:08}{SUFFIX}"))
}

fn write_line(lines: &mut Vec<u8>, entry: &Entry) {
    lines.extend_from_slice(entry.link.seq.to_string().as_bytes());
    lines.push(b' ');
    lines.extend_from_slice(hex(&entry.link.mac).as_bytes());
    lines.push(b' ');
    lines.extend_from_slice(entry.text.as_bytes());
    lines.push(b'\n');
}

fn read_line(line: &[u8]) -> Option<Entry> {
    let line = std::str::from_utf8(line).ok()?;
    let (seq, rest) = line.split_once(' ')?;
    let (mac, text) = rest.split_once(' ')?;
    let is_record = text.starts_with('{') && text.ends_with('}') && !text.contains('\0');
    let link = Link { seq: seq.parse().ok()?, mac: parse_hex(mac)? };
    is_record.then(|| Entry { link, text: text.to_owned() })
}

/// Some entries of a journal, and where to go on.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    pub(super) next: u64,
    /// What stands there is no line: nothing behind it in this file can be trusted to be one.
    pub(super) damage: Option<Damage>,
}

/// What is wrong at the end of what could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// The last line has no end: the process ended while it was written.
    Torn,
    /// Something else is in the place of lines.
    Garbled,
}

/// Reads entries of a file, from an offset up to an end or the end of the file; none if there are no more.
pub(super) fn read_chunk(folder: &Path, file: u64, from: u64, end: Option<u64>) -> io::Result<Chunk> {
    let mut opened = File::open(path_of(folder, file))?;
    let end = end.unwrap_or(opened.metadata()?.len());
    opened.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    let mut length = READ_BYTES.min(end.saturating_sub(from));
    // A line may be longer than what is read at a time.
    loop {
        let missing = length - bytes.len() as u64;
        (&mut opened).take(missing).read_to_end(&mut bytes)?;
        if bytes.contains(&b'\n') || from + bytes.len() as u64 >= end || (bytes.len() as u64) < length {
            break;
        }
        length = (length * 2).min(end - from);
    }
    let is_at_end = from + bytes.len() as u64 >= end;
    let mut chunk = Chunk { entries: Vec::new(), next: from, damage: None };
    let mut rest = bytes.as_slice();
    while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
        let Some(entry) = read_line(&rest[..length]) else {
            chunk.damage = Some(Damage::Garbled);
            return Ok(chunk);
        };
        chunk.entries.push(entry);
        chunk.next += length as u64 + 1;
        rest = &rest[length + 1..];
    }
    if is_at_end && !rest.is_empty() {
        // Zeros are what a machine leaves that lost power while a file grew.
        let is_torn = !rest.contains(&0);
        chunk.damage = Some(if is_torn { Damage::Torn } else { Damage::Garbled });
    }
    Ok(chunk)
}

/// The numbers of a writer's files, in order.
pub(super) fn files_of(folder: &Path) -> io::Result<Vec<u64>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        files.extend(name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<u64>().ok()));
    }
    files.sort_unstable();
    Ok(files)
}

/// Removes a file whose entries are in the database. Returns how long it was.
pub(super) fn remove_file(folder: &Path, file: u64) -> io::Result<u64> {
    let path = path_of(folder, file);
    let length = fs::metadata(&path)?.len();
    fs::remove_file(&path)?;
    Ok(length)
}

/// Keeps a file that is damaged out of the way, for people to look at. Returns how long it is.
pub(super) fn set_aside(folder: &Path, file: u64) -> io::Result<(u64, PathBuf)> {
    let (path, root) = (path_of(folder, file), folder.parent().unwrap_or(folder));
    let writer = folder.file_name().and_then(|name| name.to_str()).unwrap_or("unknown");
    let kept = root.join(format!("{writer}-{file:08}.damaged"));
    let length = fs::metadata(&path)?.len();
    fs::rename(&path, &kept)?;
    Ok((length, kept))
}

/// Removes the folder of a writer that is done.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(LOCK))?;
    fs::remove_dir(folder)
}

/// A journal that an earlier process left.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) writer: String,
    pub(super) folder: PathBuf,
    /// How much of it there is.
    pub(super) bytes: u64,
    /// So that no other process takes it too.
    _lock: File,
}

/// What writers that have ended left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) orphans: Vec<Orphan>,
    /// Journals that are for another database, whose gateways take them there.
    pub(super) of_others: Vec<PathBuf>,
}

/// Takes over the journals of writers that have ended, if their marks are what they are for this database.
pub(super) fn adopt(root: &Path, own: &str, mark_of: impl Fn(&str) -> String) -> io::Result<Left> {
    let mut left = Left::default();
    for entry in fs::read_dir(root)? {
        let folder = entry?.path();
        let Some(writer) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        if writer == own || !is_writer(writer) || !folder.is_dir() {
            continue;
        }
        let writer = writer.to_owned();
        let lock = match OpenOptions::new().append(true).open(folder.join(LOCK)) {
            Ok(lock) => lock,
            // It ended between making its folder and its lock, or its reader has just removed both.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _not_empty = fs::remove_dir(&folder);
                continue;
            }
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if fs::read(folder.join(LOCK))? != mark_of(&writer).as_bytes() {
            left.of_others.push(folder);
            continue;
        }
        let lengths = files_of(&folder)?.into_iter().map(|file| fs::metadata(path_of(&folder, file)));
        let bytes = lengths.map(|metadata| metadata.map_or(0, |metadata| metadata.len())).sum();
        left.orphans.push(Orphan { writer, folder, bytes, _lock: lock });
    }
    Ok(left)
}

/// Whether this is the name of a writer.
pub(super) fn is_writer(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const WRITER: &str = "0123456789abcdef0123456789abcdef";
    const MARK: &str = "of this database";

    fn adopt(root: &Path, own: &str) -> io::Result<Vec<Orphan>> {
        super::adopt(root, own, |_| MARK.to_owned()).map(|left| left.orphans)
    }

    fn entry(seq: i64, length: usize) -> Entry {
        Entry { link: Link { seq, mac: [7; 32] }, text: format!(r#"{{"x":"{}"}}"#, "y".repeat(length)) }
    }

    fn read_all(folder: &Path) -> Vec<Entry> {
        let mut entries = Vec::new();
        for file in files_of(folder).unwrap() {
            let mut from = 0;
            loop {
                let chunk = read_chunk(folder, file, from, None).unwrap();
                if chunk.entries.is_empty() {
                    break;
                }
                from = chunk.next;
                entries.extend(chunk.entries);
            }
        }
        entries
    }

    #[test]
    fn what_is_written_is_read_from_as_many_files_as_it_takes() {
        let root = TempDir::new().unwrap();
        let mut journal = Journal::create(root.path(), WRITER, MARK, 1 << 20, false).unwrap();
        let entries: Vec<Entry> = (1..=50).map(|seq| entry(seq, 10_000)).collect();
        for some in entries.chunks(3) {
            journal.append(some).unwrap();
        }
        let folder = root.path().join(WRITER);
        assert_eq!(read_all(&folder), entries);
        assert!(files_of(&folder).unwrap().len() > 2);
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path_of(&folder, 1))), (0o700, 0o600));
    }

    #[test]
    fn a_line_that_is_longer_than_what_is_read_at_a_time_is_read() {
        let root = TempDir::new().unwrap();
        let mut journal = Journal::create(root.path(), WRITER, MARK, 64 << 20, false).unwrap();
        let entries = [entry(1, 5), entry(2, 3_000_000), entry(3, 5)];
        journal.append(&entries).unwrap();
        assert_eq!(read_all(&root.path().join(WRITER)), entries);
    }

    #[test]
    fn a_journal_keeps_to_its_bound_and_writes_all_or_nothing() {
        let root = TempDir::new().unwrap();
        let mut journal = Journal::create(root.path(), WRITER, MARK, 10_000, true).unwrap();
        let mut written = 0;
        while journal.append(&[entry(written + 1, 500)]).is_ok() {
            written += 1;
        }
        assert!(journal.append(&[entry(written + 1, 5), entry(written + 2, 500)]).is_err());
        let folder = root.path().join(WRITER);
        assert_eq!(read_all(&folder).len(), usize::try_from(written).unwrap());
        // What went to the database makes room.
        let gone = remove_file(&folder, 1).unwrap();
        journal.shared.bytes.fetch_sub(gone, Ordering::Relaxed);
        journal.append(&[entry(written + 1, 500)]).unwrap();
    }

    #[test]
    fn a_torn_line_is_told_from_a_garbled_one() {
        for (tail, damage) in [
            ("", None),
            ("2 ", Some(Damage::Torn)),
            ("2 0707", Some(Damage::Torn)),
            ("\0\0\0\0", Some(Damage::Garbled)),
            ("nonsense\n", Some(Damage::Garbled)),
            ("2 00 {}\n", Some(Damage::Garbled)),
        ] {
            let root = TempDir::new().unwrap();
            let mut journal = Journal::create(root.path(), WRITER, MARK, 1 << 20, false).unwrap();
            journal.append(&[entry(1, 5)]).unwrap();
            let folder = root.path().join(WRITER);
            open(&path_of(&folder, 1)).unwrap().write_all(tail.as_bytes()).unwrap();
            let chunk = read_chunk(&folder, 1, 0, None).unwrap();
            assert_eq!((chunk.entries, chunk.damage), (vec![entry(1, 5)], damage), "{tail:?}");
        }
    }

    #[test]
    fn only_the_journal_of_a_writer_that_has_ended_is_taken_over_and_only_once() {
        let root = TempDir::new().unwrap();
        let other = "f".repeat(32);
        let mut living = Journal::create(root.path(), WRITER, MARK, 1 << 20, false).unwrap();
        living.append(&[entry(1, 5)]).unwrap();
        fs::create_dir(root.path().join("something else")).unwrap();
        assert_eq!(adopt(root.path(), &other).unwrap().len(), 0);
        drop(living);
        let of_another = super::adopt(root.path(), &other, |_| "of another".to_owned()).unwrap();
        assert!(of_another.orphans.is_empty() && of_another.of_others == [root.path().join(WRITER)]);
        let orphans = adopt(root.path(), &other).unwrap();
        assert_eq!(orphans.len(), 1);
        assert!(orphans[0].writer == WRITER && orphans[0].bytes > 0);
        assert_eq!(adopt(root.path(), &other).unwrap().len(), 0, "it is taken");
        assert_eq!(adopt(root.path(), WRITER).unwrap().len(), 0, "nobody takes over itself");
    }
}
