//! Bounds on a component, as they are typed.

use std::num::NonZeroU32;

use mcpjungle_host::plugin::{LARGEST_DEADLINE_MS, LARGEST_MEMORY_MIB};

/// Reads `--deadline`.
pub(super) fn deadline(text: &str) -> Result<NonZeroU32, String> {
    read(text, "milliseconds", LARGEST_DEADLINE_MS)
}

/// Reads `--memory`.
pub(super) fn memory(text: &str) -> Result<NonZeroU32, String> {
    read(text, "MiB", LARGEST_MEMORY_MIB)
}

fn read(text: &str, unit: &str, most: u32) -> Result<NonZeroU32, String> {
    let number: Option<NonZeroU32> = text.parse().ok();
    number
        .filter(|number| number.get() <= most)
        .ok_or_else(|| format!("must be a whole number of {unit} from 1 to {most}"))
}
