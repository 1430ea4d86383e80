//! What happened, as it is noted on a request's way: shared pointers and numbers, nothing written yet.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::redact::Captured;
use crate::clock::now_ms;
use crate::names::ServerName;
use crate::pipeline::{Decider, Endpoint, Item, Principal};
use crate::plugin::Grant;

/// What a caller spelled is cut to this many bytes.
const MAX_CALLERS_WORDS: usize = 256;

/// Grants of one plugin that are recorded one by one.
const MAX_GRANTS: usize = 100;

/// As much of a caller's words as is kept: they may be as long as a request, and many events wait.
pub(super) fn cut(words: &str) -> &str {
    &words[..words.floor_char_boundary(MAX_CALLERS_WORDS)]
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tool, a prompt or a completion was asked for, a subscription or a task; also in vain.
    Call,
    /// A resource was read.
    Read,
    /// Somebody was refused something.
    Denial,
    /// Something was changed over the API or from a watched folder.
    Admin,
    /// A policy gave no usable answer.
    PluginFailure,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Call, Self::Read, Self::Denial, Self::Admin, Self::PluginFailure];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Read => "read",
            Self::Denial => "denial",
            Self::Admin => "admin",
            Self::PluginFailure => "plugin-failure",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What was decided, and by whom.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It could happen; all of these agreed.
    Allowed(Arc<[Decider]>),
    /// It could not; the code is the policy's own.
    Denied {
        /// Whose decision that was; `None` for the gateway's own, by the caller's role or for want of a token.
        by: Option<Decider>,
        /// A short word.
        code: String,
    },
    /// A policy could not decide, so it could not happen.
    Unavailable(Decider),
    /// A policy could not decide, which its settings let pass.
    Passed(Decider),
    /// There was nothing to decide about.
    None,
}

/// What it was about.
#[derive(Debug, Clone)]
pub enum Target {
    /// Nothing in particular.
    None,
    /// Something that a server offers.
    Item(Item),
    /// What nothing has for a name, as the caller spelled it.
    Asked(String),
    /// What an administrator's request names.
    Named(String),
}

/// A plugin that a change of the policies names, a plan of one, or a policies file.
#[derive(Debug, Clone)]
pub struct NamedPlugin {
    /// Its name.
    pub name: String,
    /// The component that it is to run, if that is said.
    pub component: Option<String>,
    /// What it is to be granted.
    pub grants: Vec<String>,
    /// How many grants there are besides these.
    pub more_grants: usize,
}

impl NamedPlugin {
    /// With as many of the grants as a record has room for.
    pub fn new<'a>(name: &str, component: Option<String>, grants: impl Iterator<Item = &'a Grant>) -> Self {
        let mut grants: Vec<_> = grants.map(|grant| cut(&grant.to_string()).to_owned()).collect();
        let more_grants = grants.len().saturating_sub(MAX_GRANTS);
        grants.truncate(MAX_GRANTS);
        Self { name: cut(name).to_owned(), component, grants, more_grants }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What kind of thing.
    pub kind: Kind,
    /// The request, as the log knows it.
    pub request: Option<Arc<str>>,
    /// Whom it acted for, if that was known.
    pub principal: Option<Arc<Principal>>,
    /// Where it came in.
    pub endpoint: Option<Endpoint>,
    /// The MCP method, or the HTTP method.
    pub method: Arc<str>,
    /// The path, where the method is an HTTP method.
    pub path: Option<String>,
    /// The address of who asked, where nothing else is known of them.
    pub peer: Option<String>,
    /// What it was about.
    pub target: Target,
    /// The plugins that it was about, if it was about any.
    pub plugins: Vec<NamedPlugin>,
    /// The server that it was about, if it was about one.
    pub server: Option<ServerName>,
    /// What was decided.
    pub decision: Decision,
    /// How it ended.
    pub outcome: &'static str,
    /// The status of the HTTP answer, where that says more.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// How long the request was.
    pub request_bytes: Option<usize>,
    /// How long the answer was.
    pub response_bytes: Option<usize>,
    /// The arguments, if they are wanted.
    pub arguments: Option<Captured>,
    /// The result, if it is wanted.
    pub result: Option<Captured>,
    /// For how many like it this one stands, besides itself.
    pub suppressed: u64,
}

impl Event {
    /// With nothing known but what is given.
    pub fn new(kind: Kind, method: impl Into<Arc<str>>, outcome: &'static str) -> Self {
        Self {
            at_ms: now_ms(),
            kind,
            request: None,
            principal: None,
            endpoint: None,
            method: method.into(),
            path: None,
            peer: None,
            target: Target::None,
            plugins: Vec::new(),
            server: None,
            decision: Decision::None,
            outcome,
            status: None,
            duration: None,
            request_bytes: None,
            response_bytes: None,
            arguments: None,
            result: None,
            suppressed: 0,
        }
    }

    /// How much memory it takes besides itself, as far as that can be much.
    pub(super) fn captured_bytes(&self) -> usize {
        [&self.arguments, &self.result].into_iter().flatten().map(Captured::size).sum()
    }

    /// Gives that up.
    pub(super) fn forget_captured(&mut self) {
        [&mut self.arguments, &mut self.result].into_iter().flatten().for_each(Captured::forget);
    }
}
