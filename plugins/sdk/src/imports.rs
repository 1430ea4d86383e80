//! The gateway itself, as a component reaches it. Every function here that nobody calls is left out of the
//! component, and its import with it.

use std::time::Duration;

use crate::bindings::imports::mcpjungle::policy::{clock, directory, key_value, log, outbound_http, secrets};
use crate::host::{GroupEntry, HttpError, HttpRequest, HttpResponse, Identity, Level, StoreError, ToolGroup};
use crate::{Host, Item, Mode};

/// The host that a component runs in.
pub(crate) struct Imports;

impl Host for Imports {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let field = |&(name, value): &(&str, &str)| log::Field { name: name.to_owned(), value: value.to_owned() };
        log::write(level, message, &fields.iter().map(field).collect::<Vec<_>>());
    }

    fn now(&self) -> u64 {
        clock::now()
    }

    fn monotonic(&self) -> u64 {
        clock::monotonic()
    }

    fn mode(&self) -> Mode {
        directory::get_mode()
    }

    fn find_by_token(&self, token: &str) -> Option<Identity> {
        directory::find_by_token(token)
    }

    fn find_client(&self, name: &str) -> Option<Identity> {
        directory::find_client(name)
    }

    fn find_user(&self, name: &str) -> Option<Identity> {
        directory::find_user(name)
    }

    fn find_group(&self, name: &str) -> Option<ToolGroup> {
        directory::find_group(name)
    }

    fn find_in_group(&self, group: &str, items: &[Item]) -> Option<Vec<GroupEntry>> {
        directory::find_in_group(group, items)
    }

    fn group_admits(&self, group: &str, client: &str) -> Option<bool> {
        directory::group_admits(group, client)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        key_value::get(key)
    }

    fn set(&self, key: &str, value: &[u8], expires_in: Option<Duration>) -> Result<(), StoreError> {
        key_value::set(key, value, expires_in.map(milliseconds))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        key_value::delete(key)
    }

    fn increment(&self, key: &str, by: i64, expires_in: Option<Duration>) -> Result<i64, StoreError> {
        key_value::increment(key, by, expires_in.map(milliseconds))
    }

    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        outbound_http::send(request)
    }

    fn secret(&self, name: &str) -> Option<String> {
        secrets::get(name)
    }

    fn has_secret(&self, name: &str) -> bool {
        secrets::has(name)
    }
}

/// A time that does not fit is longer than anybody waits.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
