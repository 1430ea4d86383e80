//! `export`: every server and group as a file, to be read back by `apply`, `register` and `create group`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::config_file::text;
use crate::environment::Environment;
use crate::json_text;
use crate::printer::Printer;

/// The fields of a server whose values are secrets.
const SECRET_FIELDS: [&str; 3] = ["bearer_token", "headers", "env"];

/// What there is of a kind, if it could be fetched.
type Fetched = Option<Vec<Described>>;

/// A server or group, as the gateway describes it.
struct Described {
    /// In the gateway's own order of keys.
    json: Box<RawValue>,
    fields: Map<String, Value>,
}

impl Described {
    fn name(&self) -> &str {
        text(&self.fields, "name")
    }
}

pub(crate) async fn run(
    written: &Path,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let folder = expand(written, environment)?;
    let is_json = printer.is_json();
    let say = |printer: &mut Printer, line: String| if is_json { Ok(()) } else { writeln!(printer, "{line}") };
    prepare(&folder)?;
    let (groups_dir, servers_dir) = (folder.join("groups"), folder.join("servers"));
    say(printer, format!("Creating subdirectories inside {}", folder.display()))?;
    for folder in [&groups_dir, &servers_dir] {
        create_private(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    }

    say(printer, "Fetching Tool Group configurations...".to_owned())?;
    let groups = fetched("Tool Group", api.group_configs().await, printer)?;
    if let Some(groups) = &groups {
        match groups.len() {
            0 => say(printer, "No Tool Groups found.".to_owned())?,
            _ => say(printer, format!("Writing Tool Groups configurations to {}", groups_dir.display()))?,
        }
        write_all(groups, &groups_dir)?;
    }

    say(printer, "Fetching MCP Server configurations...".to_owned())?;
    let servers = fetched("MCP Server", api.server_configs().await, printer)?;
    if let Some(servers) = &servers {
        match servers.len() {
            0 => say(printer, "No MCP Servers found.".to_owned())?,
            _ => say(printer, format!("Writing MCP Server configurations to {}", servers_dir.display()))?,
        }
        write_all(servers, &servers_dir)?;
        warn_of_contents(servers, &servers_dir, printer)?;
    }

    // One part is a partial copy; none is no copy, whatever a script would make of status 0.
    ensure!(groups.is_some() || servers.is_some(), "nothing was exported");
    if is_json {
        let names = |fetched: &Fetched| {
            fetched.iter().flatten().map(|described| described.name().to_owned()).collect::<Vec<_>>()
        };
        let summary = json!({ "directory": folder, "groups": names(&groups), "servers": names(&servers) });
        return Ok(printer.json(&summary.to_string())?);
    }
    Ok(writeln!(printer, "Export complete!")?)
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

fn fetched(kind: &str, answer: anyhow::Result<Vec<Box<RawValue>>>, printer: &mut Printer) -> anyhow::Result<Fetched> {
    let read = |json: Box<RawValue>| {
        let fields = serde_json::from_str(json.get()).context("failed to parse response")?;
        Ok(Described { json, fields })
    };
    match answer.and_then(|found| found.into_iter().map(read).collect()) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            printer.note(format_args!("Warning: failed to fetch {kind} configurations: {error:#}"))?;
            Ok(None)
        }
    }
}

fn write_all(found: &[Described], folder: &Path) -> anyhow::Result<()> {
    found.iter().try_for_each(|described| write(described, folder))
}

fn write(described: &Described, folder: &Path) -> anyhow::Result<()> {
    let name = described.name();
    // The name comes from elsewhere, and becomes one of a file.
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    ensure!(!name.is_empty() && name.bytes().all(is_word), "failed to parse response: '{name}' is not a name");
    let path = path_of(described, folder);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{}", json_text::pretty(described.json.get())));
    written.with_context(|| format!("failed to write {}", path.display()))
}

fn path_of(described: &Described, folder: &Path) -> PathBuf {
    folder.join(format!("{}.json", described.name()))
}

/// Says which files hold secrets, and which cannot be read back as they are.
fn warn_of_contents(servers: &[Described], folder: &Path, printer: &mut Printer) -> io::Result<()> {
    let holds_secrets = |server: &&Described| SECRET_FIELDS.iter().any(|field| server.fields.contains_key(*field));
    let secret: Vec<&str> = servers.iter().filter(holds_secrets).map(Described::name).collect();
    if !secret.is_empty() {
        printer.note(format_args!(
            "WARNING: files in {} hold secrets in clear ({}). Only you can read them: keep it so, \
             or put ${{VAR}} in place of the secrets.",
            folder.display(),
            secret.join(", ")
        ))?;
    }
    for server in servers.iter().filter(|server| server.json.get().contains("${")) {
        printer.note(format_args!(
            "WARNING: a value in {} holds `${{`, which would be taken for a variable when the file is read back.",
            path_of(server, folder).display()
        ))?;
    }
    Ok(())
}
