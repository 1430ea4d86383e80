//! A host that is made of what a test says.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::{GroupEntry, HttpError, HttpRequest, HttpResponse, Identity, Level, StoreError, ToolGroup};
use crate::testing::key_value::KeyValue;
use crate::testing::{groups, owned};
use crate::{Host, Item, Mode, PrincipalKind};

/// 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000;

/// A host for tests. It has what it was given and nothing else; its clock stands still until
/// [`advance`](Self::advance); what a policy stores, logs and sends can be looked at afterwards.
#[derive(Debug)]
pub struct FakeHost {
    now: Cell<u64>,
    passed: Cell<Duration>,
    mode: Mode,
    identities: Vec<Identity>,
    /// From a token to a place in `identities`.
    tokens: BTreeMap<String, usize>,
    groups: Vec<ToolGroup>,
    secrets: BTreeMap<String, String>,
    values: KeyValue,
    /// By URL.
    answers: BTreeMap<String, Result<HttpResponse, HttpError>>,
    requests: RefCell<Vec<HttpRequest>>,
    lines: RefCell<Vec<Line>>,
}

/// A line that a policy logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// Names and values of its further fields.
    pub fields: Vec<(String, String)>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeHost {
    /// A gateway in enterprise mode at 2026-01-01T00:00:00Z that has nothing stored.
    pub fn new() -> Self {
        Self {
            now: Cell::new(START),
            passed: Cell::new(Duration::ZERO),
            mode: Mode::Enterprise,
            identities: Vec::new(),
            tokens: BTreeMap::new(),
            groups: Vec::new(),
            secrets: BTreeMap::new(),
            values: KeyValue::default(),
            answers: BTreeMap::new(),
            requests: RefCell::default(),
            lines: RefCell::default(),
        }
    }

    /// The same at another time, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn at(self, now: u64) -> Self {
        self.now.set(now);
        self
    }

    /// The same in another mode.
    pub fn in_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The same with a stored client, its token and its allow-list.
    pub fn with_client(self, token: &str, name: &str, allow: &[&str]) -> Self {
        self.with_identity(token, PrincipalKind::Client, name, allow)
    }

    /// The same with a stored user and its token.
    pub fn with_user(self, token: &str, name: &str) -> Self {
        self.with_identity(token, PrincipalKind::User, name, &[])
    }

    /// The same with a stored administrator and its token.
    pub fn with_admin(self, token: &str, name: &str) -> Self {
        self.with_identity(token, PrincipalKind::Admin, name, &[])
    }

    /// The same with a stored tool group; see [`empty_group`](Self::empty_group).
    pub fn with_group(mut self, group: ToolGroup) -> Self {
        self.groups.push(group);
        self
    }

    /// A group of this name that holds nothing and is open to every client, for struct update syntax.
    pub fn empty_group(name: &str) -> ToolGroup {
        groups::empty(name)
    }

    /// The same with a secret that is granted and set.
    pub fn with_secret(mut self, name: &str, secret: &str) -> Self {
        self.secrets.insert(name.to_owned(), secret.to_owned());
        self
    }

    /// The same with a stored value that does not expire.
    ///
    /// # Panics
    ///
    /// If the gateway would not store it.
    pub fn with_value(self, key: &str, value: &[u8]) -> Self {
        if let Err(error) = self.values.set(self.now.get(), key, value, None) {
            panic!("the gateway stores no such value: {error:?}");
        }
        self
    }

    /// The same where a store takes no more than so many keys, in place of 10,000.
    pub fn with_room_for(self, keys: usize) -> Self {
        self.values.limit(keys);
        self
    }

    /// The same where requests to this URL get this status and body. A URL without an answer is one whose
    /// host was not granted.
    pub fn answering(self, url: &str, status: u16, body: impl Into<Vec<u8>>) -> Self {
        self.answering_with(url, Ok(HttpResponse { status, headers: Vec::new(), body: body.into() }))
    }

    /// The same where requests to this URL get this answer or fail in this way.
    pub fn answering_with(mut self, url: &str, answer: Result<HttpResponse, HttpError>) -> Self {
        self.answers.insert(url.to_owned(), answer);
        self
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.now.set(self.now.get() + crate::imports::milliseconds(time));
        self.passed.set(self.passed.get() + time);
    }

    /// What was logged, oldest first.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.borrow().clone()
    }

    /// What was sent, oldest first, whatever the answer.
    pub fn requests(&self) -> Vec<HttpRequest> {
        self.requests.borrow().clone()
    }

    fn with_identity(mut self, token: &str, kind: PrincipalKind, name: &str, allow: &[&str]) -> Self {
        self.tokens.insert(token.to_owned(), self.identities.len());
        self.identities.push(Identity { kind, name: name.to_owned(), allow: owned(allow) });
        self
    }

    fn find(&self, name: &str, is_client: bool) -> Option<Identity> {
        let fits = |one: &&Identity| one.name == name && (one.kind == PrincipalKind::Client) == is_client;
        self.identities.iter().find(fits).cloned()
    }
}

