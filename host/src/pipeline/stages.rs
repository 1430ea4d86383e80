//! The six kinds of decision, as the host calls them. `plugin` implements these
//! traits over components; nothing here knows that they are WebAssembly.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::pipeline::Stage;
use crate::pipeline::model::{
    Authentication, Decision, HttpRequest, InjectedHeader, Item, Listing, Observation, Principal, Request, Review,
    UpstreamView,
};

/// Why a policy gave no usable answer. Each is a denial, unless the plugin may fail open.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CallError {
    #[error("plugin `{plugin}` trapped in stage {stage}: {message}")]
    Trapped { plugin: Arc<str>, stage: Stage, message: String },
    #[error("plugin `{plugin}` missed its deadline of {deadline_ms} ms in stage {stage}")]
    DeadlineExceeded { plugin: Arc<str>, stage: Stage, deadline_ms: u64 },
    #[error("plugin `{plugin}` used more than {limit_bytes} bytes of memory in stage {stage}")]
    MemoryExceeded { plugin: Arc<str>, stage: Stage, limit_bytes: usize },
    #[error("plugin `{plugin}` made more than {limit} host calls in stage {stage}")]
    HostCallsExceeded { plugin: Arc<str>, stage: Stage, limit: u32 },
    #[error("plugin `{plugin}` gave a malformed answer in stage {stage}: {problem}")]
    MalformedAnswer { plugin: Arc<str>, stage: Stage, problem: String },
    #[error("plugin `{plugin}` has no free instance for stage {stage}")]
    Saturated { plugin: Arc<str>, stage: Stage },
}

/// What a stage's future gives.
pub type StageFuture<'a, T> = BoxFuture<'a, Result<T, CallError>>;

/// Finds out whom a request acts for.
pub trait Authenticator: Send + Sync {
    /// Asks once.
    fn authenticate<'a>(&'a self, request: HttpRequest<'a>) -> StageFuture<'a, Authentication>;
}

/// Decides whether a principal may use an item.
pub trait Authorizer: Send + Sync {
    /// May `principal` use `item`?
    fn authorize<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        item: &'a Item,
    ) -> StageFuture<'a, Decision>;

    /// Which of `items` may `principal` see? The answer has one entry per item.
    fn authorize_items<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        items: &'a [&'a Item],
    ) -> StageFuture<'a, Listing>;
}

/// Decides which items belong to a tool group.
pub trait ToolFilter: Send + Sync {
    /// Does `item` belong to `group`?
    fn select<'a>(&'a self, request: &'a Request, group: &'a str, item: &'a Item) -> StageFuture<'a, Decision>;

    /// Which of `items` belong to `group`? The answer has one entry per item.
    fn select_items<'a>(
        &'a self,
        request: &'a Request,
        group: &'a str,
        items: &'a [&'a Item],
    ) -> StageFuture<'a, Listing>;
}

/// Decides which headers go upstream.
pub trait HeaderInjector: Send + Sync {
    /// The headers for `upstream` on behalf of `principal`, or why there can be none.
    fn inject<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        upstream: UpstreamView<'a>,
    ) -> StageFuture<'a, Result<Vec<InjectedHeader>, crate::pipeline::model::Reason>>;
}

/// Looks at, or rewrites, what goes into a call and what comes out.
pub trait Guard: Send + Sync {
    /// Reviews arguments, a JSON text.
    fn review_arguments<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        item: &'a Item,
        arguments: &'a str,
    ) -> StageFuture<'a, Review>;

    /// Reviews a result, a JSON text as the upstream sent it.
    fn review_result<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        item: &'a Item,
        outcome: &'a str,
    ) -> StageFuture<'a, Review>;
}

/// Is told afterwards.
pub trait Observer: Send + Sync {
    /// Tells of requests that have ended, oldest first.
    fn observe<'a>(&'a self, observations: &'a [Observation]) -> StageFuture<'a, ()>;
}
