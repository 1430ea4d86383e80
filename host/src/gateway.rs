//! The gateway put together: what every request has at hand.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::Snapshot;
use crate::pipeline::{Mode, Pipeline};
use crate::store::{Store, StoreError};
use crate::upstream::Upstreams;

/// What every request has at hand. Nothing on a request's way reads the store.
pub struct Gateway {
    /// How the gateway is run.
    pub mode: Mode,
    /// The version that it gives for itself, such as `0.1.0`.
    pub version: String,
    /// What outlives the process; for admin operations only.
    pub store: Store,
    /// Connections to MCP servers.
    pub upstreams: Upstreams,
    snapshot: Arc<ArcSwap<Snapshot>>,
    pipeline: ArcSwap<Pipeline>,
}

impl Gateway {
    /// What is served right now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The policies that run right now.
    pub fn pipeline(&self) -> Arc<Pipeline> {
        self.pipeline.load_full()
    }

    /// Publishes what the store holds now, if that is newer than what is served.
    /// An admin operation answers only after this, so its caller sees its own change.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        Err(StoreError::Todo)
    }
}
