//! One stream of events to a client: written without ever waiting, read at the
//! client's own pace, and taken up again where a broken connection left it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::wire::single_line;

/// A client that leaves more than this unread is cut off.
const MAX_UNREAD_BYTES: usize = 32 << 20;
const MAX_UNREAD_EVENTS: usize = 20_000;
/// While nobody reads, only so much waits; the oldest goes first.
const MAX_UNATTENDED_BYTES: usize = 8 << 20;
const MAX_UNATTENDED_EVENTS: usize = 1_000;
/// As much as was sent already is kept for a client whose connection broke before it arrived.
const MAX_KEPT_BYTES: usize = 256 << 10;
const MAX_KEPT_EVENTS: usize = 256;
/// As much goes into one write.
const WRITE_BYTES: usize = 64 << 10;
/// So often a silent stream shows that it is alive; proxies close silent ones after a minute or so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// Why a stream cannot be taken up again after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotResumable {
    /// There was no such event, or what followed it is not kept any more.
    Forgotten,
    /// Nothing followed it, and nothing will.
    Ended,
}

/// One stream of events.
pub(super) struct EventStream {
    /// What stands before an event's number in its id; `None` gives events no ids.
    name: Option<u64>,
    state: Mutex<State>,
    /// Tells the reader that there is something for it.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Sent ones that are kept, then those that are not sent yet.
    events: VecDeque<Bytes>,
    /// The number of the first of `events`; they count from 0.
    first: u64,
    /// How many of `events` were sent.
    sent: usize,
    kept_bytes: usize,
    unread_bytes: usize,
    /// Which reader may read; each new one ends the one before.
    reader: u64,
    is_attended: bool,
    /// Since when nobody reads, where nobody does.
    left_at: Option<Instant>,
    /// Whether the reader was cut off, rather than replaced.
    is_cut: bool,
    /// The last that the reader gets before its connection is closed for a while.
    pause: Option<Bytes>,
    ended_at: Option<Instant>,
}

