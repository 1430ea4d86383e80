//! What components ask the host: log, clock, settings, directory, and what they were granted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{self, PrincipalKind};
use crate::plugin::capabilities::KeyValueError;
use crate::plugin::grants::Capability;
use crate::plugin::outbound_http::{HttpError, HttpRequest, HttpResponse};
use crate::plugin::state::State;
use crate::plugin::v0_1::{clock, directory, key_value, log, outbound_http, secrets, settings, types};
use crate::telemetry::{HostCall, HostCallResult};

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

    fn find_in_group(
        &mut self,
        group: String,
        items: Vec<types::ItemResult>,
    ) -> wasmtime::Result<Option<Vec<directory::GroupEntry>>> {
        self.budget.spend_host_call()?;
        let items: Vec<_> = items.into_iter().map(item).collect::<Result<_, _>>()?;
        let entry = |entry: pipeline::GroupEntry| directory::GroupEntry {
            server_included: entry.is_server_included,
            included: entry.is_included,
            excluded: entry.is_excluded,
        };
        let entries = self.plugin.directory.find_in_group(&group, &items);
        Ok(entries.map(|entries| entries.into_iter().map(entry).collect()))
    }

    fn group_admits(&mut self, group: String, client: String) -> wasmtime::Result<Option<bool>> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.directory.group_admits(&group, &client))
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

impl key_value::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, key_value::StoreError>> {
        self.budget.spend_host_call()?;
        let counted = self.plugin.host_calls.begin(Capability::KeyValue);
        let answer = self.plugin.capabilities.key_value.get(&self.plugin.keeps_as, &key).await;
        Ok(store_answer(counted, answer))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        expires_in: Option<u64>,
    ) -> wasmtime::Result<Result<(), key_value::StoreError>> {
        self.budget.spend_host_call()?;
        let counted = self.plugin.host_calls.begin(Capability::KeyValue);
        let expires_in = expires_in.map(Duration::from_millis);
        let answer = match self.plugin.values_to_write() {
            Ok(values) => values.set(&self.plugin.keeps_as, &key, &value, expires_in).await,
            Err(refused) => Err(refused),
        };
        Ok(store_answer(counted, answer))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), key_value::StoreError>> {
        self.budget.spend_host_call()?;
        let counted = self.plugin.host_calls.begin(Capability::KeyValue);
        let answer = match self.plugin.values_to_write() {
            Ok(values) => values.delete(&self.plugin.keeps_as, &key).await,
            Err(refused) => Err(refused),
        };
        Ok(store_answer(counted, answer))
    }

    async fn increment(
        &mut self,
        key: String,
        by: i64,
        expires_in: Option<u64>,
    ) -> wasmtime::Result<Result<i64, key_value::StoreError>> {
        self.budget.spend_host_call()?;
        let counted = self.plugin.host_calls.begin(Capability::KeyValue);
        let expires_in = expires_in.map(Duration::from_millis);
        let answer = match self.plugin.values_to_write() {
            Ok(values) => values.increment(&self.plugin.keeps_as, &key, by, expires_in).await,
            Err(refused) => Err(refused),
        };
        Ok(store_answer(counted, answer))
    }
}

fn store_answer<T>(counted: HostCall<'_>, answer: Result<T, KeyValueError>) -> Result<T, key_value::StoreError> {
    match answer {
        Ok(answer) => {
            counted.end(HostCallResult::Done);
            Ok(answer)
        }
        Err(KeyValueError::QuotaExceeded) => {
            counted.end(HostCallResult::Refused);
            Err(key_value::StoreError::QuotaExceeded)
        }
        Err(KeyValueError::Invalid(problem)) => {
            counted.end(HostCallResult::Refused);
            Err(key_value::StoreError::Invalid(problem))
        }
        Err(KeyValueError::Unavailable(problem)) => Err(key_value::StoreError::Unavailable(problem)),
    }
}

impl outbound_http::Host for State {
    async fn send(
        &mut self,
        request: outbound_http::HttpRequest,
    ) -> wasmtime::Result<Result<outbound_http::HttpResponse, outbound_http::HttpError>> {
        self.budget.spend_host_call()?;
        let counted = self.plugin.host_calls.begin(Capability::Http);
        let request = HttpRequest {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: request.body,
        };
        let answer = self.plugin.http.send(request, self.plugin.limits.http_bytes(), self.budget.deadline).await;
        counted.end(match &answer {
            Ok(_) => HostCallResult::Done,
            Err(HttpError::NotGranted(_) | HttpError::Invalid(_)) => HostCallResult::Refused,
            Err(HttpError::TooLarge | HttpError::TimedOut | HttpError::Failed(_)) => HostCallResult::Failed,
        });
        Ok(answer.map(http_response).map_err(http_error))
    }
}

fn http_response(response: HttpResponse) -> outbound_http::HttpResponse {
    let header = |(name, value)| outbound_http::Header { name, value };
    outbound_http::HttpResponse {
        status: response.status,
        headers: response.headers.into_iter().map(header).collect(),
        body: response.body,
    }
}

fn http_error(error: HttpError) -> outbound_http::HttpError {
    match error {
        HttpError::NotGranted(host) => outbound_http::HttpError::NotGranted(host),
        HttpError::Invalid(problem) => outbound_http::HttpError::Invalid(problem),
        HttpError::TooLarge => outbound_http::HttpError::TooLarge,
        HttpError::TimedOut => outbound_http::HttpError::TimedOut,
        HttpError::Failed(problem) => outbound_http::HttpError::Failed(problem),
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.find_secret(&name).ok().map(|secret| secret.expose().to_owned()))
    }

    fn has(&mut self, name: String) -> wasmtime::Result<bool> {
        self.budget.spend_host_call()?;
        Ok(self.plugin.find_secret(&name).is_ok())
    }
}

/// A name that is none cannot be anybody's mistake but the component's.
fn item(item: types::ItemResult) -> wasmtime::Result<pipeline::Item> {
    Ok(pipeline::Item {
        kind: match item.kind {
            types::ItemKind::Tool => pipeline::ItemKind::Tool,
            types::ItemKind::Prompt => pipeline::ItemKind::Prompt,
            types::ItemKind::Resource => pipeline::ItemKind::Resource,
            types::ItemKind::ResourceTemplate => pipeline::ItemKind::ResourceTemplate,
        },
        name: CanonicalName { server: ServerName::parse(&item.server)?, name: item.name.into() },
        uri: item.uri.map(Into::into),
    })
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
