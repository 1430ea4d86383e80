//! The file that holds the key beside an SQLite database: read, made at first need, and
//! replaced by one with another key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::store::secrets::{KEY_LEN, KeyError};

/// The text of a key file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyError::Read { path: path.to_owned(), source }),
    }
}

/// Makes a key file that is there whole or not at all, whenever the machine
/// stops, and never replaces one that another process has made meanwhile.
pub(super) fn create(path: &Path) -> Result<(), KeyError> {
    let text = new_key()?;
    let failed = |source| KeyError::Create { path: path.to_owned(), source };
    let draft = path.with_extension(format!("{:016x}.new", random_number()?));
    let made = write_draft(&draft, text.as_bytes()).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    made.and(removed).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Replacing a key file, in turn with every other process that would. The new key lies beside
/// the old one, in a file of its own, from before the database is changed until after it: so
/// whenever this is cut short, one of the two files opens the database.
pub(super) struct Succession<'p> {
    path: &'p Path,
    successor: PathBuf,
    /// The folder, locked for as long as this is open.
    _turn: File,
}

impl<'p> Succession<'p> {
    /// Where the new key lies meanwhile.
    pub(super) fn successor_of(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        name.into()
    }

    /// Waits for its turn.
    pub(super) fn begin(path: &'p Path) -> Result<Self, KeyError> {
        let turn = open_folder(path).and_then(|folder| folder.lock().map(|()| folder));
        let turn = turn.map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Ok(Self { path, successor: Self::successor_of(path), _turn: turn })
    }

    /// The new key of a succession that was cut short.
    pub(super) fn left_behind(&self) -> Result<Option<Zeroizing<String>>, KeyError> {
        read(&self.successor)
    }

    /// Makes a new key, and returns once it is on the disk.
    pub(super) fn prepare(&self) -> Result<Zeroizing<String>, KeyError> {
        // It was left behind, and the database is not under it: that has been looked at.
        self.abandon()?;
        let key = new_key()?;
        write_draft(&self.successor, key.as_bytes())
            .and_then(|()| give_to_owner_of(self.path, &self.successor))
            .and_then(|()| sync_folder(self.path))
            .map_err(|source| KeyError::Create { path: self.successor.clone(), source })?;
        Ok(key)
    }

    /// Puts the new key in the place of the old one.
    pub(super) fn complete(self) -> Result<(), KeyError> {
        fs::rename(&self.successor, self.path)
            .and_then(|()| sync_folder(self.path))
            .map_err(|source| KeyError::Replace { path: self.path.to_owned(), successor: self.successor, source })
    }

    /// Removes the new key.
    pub(super) fn abandon(&self) -> Result<(), KeyError> {
        match fs::remove_file(&self.successor) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(KeyError::Create { path: self.successor.clone(), source: error })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn new_key() -> Result<Zeroizing<String>, KeyError> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    getrandom::fill(&mut *key).map_err(KeyError::Random)?;
    Ok(Zeroizing::new(format!("{}\n", STANDARD.encode(*key))))
}

/// Names a draft that no other store, of this process or another, is writing.
fn random_number() -> Result<u64, KeyError> {
    getrandom::u64().map_err(KeyError::Random)
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Whoever replaces a key may be another user than the gateway that is to read it.
#[cfg(unix)]
fn give_to_owner_of(old: &Path, new: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let (old, is) = (fs::metadata(old)?, fs::metadata(new)?);
    if (old.uid(), old.gid()) == (is.uid(), is.gid()) {
        return Ok(());
    }
    chown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn give_to_owner_of(_old: &Path, _new: &Path) -> io::Result<()> {
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    open_folder(path)?.sync_all()
}

fn open_folder(path: &Path) -> io::Result<File> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder),
        _ => File::open("."),
    }
}
