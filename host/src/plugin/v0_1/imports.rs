//! What components ask the host: log, clock, settings, directory.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::pipeline::{self, PrincipalKind};
use crate::plugin::state::State;
use crate::plugin::v0_1::{clock, directory, log, settings, types};

impl types::Host for State {}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String, fields: Vec<log::Field>) -> wasmtime::Result<()> {
        self.budget.spend_host_call()?;
        let level = match level {
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        let fields: Vec<_> = fields.into_iter().map(|field| (field.name, field.value)).collect();
        self.plugin.log.write(level, &message, &fields);
        Ok(())
    }
}

impl clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.budget.spend_host_call()?;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(u64::try_from(since_1970.as_millis())?)
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        self.budget.spend_host_call()?;
        Ok(u64::try_from(self.plugin.started.elapsed().as_nanos())?)
    }
}

impl settings::Host for State {
    fn get(&mut self) -> wasmtime::Result<String> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.settings.clone())
    }
}

impl directory::Host for State {
    fn get_mode(&mut self) -> wasmtime::Result<types::Mode> {
        self.budget.spend_host_call()?;
        Ok(match self.plugin.directory.mode() {
            pipeline::Mode::Development => types::Mode::Development,
            pipeline::Mode::Enterprise => types::Mode::Enterprise,
        })
    }

    fn find_by_token(&mut self, token: String) -> wasmtime::Result<Option<directory::Identity>> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.directory.find_by_token(&token).map(identity))
    }

    fn find_client(&mut self, name: String) -> wasmtime::Result<Option<directory::Identity>> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.directory.find_client(&name).map(identity))
    }

    fn find_user(&mut self, name: String) -> wasmtime::Result<Option<directory::Identity>> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.directory.find_user(&name).map(identity))
    }

    fn find_group(&mut self, name: String) -> wasmtime::Result<Option<directory::ToolGroup>> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.directory.find_group(&name).map(|group| directory::ToolGroup {
            name: group.name,
            included_tools: group.included_tools,
            included_servers: group.included_servers,
            excluded_tools: group.excluded_tools,
            included_prompts: group.included_prompts,
            excluded_prompts: group.excluded_prompts,
            included_resources: group.included_resources,
            excluded_resources: group.excluded_resources,
            allowed_clients: group.allowed_clients,
        }))
    }
}

fn identity(identity: pipeline::Identity) -> directory::Identity {
    directory::Identity { kind: principal_kind(identity.kind), name: identity.name, allow: identity.allow }
}

pub(super) fn principal_kind(kind: PrincipalKind) -> types::PrincipalKind {
    match kind {
        PrincipalKind::Anonymous => types::PrincipalKind::Anonymous,
        PrincipalKind::Client => types::PrincipalKind::Client,
        PrincipalKind::User => types::PrincipalKind::User,
        PrincipalKind::Admin => types::PrincipalKind::Admin,
        PrincipalKind::Gateway => types::PrincipalKind::Gateway,
    }
}