impl Host for FakeHost {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.lines.borrow_mut().push(Line { level, message: message.to_owned(), fields });
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn monotonic(&self) -> u64 {
        u64::try_from(self.passed.get().as_nanos()).unwrap_or(u64::MAX)
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn find_by_token(&self, token: &str) -> Option<Identity> {
        self.tokens.get(token).map(|&place| self.identities[place].clone())
    }

    fn find_client(&self, name: &str) -> Option<Identity> {
        self.find(name, true)
    }

    fn find_user(&self, name: &str) -> Option<Identity> {
        self.find(name, false)
    }

    fn find_group(&self, name: &str) -> Option<ToolGroup> {
        self.groups.iter().find(|group| group.name == name).cloned()
    }

    fn find_in_group(&self, group: &str, items: &[Item]) -> Option<Vec<GroupEntry>> {
        let group = self.groups.iter().find(|one| one.name == group)?;
        Some(items.iter().map(|item| groups::entry(group, item)).collect())
    }

    fn group_admits(&self, group: &str, client: &str) -> Option<bool> {
        let group = self.groups.iter().find(|one| one.name == group)?;
        Some(group.allowed_clients.as_ref().is_none_or(|clients| clients.iter().any(|one| one == client)))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.values.get(self.now.get(), key))
    }

    fn set(&self, key: &str, value: &[u8], expires_in: Option<Duration>) -> Result<(), StoreError> {
        self.values.set(self.now.get(), key, value, expires_in)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.values.delete(key);
        Ok(())
    }

    fn increment(&self, key: &str, by: i64, expires_in: Option<Duration>) -> Result<i64, StoreError> {
        self.values.increment(self.now.get(), key, by, expires_in)
    }

    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        self.requests.borrow_mut().push(request.clone());
        self.answers.get(&request.url).cloned().unwrap_or_else(|| Err(HttpError::NotGranted(request.url.clone())))
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.secrets.get(name).cloned()
    }

    fn has_secret(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::item;

    #[test]
    fn identities_are_found_by_token_and_by_name_within_their_kind() {
        let host = FakeHost::new().with_client("c", "ann", &["github"]).with_admin("a", "ann");
        assert_eq!(host.find_by_token("a").unwrap().kind, PrincipalKind::Admin);
        assert_eq!(host.find_client("ann").unwrap().allow, ["github"]);
        assert_eq!(host.find_user("ann").unwrap().kind, PrincipalKind::Admin);
        assert_eq!((host.find_by_token("x"), host.find_user("bob")), (None, None));
    }

    #[test]
    fn a_group_is_open_to_the_clients_that_it_names_or_to_all() {
        let named = ToolGroup { allowed_clients: Some(vec!["ann".to_owned()]), ..FakeHost::empty_group("named") };
        let host = FakeHost::new().with_group(named).with_group(FakeHost::empty_group("open"));
        assert_eq!(host.group_admits("named", "ann"), Some(true));
        assert_eq!(host.group_admits("named", "bob"), Some(false));
        assert_eq!(host.group_admits("open", "bob"), Some(true));
        assert_eq!(host.group_admits("other", "bob"), None);
        assert_eq!(host.find_in_group("other", &[item("tool a__b")]), None);
    }

    #[test]
    fn requests_get_the_answers_of_the_test_and_are_remembered() {
        let host = FakeHost::new().answering("https://a.example/keys", 200, "{}");
        assert_eq!(host.send(&HttpRequest::get("https://a.example/keys")).unwrap().body, b"{}");
        let other = HttpRequest::get("https://b.example/");
        assert_eq!(host.send(&other), Err(HttpError::NotGranted("https://b.example/".to_owned())));
        assert_eq!(host.requests().len(), 2);
    }

    #[test]
    fn a_secret_is_there_if_the_test_gave_it() {
        let host = FakeHost::new().with_secret("github/ann", "s3cret");
        assert!(host.has_secret("github/ann") && !host.has_secret("github/bob"));
        assert_eq!((host.secret("github/ann").as_deref(), host.secret("github/bob")), (Some("s3cret"), None));
    }

    #[test]
    fn both_clocks_go_by_what_the_test_says() {
        let host = FakeHost::new().at(1000);
        host.advance(Duration::from_millis(5));
        assert_eq!((host.now(), host.monotonic()), (1005, 5_000_000));
    }
}
