//! `export`: every server and group as a file, to be read back by `apply`, `register` and `create group`.

use std::fmt::Display;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use mcpjungle_host::admin::{holds_secrets, read_server};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::arguments::ExportArguments;
use crate::config_file::text;
use crate::environment::Environment;
use crate::json_text;
use crate::printer::Printer;

/// What there is of a kind, if it could be fetched.
type Fetched = Option<Vec<Described>>;

/// A server or group, as the gateway describes it.
struct Described {
    /// In the gateway's own order of keys.
    json: Box<RawValue>,
    name: String,
}

pub(crate) async fn run(
    arguments: &ExportArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let folder = expand(&arguments.dir, environment)?;
    prepare(&folder)?;
    let (groups_dir, servers_dir) = (folder.join("groups"), folder.join("servers"));
    tell(printer, format_args!("Creating subdirectories inside {}", folder.display()))?;
    for folder in [&groups_dir, &servers_dir] {
        create_private(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    }
    let groups = copy("Tool Group", api.group_configs(), &groups_dir, printer).await?;
    let servers = copy("MCP Server", api.server_configs(arguments.reveal), &servers_dir, printer).await?;
    warn_of_contents(servers.as_deref().unwrap_or_default(), arguments.reveal, &servers_dir, printer)?;
    // One part is a partial copy; none is no copy, whatever a script would make of status 0.
    ensure!(groups.is_some() || servers.is_some(), "nothing was exported");
    if printer.is_json() {
        let names = |fetched: &Fetched| fetched.iter().flatten().map(|one| one.name.clone()).collect::<Vec<_>>();
        let summary = json!({ "directory": folder, "groups": names(&groups), "servers": names(&servers) });
        return Ok(printer.json(&summary.to_string())?);
    }
    Ok(tell(printer, "Export complete!")?)
}

/// What is going on, for people.
fn tell(printer: &mut Printer, line: impl Display) -> io::Result<()> {
    if printer.is_json() { Ok(()) } else { writeln!(printer, "{line}") }
}

/// Fetches all of a kind and writes each to a file of its own. What cannot be fetched is only a warning.
async fn copy(
    kind: &str,
    fetching: impl Future<Output = anyhow::Result<Vec<Box<RawValue>>>>,
    folder: &Path,
    printer: &mut Printer,
) -> anyhow::Result<Fetched> {
    tell(printer, format_args!("Fetching {kind} configurations..."))?;
    let found = match fetching.await.and_then(|found| found.into_iter().map(Described::read).collect()) {
        Ok(found) => found,
        Err(error) => {
            printer.note(format_args!("Warning: failed to fetch {kind} configurations: {error:#}"))?;
            return Ok(None);
        }
    };
    let found: Vec<Described> = found;
    match found.len() {
        0 => tell(printer, format_args!("No {kind}s found."))?,
        _ => tell(printer, format_args!("Writing {kind}s configurations to {}", folder.display()))?,
    }
    found.iter().try_for_each(|described| described.write(folder))?;
    Ok(Some(found))
}

impl Described {
    fn read(json: Box<RawValue>) -> anyhow::Result<Self> {
        let fields: Map<String, Value> = serde_json::from_str(json.get()).context("failed to parse response")?;
        let name = text(&fields, "name").to_owned();
        // The name comes from elsewhere, and becomes one of a file.
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        ensure!(!name.is_empty() && name.bytes().all(is_word), "failed to parse response: '{name}' is not a name");
        Ok(Self { json, name })
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", self.name))
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = self.path(folder);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| writeln!(file, "{}", json_text::pretty(self.json.get())));
        written.with_context(|| format!("failed to write {}", path.display()))
    }

    /// Whether it has secrets, shown or not. One that this program cannot read may well.
    fn holds_secrets(&self) -> bool {
        let server = serde_json::from_str(self.json.get()).ok().and_then(|server| read_server(server).ok());
        server.is_none_or(|server| holds_secrets(&server))
    }
}

/// An absolute path; `~` is the user's home, also where no shell has made it so.
fn expand(written: &Path, environment: &Environment) -> anyhow::Result<PathBuf> {
    match written.strip_prefix("~") {
        Ok(below) => {
            let home = environment.home_directory.as_deref().context("cannot expand ~: there is no home directory")?;
            Ok(home.components().chain(below.components()).collect())
        }
        Err(_) => Ok(environment.path(written).components().collect()),
    }
}

/// Makes the folder, or makes sure that there is nothing in it.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    match fs::read_dir(folder) {
        Ok(mut entries) => ensure!(entries.next().is_none(), "target directory {shown} is not empty"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_private(folder).with_context(|| format!("failed to create target directory {shown}"))?;
        }
        Err(error) => bail!("failed to read target directory {shown}: {error}"),
    }
    Ok(())
}

fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Says which files hold secrets, and which cannot be read back as they are.
fn warn_of_contents(servers: &[Described], revealed: bool, folder: &Path, printer: &mut Printer) -> io::Result<()> {
    let secret: Vec<&str> =
        servers.iter().filter(|server| server.holds_secrets()).map(|server| server.name.as_str()).collect();
    let (folder_shown, names) = (folder.display(), secret.join(", "));
    match (secret.is_empty(), revealed) {
        (true, _) => {}
        (false, true) => printer.note(format_args!(
            "WARNING: files in {folder_shown} hold secrets in clear ({names}). Only you can read them: keep it so, \
             or put ${{VAR}} in place of the secrets."
        ))?,
        (false, false) => printer.note(format_args!(
            "WARNING: secrets in {folder_shown} read `[redacted]` ({names}). Put ${{VAR}} in their place before the \
             files are read back, or export with --reveal."
        ))?,
    }
    for server in servers.iter().filter(|server| server.json.get().contains("${")) {
        printer.note(format_args!(
            "WARNING: a value in {} holds `${{`, which would be taken for a variable when the file is read back.",
            server.path(folder).display()
        ))?;
    }
    Ok(())
}
