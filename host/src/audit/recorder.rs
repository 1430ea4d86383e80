//! Noting what happened, without waiting: a bounded queue, and one thread that writes it to the journal.
//!
//! The thread takes what is there a few milliseconds after the first of it came, so that many records
//! share one `write`; where each answer waits for its record, at once, so that many share one `fsync`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::audit::chain::{AuditKey, Link};
use crate::audit::event::{Event, Kind};
use crate::audit::flood::Flood;
use crate::audit::journal::{Entry, Journal};
use crate::audit::record;

/// How many events may wait for the thread. Where none may be lost calls are refused at half of it,
/// and those under way, which are far fewer, still find room.
const MAX_QUEUED: usize = 65_536;
/// How much the arguments and results among them may take.
const MAX_CAPTURED_BYTES: usize = 64 << 20;
/// For how long events are gathered.
const GATHERING: Duration = Duration::from_millis(20);
/// After how long what found no room is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// How many records are written at once, and how much: little enough for the smallest journal.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 64 << 10;

/// What happens when a record finds no room, neither in memory nor on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing that would have to be recorded is done until there is room.
    Refuse,
    /// The record is dropped, and counted.
    Drop,
}

/// How many there were.
#[derive(Debug, Default)]
pub struct Counts {
    /// Records that were written to the journal.
    pub written: AtomicU64,
    /// Records that found no room.
    pub dropped: AtomicU64,
    /// Requests that were refused because records find no room.
    pub refused: AtomicU64,
}

/// A place in the order of events; what it stands for is dealt with when as many are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Takes events from any number of requests.
pub(super) struct Recorder {
    queue: Mutex<Queue>,
    filled: Condvar,
    /// How many events are in the journal, or dropped.
    settled: watch::Sender<u64>,
    when_full: WhenFull,
    must_sync: bool,
    is_full: AtomicBool,
    /// Refusals of strangers, and failures of the policies that look at them first.
    refusals: Flood,
    failures: Flood,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    captured_bytes: usize,
    /// How many events were ever taken.
    taken: u64,
    /// Somebody waits for what is there.
    is_urgent: bool,
    is_closed: bool,
}

