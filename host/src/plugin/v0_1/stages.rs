//! The pipeline's traits over components of this track.

use crate::pipeline::{
    Authentication, Authenticator, Authorizer, CallError, Decision, Guard, HeaderInjector, HttpRequest, InjectedHeader,
    Item, Listing, Observation, Observer, Principal, Reason, Request, Review, Stage, StageFuture, ToolFilter,
    UpstreamView,
};
use crate::plugin::pool::{InstancePool, within};
use crate::plugin::v0_1::questions::{self, PrincipalParts};
use crate::plugin::v0_1::{Exports, answers, authenticator, authorizer, guard, header_injector, observer, tool_filter};

/// One plugin, for all stages that it is installed for.
pub(crate) struct Policy {
    pool: InstancePool,
}

impl Policy {
    pub(crate) fn new(pool: InstancePool) -> Self {
        Self { pool }
    }

    fn checked<T>(&self, stage: Stage, answer: Result<T, String>) -> Result<T, CallError> {
        answer.map_err(|problem| self.pool.malformed(stage, problem))
    }
}

const EXPORTED: &str = "a plugin is installed only for stages that it exports";

impl Exports {
    fn authenticator(&self) -> &authenticator::Guest {
        self.authenticator.as_ref().expect(EXPORTED)
    }

    fn authorizer(&self) -> &authorizer::Guest {
        self.authorizer.as_ref().expect(EXPORTED)
    }

    fn tool_filter(&self) -> &tool_filter::Guest {
        self.tool_filter.as_ref().expect(EXPORTED)
    }

    fn header_injector(&self) -> &header_injector::Guest {
        self.header_injector.as_ref().expect(EXPORTED)
    }

    fn guard(&self) -> &guard::Guest {
        self.guard.as_ref().expect(EXPORTED)
    }

    fn observer(&self) -> &observer::Guest {
        self.observer.as_ref().expect(EXPORTED)
    }
}

impl Authenticator for Policy {
    fn authenticate<'a>(&'a self, request: HttpRequest<'a>) -> StageFuture<'a, Authentication> {
        Box::pin(async move {
            let headers = questions::headers(&request);
            let question = questions::http_request(&request, &headers);
            let mut lease = self.pool.lease(Stage::Authenticator).await?;
            let (store, exports, bounds) = lease.parts();
            let answer = within(bounds, exports.authenticator().call_authenticate(store, question)).await;
            self.checked(Stage::Authenticator, answers::authentication(lease.finish(answer)?))
        })
    }
}

impl Authorizer for Policy {
    fn authorize<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        item: &'a Item,
    ) -> StageFuture<'a, Decision> {
        Box::pin(async move {
            let principal = PrincipalParts::of(principal);
            let (request, item) = (questions::request(request), questions::item(item));
            let mut lease = self.pool.lease(Stage::Authorizer).await?;
            let (store, exports, bounds) = lease.parts();
            let call = exports.authorizer().call_authorize(store, request, principal.as_param(), item);
            let answer = within(bounds, call).await;
            Ok(answers::decision(lease.finish(answer)?))
        })
    }

    fn authorize_items<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        items: &'a [&'a Item],
    ) -> StageFuture<'a, Listing> {
        Box::pin(async move {
            let principal = PrincipalParts::of(principal);
            let question = questions::items(items);
            let request = questions::request(request);
            let mut lease = self.pool.lease(Stage::Authorizer).await?;
            let (store, exports, bounds) = lease.parts();
            let call = exports.authorizer().call_authorize_items(store, request, principal.as_param(), &question);
            let answer = within(bounds, call).await;
            self.checked(Stage::Authorizer, answers::listing(lease.finish(answer)?, items.len()))
        })
    }
}

impl ToolFilter for Policy {
    fn select<'a>(&'a self, request: &'a Request, group: &'a str, item: &'a Item) -> StageFuture<'a, Decision> {
        Box::pin(async move {
            let (request, item) = (questions::request(request), questions::item(item));
            let mut lease = self.pool.lease(Stage::ToolFilter).await?;
            let (store, exports, bounds) = lease.parts();
            let answer = within(bounds, exports.tool_filter().call_select(store, request, group, item)).await;
            Ok(answers::decision(lease.finish(answer)?))
        })
    }

    fn select_items<'a>(
        &'a self,
        request: &'a Request,
        group: &'a str,
        items: &'a [&'a Item],
    ) -> StageFuture<'a, Listing> {
        Box::pin(async move {
            let question = questions::items(items);
            let request = questions::request(request);
            let mut lease = self.pool.lease(Stage::ToolFilter).await?;
            let (store, exports, bounds) = lease.parts();
            let call = exports.tool_filter().call_select_items(store, request, group, &question);
            let answer = within(bounds, call).await;
            self.checked(Stage::ToolFilter, answers::listing(lease.finish(answer)?, items.len()))
        })
    }
}

impl HeaderInjector for Policy {
    fn inject<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        upstream: UpstreamView<'a>,
    ) -> StageFuture<'a, Result<Vec<InjectedHeader>, Reason>> {
        Box::pin(async move {
            let principal = PrincipalParts::of(principal);
            let secret_names = questions::secret_names(&upstream);
            let request = questions::request(request);
            let question = questions::upstream(&upstream, &secret_names);
            let mut lease = self.pool.lease(Stage::HeaderInjector).await?;
            let (store, exports, bounds) = lease.parts();
            let call = exports.header_injector().call_inject(store, request, principal.as_param(), question);
            let answer = within(bounds, call).await;
            match lease.finish(answer)? {
                Ok(headers) => {
                    let headers = answers::headers(headers, &upstream, |name| self.pool.find_secret(name));
                    self.checked(Stage::HeaderInjector, headers).map(Ok)
                }
                Err(denial) => Ok(Err(answers::reason(denial))),
            }
        })
    }
}

impl Guard for Policy {
    fn review_arguments<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        item: &'a Item,
        arguments: &'a str,
    ) -> StageFuture<'a, Review> {
        Box::pin(async move {
            let principal = PrincipalParts::of(principal);
            let (request, item) = (questions::request(request), questions::item(item));
            let mut lease = self.pool.lease(Stage::Guard).await?;
            let (store, exports, bounds) = lease.parts();
            let call = exports.guard().call_review_arguments(store, request, principal.as_param(), item, arguments);
            let answer = within(bounds, call).await;
            self.checked(Stage::Guard, answers::arguments_review(lease.finish(answer)?))
        })
    }

    fn review_result<'a>(
        &'a self,
        request: &'a Request,
        principal: &'a Principal,
        item: &'a Item,
        outcome: &'a str,
    ) -> StageFuture<'a, Review> {
        Box::pin(async move {
            let principal = PrincipalParts::of(principal);
            let (request, item) = (questions::request(request), questions::item(item));
            let mut lease = self.pool.lease(Stage::Guard).await?;
            let (store, exports, bounds) = lease.parts();
            let call = exports.guard().call_review_result(store, request, principal.as_param(), item, outcome);
            let answer = within(bounds, call).await;
            self.checked(Stage::Guard, answers::result_review(lease.finish(answer)?))
        })
    }
}

impl Observer for Policy {
    fn observe<'a>(&'a self, observations: &'a [Observation]) -> StageFuture<'a, ()> {
        Box::pin(async move {
            let principals = questions::principals(observations);
            let question = questions::observations(observations, &principals);
            let mut lease = self.pool.lease(Stage::Observer).await?;
            let (store, exports, bounds) = lease.parts();
            let answer = within(bounds, exports.observer().call_observe(store, &question)).await;
            lease.finish(answer)
        })
    }
}
