//! HTTP requests of plugins: to granted hosts only, also after redirects, and bounded.

use crate::plugin::grants::Grants;

/// Sends the requests of all plugins.
#[derive(Clone, Default)]
pub struct OutboundHttp {}

/// What to send.
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
pub(crate) enum HttpError {
    NotGranted(String),
    Invalid(String),
    TooLarge,
    Failed(String),
}

impl OutboundHttp {
    /// Sends one request and waits for the whole answer, of `most` bytes at most. The caller keeps the deadline.
    pub(crate) async fn send(
        &self,
        grants: &Grants,
        request: HttpRequest,
        most: usize,
    ) -> Result<HttpResponse, HttpError> {
        let _ = (grants, request, most);
        Err(HttpError::Failed("not yet".to_owned()))
    }
}
