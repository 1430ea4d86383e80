//! The gateway, set up the way its users do it: through its command line.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use mcpjungle_host::identity::IdentityKind;
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::store::{NewIdentity, Store};
use serde_json::{Value, json};

use crate::process::{Directory, Family, end, succeed};
use crate::stored;

/// The group that calls go through.
pub(crate) const GROUP: &str = "bench";
/// What the client of a gateway in enterprise mode is known by.
const CLIENT_TOKEN: &str = "token-of-the-benchmark";
const ADMIN_TOKEN: &str = "token-of-the-administrator";

/// A home for a gateway: its database outlives a process.
pub(crate) struct Home {
    binary: PathBuf,
    directory: Directory,
    mode: Mode,
}

/// A running gateway. Killed and reaped when dropped.
pub(crate) struct Gateway {
    child: Child,
    port: u16,
}

impl Home {
    /// For a gateway in development mode.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let binary = binary.canonicalize().with_context(|| format!("no such binary: {}", binary.display()))?;
        Ok(Self { binary, directory: Directory::new()?, mode: Mode::Development })
    }

    /// For a gateway in enterprise mode, initialised, with a client that may use one server.
    pub(crate) async fn enterprise(binary: &Path, server: &str) -> Result<Self> {
        let home = Self { mode: Mode::Enterprise, ..Self::new(binary)? };
        fs::write(home.directory.path().join(".mcpjungle.conf"), format!("access_token: {ADMIN_TOKEN}\n"))?;
        let (database, keys) = stored::database_in(&home.directory.path());
        let store = Store::open(database, keys).await?;
        store.initialize(Mode::Enterprise, Some(stored::digest(ADMIN_TOKEN)?)).await?;
        let (allow, digest) = ([server.to_owned()], stored::digest(CLIENT_TOKEN)?);
        let client = NewIdentity { kind: IdentityKind::Client, name: "bench", description: "", allow: &allow, digest };
        store.create_identity(&client).await?;
        store.close().await;
        Ok(home)
    }

    /// What a client here must say who it is with.
    pub(crate) fn client_token(&self) -> Option<&'static str> {
        match self.mode {
            Mode::Development => None,
            Mode::Enterprise => Some(CLIENT_TOKEN),
        }
    }

    /// Starts a gateway here and waits until it says that it listens.
    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Gateway> {
        let mut command = self.command();
        command.args(["start", "--port", "0"]);
        if self.mode == Mode::Enterprise {
            command.args(["--enterprise", "--host", "127.0.0.1"]);
        }
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start the gateway")?;
        let mut output = BufReader::new(child.stdout.take().context("stdout is not piped")?);
        let mut line = String::new();
        let port = loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                end(&mut child);
                anyhow::bail!("the gateway did not start");
            }
            if let Some((_, rest)) = line.split_once("listening on :") {
                break rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?;
            }
        };
        // Read on, so that a full pipe never holds it up.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Ok(Gateway { child, port })
    }

    /// Starts one whose pipeline is empty.
    pub(crate) fn start_without_policies(&self) -> Result<Gateway> {
        let file = self.directory.path().join("policies.yaml");
        fs::write(&file, "policies: []\n")?;
        self.start(&["--policies", file.to_str().context("temporary paths are UTF-8")?])
    }

    /// Starts one with the stock policies and one more, for one stage.
    pub(crate) fn start_with_policy(
        &self,
        name: &str,
        component: &[u8],
        stage: &str,
        settings: &str,
    ) -> Result<Gateway> {
        let component_file = format!("{name}.wasm");
        fs::write(self.directory.path().join(&component_file), component)?;
        let stock: String = ["auth", "groups", "acl", "headers"]
            .map(|name| format!("  - {{name: {name}, component: 'builtin:{name}'}}\n"))
            .concat();
        let file = self.directory.path().join("policies.yaml");
        let own =
            format!("  - {{name: {name}, component: {component_file}, stages: [{stage}], settings: {settings}}}\n");
        fs::write(&file, format!("policies:\n{stock}{own}"))?;
        self.start(&["--policies", file.to_str().context("temporary paths are UTF-8")?])
    }

    /// Registers an upstream.
    pub(crate) fn register(&self, gateway: &Gateway, name: &str, url: &str, session_mode: &str) -> Result<()> {
        let server = json!({ "name": name, "transport": "streamable_http", "url": url, "session_mode": session_mode });
        self.configure(gateway, &["register", "-c"], &server)
    }

    /// Creates the group with all tools of a server.
    pub(crate) fn create_group(&self, gateway: &Gateway, server: &str) -> Result<()> {
        self.configure(gateway, &["create", "group", "-c"], &json!({ "name": GROUP, "included_servers": [server] }))
    }

    fn configure(&self, gateway: &Gateway, arguments: &[&str], configuration: &Value) -> Result<()> {
        let file = self.directory.path().join("configuration.json");
        fs::write(&file, configuration.to_string())?;
        succeed(self.command().args(["--registry", &gateway.url("")]).args(arguments).arg(&file))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.current_dir(self.directory.path()).env_clear().env("PATH", path).env("HOME", self.directory.path());
        command.stdin(Stdio::null());
        command
    }
}

impl Gateway {
    /// The URL of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The group's endpoint.
    pub(crate) fn group_url(&self) -> String {
        self.url(&format!("/v0/groups/{GROUP}/mcp"))
    }

    /// The gateway's process.
    pub(crate) fn family(&self) -> Family {
        Family(self.child.id())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
