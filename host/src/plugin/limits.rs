//! What a plugin may use up in one call, and who counts it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

mod changes;

pub use changes::LimitChanges;

/// The most that a deadline may be, in milliseconds: a call waits for each plugin in turn, and most clients
/// give a call up after a minute.
pub const LARGEST_DEADLINE_MS: u32 = 60_000;
/// The most memory that an instance may be given, in MiB: all that 32 bits address.
pub const LARGEST_MEMORY_MIB: u32 = 4_096;

/// Bounds on each call into a plugin. Passing one is a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// From the question to the answer, in milliseconds: waiting for a free instance and host calls included.
    /// Calls that load a plugin have 5 seconds, if that is more.
    pub deadline_ms: NonZeroU32,
    /// All linear memories of one instance together, in MiB.
    pub memory_mib: NonZeroU32,
    /// Calls of one call into the host's imports, WASI not counted.
    pub host_calls: u32,
    /// Bytes that leave the component in one answer or one host call, in KiB.
    pub output_kib: NonZeroU32,
    /// Bytes of the body of one answer to an outbound HTTP request, in KiB.
    pub http_kib: NonZeroU32,
    /// Instances at work at the same time; further calls wait.
    pub instances: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |value| NonZeroU32::new(value).expect("defaults are not zero");
        Self {
            deadline_ms: number(250),
            memory_mib: number(16),
            host_calls: 1_000,
            output_kib: number(1_024),
            http_kib: number(1_024),
            instances: number(16),
        }
    }
}

impl Limits {
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.get().into())
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        (self.memory_mib.get() as usize).saturating_mul(1 << 20)
    }

    pub(crate) fn http_bytes(&self) -> usize {
        (self.http_kib.get() as usize).saturating_mul(1 << 10)
    }

    pub(crate) fn output_bytes(&self) -> usize {
        (self.output_kib.get() as usize).saturating_mul(1 << 10)
    }
}

/// Table elements of one instance, all tables together: enough for the function
/// tables of interpreters, and 1 MiB of the host's memory at most.
const TABLE_ELEMENTS: usize = 100_000;
/// A component is made of a handful of core modules.
const CORE_INSTANCES: usize = 64;
const MEMORIES: usize = 8;
const TABLES: usize = 32;

/// What stopped a call, when it was the host that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Deadline,
    Memory,
    HostCalls,
}

/// Counts for one instance; all but the memory start anew with each call.
pub(crate) struct Budget {
    pub(crate) deadline: Instant,
    host_calls_left: u32,
    /// Ticks that have passed while the guest was at work.
    pub(crate) ticks: u32,
    /// The last bound that the call ran into. A guest may live on after a refused
    /// growth, so this explains a failure and does not make one.
    pub(crate) stopped_by: Option<Stop>,
    memory_limit: usize,
    /// In bytes; a linear memory never shrinks.
    pub(crate) memory_used: usize,
    /// The most that any instance of the plugin has used, in bytes. Written when a memory grows, which is seldom.
    pub(crate) memory_peak: Option<Arc<AtomicUsize>>,
    table_elements_used: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits, deadline: Instant) -> Self {
        Self {
            deadline,
            host_calls_left: limits.host_calls,
            ticks: 0,
            stopped_by: None,
            memory_limit: limits.memory_bytes(),
            memory_used: 0,
            memory_peak: None,
            table_elements_used: 0,
        }
    }

    pub(crate) fn renew(&mut self, limits: &Limits, deadline: Instant) {
        self.deadline = deadline;
        self.host_calls_left = limits.host_calls;
        self.ticks = 0;
        self.stopped_by = None;
    }

    /// To be asked at each tick and in each host call.
    pub(crate) fn check_deadline(&mut self) -> wasmtime::Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        self.stopped_by = Some(Stop::Deadline);
        Err(wasmtime::Error::msg("the deadline has passed"))
    }

    /// To be asked first in each host call.
    pub(crate) fn spend_host_call(&mut self) -> wasmtime::Result<()> {
        self.check_deadline()?;
        match self.host_calls_left.checked_sub(1) {
            Some(left) => {
                self.host_calls_left = left;
                Ok(())
            }
            None => {
                self.stopped_by = Some(Stop::HostCalls);
                Err(wasmtime::Error::msg("too many host calls"))
            }
        }
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Refused in any case, so it must not count. What fails for want of memory later does:
        // not every failure that is reported was asked about here, so none can be taken off again.
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.stopped_by = Some(Stop::Memory);
            return Ok(false);
        }
        let used = self.memory_used.saturating_add(desired - current);
        if used > self.memory_limit {
            self.stopped_by = Some(Stop::Memory);
            return Ok(false);
        }
        self.memory_used = used;
        if let Some(peak) = &self.memory_peak {
            peak.fetch_max(used, Ordering::Relaxed);
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.stopped_by = Some(Stop::Memory);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.stopped_by = Some(Stop::Memory);
            return Ok(false);
        }
        let used = self.table_elements_used.saturating_add(desired - current);
        if used > TABLE_ELEMENTS {
            self.stopped_by = Some(Stop::Memory);
            return Ok(false);
        }
        self.table_elements_used = used;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.stopped_by = Some(Stop::Memory);
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_beyond_a_components_own_maximum_uses_nothing_up() {
        let mut budget = Budget::new(&Limits::default(), Instant::now());
        for _ in 0..1_000 {
            assert!(!budget.memory_growing(0, 1 << 20, Some(1 << 16)).unwrap());
            assert!(!budget.table_growing(0, 1_000, Some(10)).unwrap());
        }
        assert!(budget.memory_growing(0, 16 << 20, None).unwrap());
        assert!(budget.table_growing(0, TABLE_ELEMENTS, Some(TABLE_ELEMENTS)).unwrap());
    }

    #[test]
    fn asking_for_the_impossible_gives_no_memory_back() {
        let mut budget = Budget::new(&Limits::default(), Instant::now());
        assert!(budget.memory_growing(0, 16 << 20, None).unwrap());
        budget.memory_grow_failed(wasmtime::Error::msg("beyond the memory's type")).unwrap();
        assert!(!budget.memory_growing(16 << 20, 17 << 20, None).unwrap());
    }
}
