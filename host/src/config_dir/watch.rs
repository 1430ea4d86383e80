//! Noticing that a folder, or a file, has changed, and has come to rest. It is looked at
//! again and again: that also sees what others write over a network, swapped
//! links, and files renamed over files, with nothing that could overflow.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::configuration::find_files;

/// Each file, with what changes when it is written or replaced; nothing for one that is a dead link.
pub(crate) type Fingerprint = Vec<(PathBuf, Option<Stamp>)>;

/// Device, inode, size, and time of the last change to the file in seconds and nanoseconds: also
/// when others were let read it, which leaves the contents as they were.
pub(crate) type Stamp = (u64, u64, u64, i64, i64);

/// The folder as it is now.
pub(super) fn fingerprint(folder: &Path) -> io::Result<Fingerprint> {
    // A file in its place would be taken for a folder of one.
    fs::read_dir(folder)?;
    Ok(find_files(folder)?.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
}

/// What tells that a file is another one now; `None` if it cannot be seen.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
}

/// How many looks in a row must see the same before it counts; more for an empty folder,
/// which says that all is to be removed, and may be one that is about to be filled.
const LOOKS_AT_REST: u32 = 2;
const LOOKS_AT_REST_IF_EMPTY: u32 = 10;

/// What was seen of a folder.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    last: Option<Fingerprint>,
    /// How many looks in a row saw that.
    looks: u32,
    /// What the last change that was told of had come to.
    settled: Option<Fingerprint>,
    /// Why it could not be seen the last time.
    lost: Option<String>,
}

impl Watch {
    /// Takes a look; whether something has changed since it was last said so. Not yet while
    /// it still changes: several files are often written together, or one in several steps.
    /// So too at first: something may be filling the folder while the gateway starts.
    pub(crate) fn see(&mut self, now: Fingerprint) -> bool {
        self.lost = None;
        self.looks = if self.last.as_ref() == Some(&now) { self.looks.saturating_add(1) } else { 1 };
        let enough = if now.is_empty() { LOOKS_AT_REST_IF_EMPTY } else { LOOKS_AT_REST };
        let is_change = self.looks >= enough && self.settled.as_ref() != Some(&now);
        if is_change {
            self.settled = Some(now.clone());
        }
        self.last = Some(now);
        is_change
    }

    /// Whether what was seen last is what was told of last.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.is_some() && self.last == self.settled
    }

    /// The folder cannot be seen; whether that is news.
    pub(super) fn lose(&mut self, error: String) -> bool {
        self.last = None;
        self.lost.replace(error.clone()) != Some(error)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_change_is_told_once_and_only_when_it_has_come_to_rest() {
        let of = |name: &str| vec![(PathBuf::from(name), None)];
        let mut watch = Watch::default();
        let seen: Vec<bool> =
            ["a", "a", "a", "b", "c", "c", "c", "a", "c", "c", "a", "a"].map(|name| watch.see(of(name))).into();
        let told = [false, true, false, false, false, true, false, false, false, false, false, true];
        assert_eq!(seen, told, "not `b`, nor the `a` between two `c`");
        let mut lose = |error: &str| watch.lose(error.to_owned());
        assert!(lose("gone") && !lose("gone") && lose("not allowed"));
        assert!(!watch.see(of("a")) && !watch.see(of("a")) && watch.lose("gone".to_owned()));
        assert!(!watch.see(of("b")) && watch.lose("gone".to_owned()));
        assert!(!watch.is_settled());
        assert!(!watch.see(of("b")) && watch.see(of("b")), "what was seen before it was gone is not counted");
        assert!(watch.is_settled());
        assert!(!watch.see(of("a")) && !watch.is_settled());
    }

    #[test]
    fn an_empty_folder_must_stay_so_for_longer() {
        let mut watch = Watch::default();
        let first_told = (1..=20).find(|_| watch.see(Vec::new()));
        assert_eq!(first_told, Some(10));
        assert!(!watch.see(Vec::new()));
    }

    #[test]
    fn writing_renaming_over_and_swapping_links_are_all_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let look = || fingerprint(folder.path()).unwrap();
        // As volumes of configuration are mounted: files are links through a link to a hidden folder.
        for version in ["..1", "..2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("s.json"), "{}").unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/s.json", path("s.json")).unwrap();
        let mut last = look();
        let mut differs = |what: &str| {
            let now = look();
            assert_ne!(now, last, "{what}");
            last = now;
        };
        symlink("..2", path("..new")).unwrap();
        fs::rename(path("..new"), path("..data")).unwrap();
        differs("a swapped link");
        fs::write(path("a.json"), "1").unwrap();
        differs("a new file");
        fs::write(path(".a.json.swp"), "1").unwrap();
        fs::rename(path(".a.json.swp"), path("a.json")).unwrap();
        differs("a file renamed over it");
        fs::write(path("a.json"), "22").unwrap();
        differs("a file written in place");
        fs::set_permissions(path("a.json"), fs::Permissions::from_mode(0o640)).unwrap();
        differs("a file whose permissions changed");
        fs::remove_file(path("a.json")).unwrap();
        differs("a file removed");
        assert!(fingerprint(&path("s.json")).is_err());
        assert!(fingerprint(&path("missing")).is_err());
    }
}
