//! Noticing that a folder has changed, and has come to rest. It is looked at
//! again and again: that also sees what others write over a network, swapped
//! links, and files renamed over files, with nothing that could overflow.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::configuration::find_files;

/// Each file, with what changes when it is written or replaced; nothing for one that is a dead link.
pub(super) type Fingerprint = Vec<(PathBuf, Option<Stamp>)>;

/// Device, inode, size, and time of the last change to the contents in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

/// The folder as it is now.
pub(super) fn fingerprint(folder: &Path) -> io::Result<Fingerprint> {
    // A file in its place would be taken for a folder of one.
    fs::read_dir(folder)?;
    let stamp = |path: &PathBuf| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    Ok(find_files(folder)?.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
}

/// What was seen of a folder.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last: Option<Fingerprint>,
    /// What the last change that was told of had come to.
    settled: Option<Fingerprint>,
    is_lost: bool,
}

impl Watch {
    /// Takes a look; whether something has changed since it was last said so. Not yet while
    /// it still changes: several files are often written together, or one in several steps.
    pub(super) fn see(&mut self, now: Fingerprint) -> bool {
        self.is_lost = false;
        // At first there is nothing that could be changing.
        let is_at_rest = self.last.as_ref().is_none_or(|last| *last == now);
        let is_new = self.settled.as_ref() != Some(&now);
        self.last = Some(now.clone());
        if is_at_rest && is_new {
            self.settled = Some(now);
        }
        is_at_rest && is_new
    }

    /// The folder cannot be seen; whether it could until now.
    pub(super) fn lose(&mut self) -> bool {
        !std::mem::replace(&mut self.is_lost, true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_change_is_told_once_and_only_when_it_has_come_to_rest() {
        let of = |name: &str| vec![(PathBuf::from(name), None)];
        let mut watch = Watch::default();
        let seen: Vec<bool> =
            ["a", "a", "b", "c", "c", "c", "a", "c", "c", "a", "a"].map(|name| watch.see(of(name))).into();
        assert_eq!(
            seen,
            [true, false, false, false, true, false, false, false, false, false, true],
            "the first at once; not `b`, nor the `a` between two `c`"
        );
        assert!(watch.lose() && !watch.lose());
        assert!(!watch.see(of("a")) && watch.lose());
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
        fs::remove_file(path("a.json")).unwrap();
        differs("a file removed");
        assert!(fingerprint(&path("s.json")).is_err());
        assert!(fingerprint(&path("missing")).is_err());
    }
}
