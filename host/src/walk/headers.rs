//! From what header-injectors yield to the headers that are sent: secrets are
//! filled in here, and components never see them.

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue};
use thiserror::Error;

use crate::pipeline::{InjectedHeader, InjectedValue};
use crate::secret::Secret;
use crate::server::Server;

/// Why an injected header cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum HeaderError {
    #[error("header `{header}` refers to the secret `{secret}`, which server `{server}` does not have")]
    UnknownSecret { server: String, header: String, secret: String },
    #[error("the value of header `{header}` for server `{server}` holds characters that HTTP does not allow")]
    InvalidValue { server: String, header: String },
}

/// The headers for requests to `server`. Values made of secrets are marked sensitive.
pub fn resolve_headers(server: &Server, injected: &[InjectedHeader]) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::with_capacity(injected.len());
    for header in injected {
        let value = match &header.value {
            InjectedValue::Literal(text) => HeaderValue::from_str(text),
            InjectedValue::Secret { prefix, name } => {
                let secret = server.find_header_secret(name).ok_or_else(|| HeaderError::UnknownSecret {
                    server: server.name.to_string(),
                    header: header.name.to_string(),
                    secret: name.clone(),
                })?;
                sensitive(prefix, secret)
            }
            InjectedValue::GrantedSecret { prefix, value, .. } => sensitive(prefix, value),
        };
        let value = value.map_err(|_| HeaderError::InvalidValue {
            server: server.name.to_string(),
            header: header.name.to_string(),
        })?;
        headers.insert(header.name.clone(), value);
    }
    Ok(headers)
}

fn sensitive(prefix: &str, secret: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose()))?;
    value.set_sensitive(true);
    Ok(value)
}
