//! The gateway whose policies are changed: the real one, served over TCP, in a process of its own.

use std::io::BufRead;
use std::sync::{Arc, Weak};

use anyhow::{Context, Result, ensure};
use mcpjungle_host::gateway::{Gateway, GatewaySettings, Wish};
use mcpjungle_host::installation::{ComponentRef, Edit, Place, PluginVersion, VersionChanges};
use mcpjungle_host::pipeline::{Authorizer, Mode};
use mcpjungle_host::plugin::digest_of;
use mcpjungle_host::serve;
use mcpjungle_host::server::{Server, Transport};
use mcpjungle_host::upstream::Offer;
use serde_json::json;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::process::Directory;
use crate::upstream::{TOOL, definition_of};
use crate::{crowd, stored};

/// The answer to each command.
pub(super) const DONE: &str = "done";
/// The command that looks for what is left behind; any other is a number of changes.
pub(super) const VERIFY: &str = "verify";
/// Tools of the upstream: one that is called, and one that comes and goes.
pub(super) const TOOLS: usize = 2;
const HIDDEN_TOOL: &str = "tool_00001";

const SERVER: &str = "up";
const PLUGIN: &str = "deny-one-tool";
const COMPONENT: &[u8] = include_bytes!("../../../tests/fixtures/policies/deny-one-tool.wasm");

/// The gateway's process.
#[derive(clap::Args)]
pub(crate) struct SwappingGateway {
    /// Its only upstream.
    #[arg(long)]
    upstream: String,
}

impl SwappingGateway {
    /// Prints its port and does what it reads from standard input, until that ends.
    pub(crate) async fn run(self) -> Result<()> {
        let log = tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(std::io::stderr).finish();
        log.init();
        let folder = Directory::new()?;
        let gateway = open(&folder, &self.upstream).await?;
        let mut changes = Changes::start(Arc::clone(&gateway)).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        tokio::spawn(serve::serve(listener, gateway, std::future::pending()));
        loop {
            let (command, is_end) = tokio::task::spawn_blocking(read_command).await??;
            if is_end {
                return Ok(());
            }
            if command == VERIFY {
                changes.verify().await?;
            } else {
                let times: u64 = command.parse().with_context(|| format!("not a number of changes: {command:?}"))?;
                for _ in 0..times {
                    changes.make_next().await?;
                }
            }
            println!("{DONE}");
        }
    }
}

fn read_command() -> Result<(String, bool)> {
    let mut line = String::new();
    let is_end = std::io::stdin().lock().read_line(&mut line)? == 0;
    Ok((line.trim().to_owned(), is_end))
}

async fn open(folder: &Directory, upstream: &str) -> Result<Arc<Gateway>> {
    let (database, keys) = stored::database_in(&folder.path());
    let settings = GatewaySettings { mode: Mode::Development, ..crowd::settings(folder, database, keys) };
    let gateway = Gateway::open(settings).await?;
    let transport =
        Transport::StreamableHttp { url: upstream.parse()?, bearer_token: None, headers: Default::default() };
    let server = Server { transport, ..crowd::server(SERVER)? };
    let offer = Offer {
        initialize: crowd::INITIALIZE.into(),
        tools: [TOOL, HIDDEN_TOOL].map(|name| definition_of(name).into()).into(),
        ..Offer::default()
    };
    gateway.store.put_server(&server, &offer, false).await?;
    gateway.refresh().await?;
    Ok(gateway)
}

/// Changes of one plugin, each to something that never ran before.
struct Changes {
    gateway: Arc<Gateway>,
    components: [ComponentRef; 2],
    made: u64,
    /// Every plugin that was replaced and may still be there.
    replaced: Vec<Weak<dyn Authorizer>>,
}

impl Changes {
    async fn start(gateway: Arc<Gateway>) -> Result<Self> {
        let mut components = Vec::new();
        for name in ["one", "two"] {
            let bytes = with_section(COMPONENT, name);
            let digest = digest_of(&bytes);
            gateway.store.put_component(&digest, &bytes).await?;
            components.push(ComponentRef::Digest(digest));
        }
        let [one, two] = components.try_into().ok().context("there are two names")?;
        let version = PluginVersion { settings: settings(0), ..PluginVersion::new(one.clone()) };
        let place = Place::After("builtin-acl".to_owned());
        let edit = Edit::Add { name: PLUGIN.to_owned(), version: Box::new(version), place };
        gateway.change_policies(&Wish::Edit(edit), "soak").await?;
        Ok(Self { gateway, components: [one, two], made: 0, replaced: Vec::new() })
    }

    /// The other component, with settings of its own; every other one hides a tool.
    async fn make_next(&mut self) -> Result<()> {
        self.made += 1;
        let component = self.components[usize::from(self.made % 2 == 1)].clone();
        let changes = VersionChanges {
            component: Some(component),
            settings: Some(settings(self.made)),
            ..VersionChanges::default()
        };
        let edit = Edit::Update { name: PLUGIN.to_owned(), changes: Box::new(changes) };
        self.replaced.retain(|plugin| plugin.strong_count() > 0);
        self.replaced.push(self.running()?);
        self.gateway.change_policies(&Wish::Edit(edit), "soak").await?;
        Ok(())
    }

    fn running(&self) -> Result<Weak<dyn Authorizer>> {
        let policies = self.gateway.running_policies();
        let plugin = policies.plugins.iter().find(|plugin| &*plugin.installed.name == PLUGIN);
        let loaded = plugin.and_then(|plugin| plugin.loaded.as_ref()).context("the plugin runs")?;
        Ok(Arc::downgrade(loaded.authorizer.as_ref().context("it is an authorizer")?))
    }

    /// No replaced plugin is left once its last call has ended, and neither is its room in the pool.
    async fn verify(&mut self) -> Result<()> {
        self.replaced.retain(|plugin| plugin.strong_count() > 0);
        ensure!(self.replaced.is_empty(), "{} replaced plugins are still there", self.replaced.len());
        let examined = self.gateway.plugin_host().examine(PLUGIN, COMPONENT.into()).await?;
        ensure!(examined.is_pooled, "replaced plugins have left no room in the pool");
        Ok(())
    }
}

fn settings(number: u64) -> serde_json::Map<String, serde_json::Value> {
    let hidden = if number % 2 == 1 { HIDDEN_TOOL } else { "nothing" };
    let deny = json!([format!("{SERVER}__{hidden}"), format!("{SERVER}__never-{number}")]);
    [("deny".to_owned(), deny)].into_iter().collect()
}

/// The same component under another digest: with a custom section of this name, shorter than 127 bytes.
fn with_section(component: &[u8], name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("names here are short");
    [component, &[0, length + 1, length], name.as_bytes()].concat()
}
