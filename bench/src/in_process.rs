//! Measurements without a network: what the stages themselves cost.

use anyhow::Result;

use crate::report::Report;

/// Adds what can be measured in process.
pub(crate) fn measure(_report: &mut Report) -> Result<()> {
    Ok(())
}
