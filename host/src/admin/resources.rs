//! Resources of all servers, under the gateway's own URIs.

use crate::admin::error::ApiError;
use crate::catalog::ResourceAddress;
use crate::names::ServerName;

pub(super) mod list;
pub(super) mod read;

/// The server, and the URI there, that one of the gateway's URIs stands for.
fn parse_uri(uri: &str) -> Result<(ServerName, String), ApiError> {
    match ResourceAddress::parse(uri) {
        Some(ResourceAddress::OfServer(server, original)) => Ok((server, original)),
        Some(ResourceAddress::Foreign) | None => {
            Err(ApiError::invalid(format!("'{uri}' is not a valid MCPJungle resource URI")))
        }
    }
}