impl EventStream {
    /// An empty stream; see the field for `name`.
    pub(super) fn new(name: Option<u64>) -> Self {
        let state = State { left_at: Some(Instant::now()), ..State::default() };
        Self { name, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Adds an event that carries one JSON-RPC message.
    pub(super) fn send(&self, message: Bytes) {
        let message = single_line(message);
        self.push(
            |frame| {
                frame.extend_from_slice(b"event: message\ndata: ");
                frame.extend_from_slice(&message);
                frame.extend_from_slice(b"\n\n");
            },
            message.len() + 64,
        );
    }

    /// Adds an event without data, whose id lets a client take the stream up from the start.
    pub(super) fn prime(&self) {
        self.push(|frame| frame.extend_from_slice(b"data: \n\n"), 64);
    }

    /// Adds an event that is no message.
    pub(super) fn announce(&self, event: &str, data: &str) {
        let frame = format!("event: {event}\ndata: {data}\n\n");
        self.push(|into| into.extend_from_slice(frame.as_bytes()), frame.len());
    }

    fn push(&self, write: impl FnOnce(&mut BytesMut), size: usize) {
        let mut state = self.state.lock();
        if state.ended_at.is_some() {
            return;
        }
        let mut frame = BytesMut::with_capacity(size);
        if let Some(name) = self.name {
            let number = state.first + state.events.len() as u64;
            frame.extend_from_slice(format!("id: {name}-{number}\n").as_bytes());
        }
        write(&mut frame);
        state.unread_bytes += frame.len();
        state.events.push_back(frame.freeze());
        state.keep_bounds();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Closes the connection once all so far is written; the client may come back after `retry`.
    pub(super) fn pause(&self, retry: Duration) {
        let frame = format!("retry: {}\n\n", retry.as_millis());
        let mut state = self.state.lock();
        if state.ended_at.is_none() {
            state.pause = Some(frame.into());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing follows. What was not read yet can still be.
    pub(super) fn end(&self) {
        self.state.lock().ended_at.get_or_insert_with(Instant::now);
        self.changed.notify_waiters();
    }

    /// Nothing follows, and what was not read yet cannot be read any more.
    pub(super) fn shut(&self) {
        let mut state = self.state.lock();
        state.ended_at.get_or_insert_with(Instant::now);
        state.forget_all();
        drop(state);
        self.changed.notify_waiters();
    }

    /// How long ago it ended.
    pub(super) fn ended_for(&self) -> Option<Duration> {
        self.state.lock().ended_at.map(|at| at.elapsed())
    }

    /// Whether a client reads it, as far as is known.
    pub(super) fn is_attended(&self) -> bool {
        self.state.lock().is_attended
    }

    /// For how long no client has read it.
    pub(super) fn unattended_for(&self) -> Option<Duration> {
        let state = self.state.lock();
        state.left_at.filter(|_| !state.is_attended).map(|at| at.elapsed())
    }

    /// Reads what was not sent yet, and all that follows.
    pub(super) fn read(self: &Arc<Self>) -> Body {
        let mut state = self.state.lock();
        self.attach(&mut state, None)
    }

    /// Reads what follows the event of this number. Primed, what is read begins with
    /// that event's id: a client that gets no event at all would come back without one,
    /// and take another stream up.
    pub(super) fn resume(self: &Arc<Self>, after: u64, primed: bool) -> Result<Body, NotResumable> {
        let mut state = self.state.lock();
        let next = after.checked_add(1).and_then(|next| next.checked_sub(state.first));
        let next = next.and_then(|next| usize::try_from(next).ok()).ok_or(NotResumable::Forgotten)?;
        if next > state.events.len() {
            return Err(NotResumable::Forgotten);
        }
        if next == state.events.len() && state.ended_at.is_some() {
            return Err(NotResumable::Ended);
        }
        state.pause = None;
        state.rewind(next);
        let name = self.name.filter(|_| primed);
        let first = name.map(|name| Bytes::from(format!("id: {name}-{after}\ndata: \n\n")));
        Ok(self.attach(&mut state, first))
    }

    fn attach(self: &Arc<Self>, state: &mut State, first: Option<Bytes>) -> Body {
        state.reader += 1;
        state.is_attended = true;
        state.is_cut = false;
        let reader = Reader { stream: Arc::clone(self), number: state.reader };
        self.changed.notify_waiters();
        let rest = stream::unfold(reader, async |reader| Some((reader.next().await?, reader)));
        Body::from_stream(stream::iter(first.map(Ok)).chain(rest))
    }
}

impl State {
    fn unread(&self) -> usize {
        self.events.len() - self.sent
    }

    fn keep_bounds(&mut self) {
        if self.is_attended {
            if self.unread() > MAX_UNREAD_EVENTS || self.bytes_in_the_way() > MAX_UNREAD_BYTES {
                self.cut();
            }
        } else {
            while self.unread() > MAX_UNATTENDED_EVENTS || self.bytes_in_the_way() > MAX_UNATTENDED_BYTES {
                self.forget_first();
            }
        }
        while self.sent > MAX_KEPT_EVENTS || (self.sent > 0 && self.kept_bytes > MAX_KEPT_BYTES) {
            self.forget_first();
        }
    }

    /// What waits before the latest event: that one, however large, is not to blame.
    fn bytes_in_the_way(&self) -> usize {
        self.unread_bytes - self.events.back().filter(|_| self.unread() > 0).map_or(0, Bytes::len)
    }

    fn forget_all(&mut self) {
        self.first += self.events.len() as u64;
        self.events.clear();
        self.sent = 0;
        self.kept_bytes = 0;
        self.unread_bytes = 0;
    }

    /// The reader gets no more, and what it did not take is gone.
    fn cut(&mut self) {
        self.forget_all();
        self.reader += 1;
        self.is_attended = false;
        self.left_at = Some(Instant::now());
        self.is_cut = true;
    }

    fn forget_first(&mut self) {
        let Some(event) = self.events.pop_front() else { return };
        self.first += 1;
        if self.sent > 0 {
            self.sent -= 1;
            self.kept_bytes -= event.len();
        } else {
            self.unread_bytes -= event.len();
        }
    }

    /// Makes the event at `next` the first that is not sent.
    fn rewind(&mut self, next: usize) {
        self.sent = next;
        self.kept_bytes = self.events.range(..next).map(Bytes::len).sum();
        self.unread_bytes = self.events.range(next..).map(Bytes::len).sum();
    }

    /// Takes as many events as go into one write.
    fn take(&mut self) -> Option<Bytes> {
        let unread = self.events.range(self.sent..);
        let mut size = 0;
        let fitting = unread.take_while(|event| {
            let fits = size == 0 || size + event.len() <= WRITE_BYTES;
            size += event.len();
            fits
        });
        let count = fitting.count();
        let taken = match count {
            0 => return None,
            1 => self.events[self.sent].clone(),
            _ => {
                let events = || self.events.range(self.sent..self.sent + count);
                let mut joined = BytesMut::with_capacity(events().map(Bytes::len).sum());
                events().for_each(|event| joined.extend_from_slice(event));
                joined.freeze()
            }
        };
        self.sent += count;
        self.unread_bytes -= taken.len();
        self.kept_bytes += taken.len();
        self.keep_bounds();
        Some(taken)
    }
}

/// The one reader of a stream; dropped when the client's connection goes.
struct Reader {
    stream: Arc<EventStream>,
    number: u64,
}

/// The client took too long; its connection is closed without a proper end.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read its stream")]
struct CutOff;

impl Reader {
    async fn next(&self) -> Option<Result<Bytes, CutOff>> {
        loop {
            let mut changed = std::pin::pin!(self.stream.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let mut state = self.stream.state.lock();
                if state.reader != self.number {
                    return state.is_cut.then_some(Err(CutOff));
                }
                if let Some(taken) = state.take() {
                    return Some(Ok(taken));
                }
                if state.ended_at.is_some() {
                    return None;
                }
                if let Some(farewell) = state.pause.take() {
                    state.reader += 1;
                    state.is_attended = false;
                    state.left_at = Some(Instant::now());
                    return Some(Ok(farewell));
                }
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Ok(KEEP_ALIVE_COMMENT)),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.stream.state.lock();
        if state.reader == self.number {
            state.is_attended = false;
            state.left_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    fn message(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// What is there to read right now.
    fn read_now(body: &mut axum::body::BodyDataStream) -> String {
        let mut read = String::new();
        while let Some(Some(Ok(chunk))) = body.next().now_or_never() {
            read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        read
    }

    #[tokio::test]
    async fn a_broken_connection_is_taken_up_where_it_was_left() {
        let stream = Arc::new(EventStream::new(Some(7)));
        stream.prime();
        stream.send(message("1"));
        let mut first = stream.read().into_data_stream();
        assert_eq!(read_now(&mut first), "id: 7-0\ndata: \n\nid: 7-1\nevent: message\ndata: 1\n\n");
        drop(first);
        stream.send(message("2"));
        let mut second = stream.resume(0, true).unwrap().into_data_stream();
        assert_eq!(
            read_now(&mut second),
            "id: 7-0\ndata: \n\nid: 7-1\nevent: message\ndata: 1\n\nid: 7-2\nevent: message\ndata: 2\n\n"
        );
        stream.send(message("3"));
        stream.end();
        stream.send(message("too late"));
        assert_eq!(StreamExt::collect::<Vec<_>>(second).await.len(), 1);
        let last = stream.resume(2, false).unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(last, "id: 7-3\nevent: message\ndata: 3\n\n");
        assert_eq!(stream.resume(3, true).err(), Some(NotResumable::Ended));
        assert_eq!(stream.resume(4, true).err(), Some(NotResumable::Forgotten));
    }

    #[tokio::test]
    async fn a_new_reader_ends_the_one_before() {
        let stream = Arc::new(EventStream::new(None));
        let mut first = stream.read().into_data_stream();
        let mut second = stream.read().into_data_stream();
        stream.send(message("1"));
        assert!(first.next().await.is_none());
        assert_eq!(read_now(&mut second), "event: message\ndata: 1\n\n");
        drop(first);
        assert!(stream.is_attended());
        drop(second);
        assert!(!stream.is_attended());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off_and_nothing_is_held_for_it() {
        let stream = Arc::new(EventStream::new(Some(0)));
        let mut body = stream.read().into_data_stream();
        for _ in 0..=MAX_UNREAD_EVENTS {
            stream.send(message("x"));
        }
        assert!(body.next().await.unwrap().is_err());
        assert!(stream.state.lock().events.is_empty());
        assert_eq!(stream.resume(5, true).err(), Some(NotResumable::Forgotten));
    }

    #[tokio::test]
    async fn the_latest_event_arrives_however_large_it_is() {
        for is_read in [true, false] {
            let stream = Arc::new(EventStream::new(None));
            stream.send(message("small"));
            let early = is_read.then(|| stream.read());
            stream.send(Bytes::from(vec![b'x'; MAX_UNREAD_BYTES + 1]));
            stream.end();
            let body = early.unwrap_or_else(|| stream.read());
            assert!(body.collect().await.unwrap().to_bytes().len() > MAX_UNREAD_BYTES);
        }
    }

    #[tokio::test]
    async fn without_a_reader_the_latest_wait_within_bounds() {
        let stream = Arc::new(EventStream::new(Some(0)));
        for number in 0..MAX_UNATTENDED_EVENTS + 5 {
            stream.send(message(&number.to_string()));
        }
        let mut body = stream.read().into_data_stream();
        assert!(read_now(&mut body).starts_with("id: 0-5\nevent: message\ndata: 5\n\n"));
        let state = stream.state.lock();
        assert!(state.sent <= MAX_KEPT_EVENTS && state.kept_bytes <= MAX_KEPT_BYTES && state.unread_bytes == 0);
    }
}
