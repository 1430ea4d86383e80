//! What a policy may ask of the gateway.

use std::time::Duration;

use crate::{Item, Mode};

#[doc(inline)]
pub use crate::bindings::imports::mcpjungle::policy::directory::{GroupEntry, Identity, ToolGroup};
#[doc(inline)]
pub use crate::bindings::imports::mcpjungle::policy::key_value::StoreError;
#[doc(inline)]
pub use crate::bindings::imports::mcpjungle::policy::log::Level;
#[doc(inline)]
pub use crate::bindings::imports::mcpjungle::policy::outbound_http::{Header, HttpError, HttpRequest, HttpResponse};

/// What a policy may ask of the gateway while it decides. Each call counts against the policy's limits, and
/// its time against the deadline of the decision.
///
/// Log, clock and directory are there for everyone. The key-value store, HTTP and secrets are there for a
/// component that was granted them; it needs the grant as soon as its code calls one of their functions.
pub trait Host {
    /// Writes one line to the gateway's log, under the plugin's name. Lines beyond the plugin's rate (50 a
    /// second) are dropped and counted. Never log tokens or arguments.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> u64;

    /// Nanoseconds since an arbitrary moment; never goes back.
    fn monotonic(&self) -> u64;

    /// How the gateway is run.
    fn mode(&self) -> Mode;

    /// The stored identity that this token belongs to.
    fn find_by_token(&self, token: &str) -> Option<Identity>;

    /// The stored client of this name.
    fn find_client(&self, name: &str) -> Option<Identity>;

    /// The stored user of this name.
    fn find_user(&self, name: &str) -> Option<Identity>;

    /// The tool group of this name, whole: its size is what this costs.
    fn find_group(&self, name: &str) -> Option<ToolGroup>;

    /// What the tool group of this name says of each of these items, in the same order; none if there is no
    /// such group. Its size does not matter to this.
    fn find_in_group(&self, group: &str, items: &[Item]) -> Option<Vec<GroupEntry>>;

    /// Whether the tool group of this name is open to the client of this name; none if there is no such
    /// group.
    fn group_admits(&self, group: &str, client: &str) -> Option<bool>;

    /// The stored value of a key, if it is there and has not expired. Values are private to the plugin and
    /// the same on every gateway of a database. Needs the grant `kv`, as the next three do.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store did not answer.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Stores a value, for good or until a time (in whole milliseconds) has passed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if the key is longer than 512 bytes or the value than 64 KiB,
    /// [`StoreError::QuotaExceeded`] if the plugin's keys or bytes are used up, [`StoreError::Unavailable`] if
    /// the store did not answer.
    fn set(&self, key: &str, value: &[u8], expires_in: Option<Duration>) -> Result<(), StoreError>;

    /// Removes a key; it is no error if it was not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the store did not answer.
    fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Adds to a number in one step, also where several gateways do, and returns the sum. A key that is not
    /// there counts as 0 and then expires after `expires_in`; one that is there keeps its time.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set); [`StoreError::Invalid`] also if the value is no number or the sum too large
    /// for one.
    fn increment(&self, key: &str, by: i64, expires_in: Option<Duration>) -> Result<i64, StoreError>;

    /// Sends one HTTP request and waits for the whole answer. Needs a grant for the host of its URL, such as
    /// `http:keys.example.com`.
    ///
    /// # Errors
    ///
    /// An [`HttpError`] that says why nothing came back. An answer of any status is no error.
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError>;

    /// The secret of this name; none where it is not set. Needs a grant for it, such as `secret:SIGNING_KEY`.
    fn secret(&self, name: &str) -> Option<String>;

    /// Whether [`secret`](Self::secret) would give one, for a policy that need not hold it: a header can refer to it
    /// by [`Header::granted_secret`](crate::header_injector::Header::granted_secret). Needs the same grant.
    fn has_secret(&self, name: &str) -> bool;
}

impl HttpRequest {
    /// A `GET` of an absolute URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A `POST` of a JSON text to an absolute URL.
    pub fn post_json(url: impl Into<String>, json: impl Into<String>) -> Self {
        let request =
            Self { method: "POST".to_owned(), url: url.into(), headers: Vec::new(), body: json.into().into() };
        request.with_header("content-type", "application/json")
    }

    /// The same with one more header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into().into_bytes() });
        self
    }
}

impl HttpResponse {
    /// The text of the first header of this name, in any case; none if it is not there or not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(&header.value).ok().map(str::trim)
    }
}
