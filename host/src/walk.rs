//! One call, from a method and its parameters to the upstream's answer: resolve,
//! decide, inject, send.

use std::sync::Arc;

use thiserror::Error;

use crate::gateway::Gateway;
use crate::pipeline::{Denial, Principal, Request};
use crate::upstream::{ClientDeclaration, UpstreamError};
use crate::wire;

/// Who calls, and how far they may reach.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The request that decisions belong to.
    pub request: Request,
    /// Whom it acts for.
    pub principal: Arc<Principal>,
    /// What upstreams are told of the client.
    pub client: ClientDeclaration,
    /// The downstream session that upstream sessions pair with, on a server's own endpoint.
    pub paired_with: Option<Arc<str>>,
    /// Whether disabled items can be reached: over the admin API they can.
    pub reaches_disabled: bool,
}

/// Why a call got no answer from an upstream.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The parameters do not name anything that could be looked up.
    #[error("{0}")]
    InvalidParams(String),
    /// Unknown, disabled or hidden: the caller cannot tell which. Holds the message.
    #[error("{message}")]
    NotFound {
        /// Such as `tool 'x' not found`.
        message: String,
        /// Resources have a code of their own.
        is_resource: bool,
    },
    /// A policy ended the walk, and the caller may know.
    #[error(transparent)]
    Policy(Denial),
    /// The upstream gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Performs a `tools/call`, `prompts/get` or `resources/read` whose parameters
/// name the item as this endpoint lists it. The answer's id is the upstream
/// connection's: render it under the caller's.
pub async fn perform(gateway: &Gateway, caller: &Caller, request: wire::Request) -> Result<wire::Response, Refusal> {
    let _ = (gateway, caller, request);
    Err(Refusal::InvalidParams(String::new()))
}
