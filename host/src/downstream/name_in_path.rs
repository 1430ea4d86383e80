//! The one parameter in a route's path, not yet parsed.

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::request::Parts;

use crate::downstream::plain_error;

/// The name in a path; what is not UTF-8 is refused like every other mistake, in JSON.
pub(crate) struct NameInPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for NameInPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let name = Path::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name)).map_err(|rejection| plain_error(rejection.status(), &rejection.body_text()))
    }
}
