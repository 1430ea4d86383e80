//! Whether a path is in a folder, as far as its text tells.

use std::fmt;

/// A folder that paths may be in.
pub(crate) enum Folder {
    /// Where relative paths begin.
    Relative,
    /// An absolute one, without a `/` at its end.
    Absolute(String),
}

impl Folder {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.trim_end_matches('/') {
            "." => Ok(Self::Relative),
            folder if text.starts_with('/') && !climbs(folder) => Ok(Self::Absolute(folder.to_owned())),
            _ => Err(format!("`{text}` is no folder: it must be absolute and without `..`, or `.`")),
        }
    }

    /// Whether `path` is this folder or in it. What a server might read in another way is in none.
    pub(crate) fn holds(&self, path: &str) -> bool {
        // Windows servers go up by `\` too; `%2e` and `~` are taken for something else by some.
        let is_plain = !path.contains(['\\', '%', '\0']) && !path.starts_with('~') && !path.is_empty();
        if !is_plain || climbs(path) {
            return false;
        }
        match self {
            // `C:x` and `file:x` are not what they seem to be.
            Self::Relative => !path.starts_with('/') && !path.contains(':'),
            Self::Absolute(folder) => {
                path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative => f.write_str("."),
            Self::Absolute(folder) if folder.is_empty() => f.write_str("/"),
            Self::Absolute(folder) => f.write_str(folder),
        }
    }
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::Folder;

    #[test]
    fn a_path_is_in_a_folder_only_if_its_text_leaves_no_doubt() {
        for (folder, path, expected) in [
            ("/srv/data", "/srv/data/a/b.txt", true),
            ("/srv/data/", "/srv/data", true),
            ("/srv/data", "/srv/database", false),
            ("/srv/data", "/srv/data/../secret", false),
            ("/srv/data", "/srv/data/%2e%2e/secret", false),
            ("/srv/data", "/srv/data\\..\\x", false),
            ("/srv/data", "data/x", false),
            ("/", "/etc/passwd", true),
            (".", "notes/a..b.txt", true),
            (".", "../x", false),
            (".", "/etc/passwd", false),
            (".", "~/x", false),
            (".", "C:x", false),
            (".", "", false),
        ] {
            assert_eq!(Folder::parse(folder).unwrap().holds(path), expected, "{folder} {path}");
        }
        assert!(Folder::parse("srv").is_err() && Folder::parse("/srv/../etc").is_err());
    }
}
