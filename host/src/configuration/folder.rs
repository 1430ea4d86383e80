//! Many files, to one state.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::configuration::check::{Configuration, check};
use crate::configuration::difference::State;
use crate::configuration::placeholders::Variables;
use crate::configuration::problem::{Problem, Source};

/// What files in a folder are read; all others may lie beside them.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// The file itself, or all configuration files in the folder and below, sorted.
/// Hidden ones are left out: editors and mounted volumes keep their own there.
/// What cannot be told to be a file or a folder fails it as a whole: it could hold any of them.
pub fn find_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    find_below(path, &mut BTreeSet::new(), &mut found)?;
    found.sort();
    Ok(found)
}

fn find_below(folder: &Path, seen: &mut BTreeSet<PathBuf>, found: &mut Vec<PathBuf>) -> io::Result<()> {
    // A link may lead back up.
    if !seen.insert(folder.canonicalize()?) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let has_extension =
            path.extension().and_then(|extension| extension.to_str()).is_some_and(|found| EXTENSIONS.contains(&found));
        // Follows links.
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => find_below(&path, seen, found)?,
            Ok(metadata) if has_extension && !metadata.is_file() => {
                // Reading a pipe would wait for whoever writes to it.
                let message = "it is neither a file nor a folder: take it away";
                return Err(told_of(&path, io::ErrorKind::InvalidInput, message));
            }
            // Of a dead link, reading it will say what is wrong.
            Ok(_) | Err(_) if has_extension => found.push(path),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
                // Taken away since the folder was listed.
            }
            Err(error) => return Err(told_of(&path, error.kind(), error)),
        }
    }
    Ok(())
}

fn told_of(path: &Path, kind: io::ErrorKind, what: impl Display) -> io::Error {
    io::Error::new(kind, format!("{}: {what}", path.display()))
}

/// Reads and checks all of these files; what is wrong in any of them is told.
pub fn read_state(files: &[PathBuf], variables: &Variables<'_>) -> Result<State, Vec<Problem>> {
    let mut reading = Reading::default();
    for path in files {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => reading.add(Source { shown: &shown, path, text: &text }, variables),
            Err(error) => reading.problems.push(Problem {
                file: shown,
                place: None,
                message: format!("failed to read config file: {error}"),
            }),
        }
    }
    if reading.problems.is_empty() { Ok(reading.state) } else { Err(reading.problems) }
}

#[derive(Default)]
struct Reading {
    state: State,
    /// Which file describes a thing: its kind and name.
    described_in: BTreeMap<(&'static str, String), String>,
    problems: Vec<Problem>,
}

impl Reading {
    fn add(&mut self, source: Source<'_>, variables: &Variables<'_>) {
        let configuration = match check(source, None, variables) {
            Ok(configuration) => configuration,
            Err(problems) => return self.problems.extend(problems),
        };
        let thing = match &configuration {
            Configuration::Server(server) => ("server", server.name.to_string()),
            Configuration::Group(group) => ("group", group.name.to_string()),
            Configuration::Policies(_) => {
                let message = "policies are not applied: give this file to `mcpjungle start --policies`, \
                               and keep it outside of this folder";
                return self.problems.push(source.problem(None, message));
            }
        };
        if let Some(other) = self.described_in.get(&thing) {
            let (kind, name) = thing;
            return self.problems.push(source.problem(None, format!("{kind} `{name}` is described in {other} too")));
        }
        self.described_in.insert(thing, source.shown.to_owned());
        match configuration {
            Configuration::Server(server) => drop(self.state.servers.insert(server.name.clone(), server)),
            Configuration::Group(group) => drop(self.state.groups.insert(group.name.clone(), group)),
            Configuration::Policies(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn files_are_found_in_any_layout_and_through_links_but_not_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["servers/b.json", "a.yaml", "groups/deep/c.yml", "README.md", "..data/d.json", ".e.json"] {
            write(folder.path(), name, "{}");
        }
        symlink("..data/d.json", folder.path().join("d.json")).unwrap();
        symlink("..", folder.path().join("servers/up")).unwrap();
        let found = find_files(folder.path()).unwrap();
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.yaml", "d.json", "groups/deep/c.yml", "servers/b.json"]);
        assert_eq!(find_files(&folder.path().join("README.md")).unwrap().len(), 1);
        assert!(find_files(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn what_may_hide_files_is_an_error_and_not_none() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.json", "{}");
        symlink("../not-mounted", folder.path().join("servers")).unwrap();
        let message = find_files(folder.path()).unwrap_err().to_string();
        assert!(message.contains("/servers: No such file"), "{message}");
        fs::remove_file(folder.path().join("servers")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(folder.path().join("b.yaml")).unwrap();
        let message = find_files(folder.path()).unwrap_err().to_string();
        assert!(message.contains("/b.yaml: it is neither a file nor a folder"), "{message}");
        drop(socket);
        fs::rename(folder.path().join("b.yaml"), folder.path().join("b.sock")).unwrap();
        assert_eq!(find_files(folder.path()).unwrap().len(), 1, "others may lie beside");
    }

    #[test]
    fn one_bad_file_refuses_them_all_and_every_problem_is_told() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.json", r#"{"name":"s","transport":"stdio","command":"c"}"#);
        write(folder.path(), "b.json", r#"{"name":"g","included_servers":["s"]}"#);
        let read = || read_state(&find_files(folder.path()).unwrap(), &|_: &str| None);
        let state = read().unwrap();
        assert_eq!((state.servers.len(), state.groups.len()), (1, 1));
        write(folder.path(), "c.yaml", "name: s\ntransport: stdio\ncommand: c\n");
        write(folder.path(), "d.yaml", "policies: []\n");
        symlink("nowhere", folder.path().join("e.json")).unwrap();
        let messages: Vec<String> = read().unwrap_err().iter().map(|problem| problem.message.clone()).collect();
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert!(messages[0].starts_with("server `s` is described in ") && messages[0].ends_with("a.json too"));
        assert!(messages[1].starts_with("policies are not applied"));
        assert!(messages[2].starts_with("failed to read config file: "));
    }
}