impl Recorder {
    pub(super) fn new(when_full: WhenFull, must_sync: bool) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Condvar::new(),
            settled: watch::channel(0).0,
            when_full,
            must_sync,
            is_full: AtomicBool::new(false),
            refusals: Flood::default(),
            failures: Flood::default(),
            counts: Counts::default(),
        }
    }

    /// Notes an event. `None` if it found no room.
    pub(super) fn record(&self, mut event: Event) -> Option<Ticket> {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            // The gateway is ending.
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if queue.captured_bytes + event.captured_bytes() > MAX_CAPTURED_BYTES {
            // That it happened is worth more than what it was about.
            event.forget_captured();
        }
        let captured_bytes = queue.captured_bytes + event.captured_bytes();
        if queue.events.len() >= MAX_QUEUED {
            drop(queue);
            self.count_dropped(1, "they come faster than the journal can be written");
            return None;
        }
        let is_first = queue.events.is_empty();
        queue.captured_bytes = captured_bytes;
        queue.events.push(event);
        queue.taken += 1;
        let ticket = Ticket(queue.taken);
        drop(queue);
        if is_first {
            self.filled.notify_one();
        }
        Some(ticket)
    }

    /// Whether a record that finds no room is dropped.
    pub(super) fn may_drop(&self) -> bool {
        self.when_full == WhenFull::Drop
    }

    /// Notes what anybody can bring about. Of a flood of it only so much is noted one by one.
    pub(super) fn record_stranger(&self, event: Event) {
        let flood = if event.kind == Kind::PluginFailure { &self.failures } else { &self.refusals };
        if let Some(event) = flood.admit(event, Instant::now()) {
            self.record(event);
        }
    }

    /// Whether something may be done that has to be recorded.
    pub(super) fn has_room(&self) -> bool {
        if self.may_drop() {
            return true;
        }
        let has_room = !self.is_full.load(Ordering::Relaxed) && self.waiting() < MAX_QUEUED as u64 / 2;
        if !has_room {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    /// How many events are not in the journal yet, those in the thread's hands included.
    pub(super) fn waiting(&self) -> u64 {
        let taken = self.queue.lock().taken;
        taken.saturating_sub(*self.settled.borrow())
    }

    /// The ticket of all that has been noted so far; it is dealt with at once.
    pub(super) fn hurry(&self) -> Ticket {
        let mut queue = self.queue.lock();
        for rest in [self.refusals.rest(), self.failures.rest()].into_iter().flatten() {
            queue.events.push(rest);
            queue.taken += 1;
        }
        queue.is_urgent = !queue.events.is_empty();
        let ticket = Ticket(queue.taken);
        drop(queue);
        self.filled.notify_one();
        ticket
    }

    /// Waits until an event is in the journal (and synced, where that is wanted), or dropped.
    pub(super) async fn settled(&self, ticket: Ticket) {
        let mut settled = self.settled.subscribe();
        // The sender lives as long as this.
        let _cannot_close = settled.wait_for(|settled| *settled >= ticket.0).await;
    }

    /// No more events are taken; the thread ends after those that are there.
    pub(super) fn close(&self) {
        self.hurry();
        self.queue.lock().is_closed = true;
        self.filled.notify_one();
    }

    /// What the thread does: writes what is noted, until closed.
    pub(super) fn write(&self, mut journal: Journal, key: &AuditKey, mut head: Link) {
        while let Some(events) = self.next_batch() {
            let mut texts = Vec::new();
            let mut bytes = 0;
            for event in events {
                texts.push(record::write(&event));
                bytes += texts.last().map_or(0, String::len);
                if texts.len() >= BATCH || bytes >= BATCH_BYTES {
                    head = self.write_some(&mut journal, key, head, std::mem::take(&mut texts));
                    bytes = 0;
                }
            }
            head = self.write_some(&mut journal, key, head, texts);
        }
    }

    /// Waits for events; `None` when closed and there are no more.
    fn next_batch(&self) -> Option<Vec<Event>> {
        let mut queue = self.queue.lock();
        while queue.events.is_empty() {
            if queue.is_closed {
                return None;
            }
            self.filled.wait(&mut queue);
        }
        let until = Instant::now() + GATHERING;
        while !(self.must_sync || queue.is_urgent || queue.is_closed) {
            if self.filled.wait_until(&mut queue, until).timed_out() {
                break;
            }
        }
        queue.is_urgent = false;
        queue.captured_bytes = 0;
        Some(std::mem::take(&mut queue.events))
    }

    /// Writes records behind the one at `head`, all or none. Returns where the chain stands then.
    fn write_some(&self, journal: &mut Journal, key: &AuditKey, head: Link, texts: Vec<String>) -> Link {
        let mut last = head.clone();
        let entry = |text: String| {
            last = key.next(&last, text.as_bytes());
            Entry { link: last.clone(), text }
        };
        let entries: Vec<Entry> = texts.into_iter().map(entry).collect();
        let is_written = self.write_or_drop(journal, &entries);
        self.settled.send_modify(|settled| *settled += entries.len() as u64);
        if is_written { last } else { head }
    }

    fn write_or_drop(&self, journal: &mut Journal, entries: &[Entry]) -> bool {
        while let Err(error) = journal.append(entries) {
            let is_closed = self.queue.lock().is_closed;
            if self.when_full == WhenFull::Drop || is_closed {
                self.count_dropped(entries.len(), &error.to_string());
                return false;
            }
            if !self.is_full.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the audit log's journal is full: requests are refused until it has room");
            }
            std::thread::sleep(RETRY);
        }
        // Where records are dropped, a short one may still fit where a long one did not: that is not worth a line each.
        let has_room = self.when_full == WhenFull::Refuse || journal.has_ample_room();
        if !entries.is_empty() && has_room && self.is_full.swap(false, Ordering::Relaxed) {
            tracing::info!("the audit log's journal has room again");
        }
        self.counts.written.fetch_add(entries.len() as u64, Ordering::Relaxed);
        true
    }

    fn count_dropped(&self, count: usize, reason: &str) {
        self.counts.dropped.fetch_add(count as u64, Ordering::Relaxed);
        // Once, until there is room again.
        if self.when_full == WhenFull::Refuse || !self.is_full.swap(true, Ordering::Relaxed) {
            tracing::error!(reason, "the audit log is full: records are dropped, and counted");
        }
    }
}

/// Writes in a thread of its own: it waits for the disk.
pub(super) fn spawn(recorder: &Arc<Recorder>, journal: Journal, key: AuditKey, head: Link) -> std::io::Result<()> {
    let recorder = Arc::clone(recorder);
    let thread = std::thread::Builder::new().name("audit-writer".into());
    thread.spawn(move || recorder.write(journal, &key, head)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::redact::Captured;
    use crate::server::AuditDetail;

    #[test]
    fn arguments_that_find_no_room_are_left_out_and_the_record_is_not() {
        let recorder = Recorder::new(WhenFull::Refuse, true);
        let (detail, text) = (Arc::new(AuditDetail::default()), "x".repeat(1 << 20));
        for _ in 0..80 {
            let arguments = Some(Captured::new(&text, &detail));
            assert!(recorder.record(Event { arguments, ..Event::new(Kind::Call, "tools/call", "success") }).is_some());
        }
        let queue = recorder.queue.lock();
        assert_eq!((queue.events.len(), queue.captured_bytes), (80, MAX_CAPTURED_BYTES));
        let last = record::write(queue.events.last().unwrap());
        assert!(last.contains(r#""arguments":{"text":"","bytes":1048576,"cut":true}"#), "{last}");
    }
}
