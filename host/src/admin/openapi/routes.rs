//! Routes with their descriptions.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};

use crate::admin::openapi::Operation;
use crate::gateway::Gateway;

/// Routes, and what the document says of each.
#[derive(Default)]
pub(in crate::admin) struct Routes {
    router: Router<Arc<Gateway>>,
    operations: Vec<Described>,
}

/// One method of one path, as the document has it.
pub(in crate::admin) struct Described {
    pub(super) path: String,
    /// In lower case.
    pub(super) method: &'static str,
    pub(super) operation: Operation,
}

impl Routes {
    /// Adds a route for GET; so the next four for their methods.
    pub(in crate::admin) fn get<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        self.add((MethodFilter::GET, "get"), path, handler, operation)
    }

    pub(in crate::admin) fn post<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        self.add((MethodFilter::POST, "post"), path, handler, operation)
    }

    pub(in crate::admin) fn put<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        self.add((MethodFilter::PUT, "put"), path, handler, operation)
    }

    pub(in crate::admin) fn patch<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        self.add((MethodFilter::PATCH, "patch"), path, handler, operation)
    }

    pub(in crate::admin) fn delete<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        self.add((MethodFilter::DELETE, "delete"), path, handler, operation)
    }

    fn add<H, T>(
        mut self,
        (filter, method): (MethodFilter, &'static str),
        path: &str,
        handler: H,
        operation: Operation,
    ) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        self.router = self.router.route(path, on(filter, handler));
        self.operations.push(Described { path: path.to_owned(), method, operation });
        self
    }

    /// Both.
    pub(in crate::admin) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// Errors that any of them may answer.
    pub(in crate::admin) fn all_fail(mut self, statuses: &[u16]) -> Self {
        for described in &mut self.operations {
            described.operation = described.operation.clone().fails(statuses);
        }
        self
    }

    /// As they are under a prefix; their router still lacks it.
    pub(in crate::admin) fn under(mut self, prefix: &str) -> Self {
        for described in &mut self.operations {
            described.path.insert_str(0, prefix);
        }
        self
    }

    /// Changes the routes in a way that the document need not know.
    pub(in crate::admin) fn map_router(
        mut self,
        change: impl FnOnce(Router<Arc<Gateway>>) -> Router<Arc<Gateway>>,
    ) -> Self {
        self.router = change(self.router);
        self
    }

    pub(in crate::admin) fn into_parts(self) -> (Router<Arc<Gateway>>, Vec<Described>) {
        (self.router, self.operations)
    }
}
