//! Finishing what was begun: a caller that hangs up must not leave the gateway
//! serving something else than what is stored.

use crate::admin::error::ApiError;
use crate::slow_lane;

/// Runs a change to its end, whether or not the caller still waits for it.
pub(super) async fn finish<T: Send + 'static>(
    change: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(slow_lane::wait(change)).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "a change ended halfway");
            Err(ApiError::failed("the change ended halfway: see the gateway's log"))
        }
    }
}
