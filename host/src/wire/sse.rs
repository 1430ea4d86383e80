//! Server-sent events: reading a stream of them, writing one.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::wire::single_line;

/// One event. Its data has no limit but the reader's, and may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What the stream calls it; `message` where it says nothing.
    pub name: Bytes,
    /// Its data lines, joined by line feeds.
    pub data: Bytes,
}

/// An event that grew past the reader's limit; the stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event has more than {limit_bytes} bytes")]
pub struct EventTooLarge {
    /// The reader's limit.
    pub limit_bytes: usize,
}

/// Takes a stream apart as its bytes arrive, wherever they are cut. What stands
/// after the last blank line when a stream ends is no event.
#[derive(Debug)]
pub struct EventReader {
    limit_bytes: usize,
    unread: BytesMut,
    /// How far `unread` is known to hold no line end.
    scanned: usize,
    at_start: bool,
    /// The last line ended in a carriage return, so a line feed now belongs to it.
    after_carriage_return: bool,
    name: Bytes,
    data: Option<Data>,
    /// Of the event that is being read; kept for those after it that have none.
    id: Vec<u8>,
    last_event_id: Vec<u8>,
    retry: Option<Duration>,
}

/// One data line is a slice of what arrived; only several have to be joined.
#[derive(Debug)]
enum Data {
    Line(Bytes),
    Joined(BytesMut),
}

const DEFAULT_NAME: Bytes = Bytes::from_static(b"message");
/// Ids are cursors of a few bytes.
const ID_LIMIT_BYTES: usize = 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl EventReader {
    /// A reader at the start of a stream.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            unread: BytesMut::new(),
            scanned: 0,
            at_start: true,
            after_carriage_return: false,
            name: DEFAULT_NAME,
            data: None,
            id: Vec::new(),
            last_event_id: Vec::new(),
            retry: None,
        }
    }

    /// The id of the last event that was complete, even if it had no data: where to
    /// resume. Empty where there is none.
    pub fn last_event_id(&self) -> &[u8] {
        &self.last_event_id
    }

    /// How long the stream last asked to wait before it is resumed.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        self.unread.extend_from_slice(chunk);
    }

    /// The next event that is complete, or `None` until more bytes arrive.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLarge> {
        while let Some(line) = self.next_line() {
            if line.is_empty() {
                self.last_event_id.clone_from(&self.id);
                let name = std::mem::replace(&mut self.name, DEFAULT_NAME);
                match self.data.take().map(Data::finish) {
                    Some(data) if !data.is_empty() => return Ok(Some(Event { name, data })),
                    Some(_) | None => {}
                }
            } else {
                self.take_field(&line);
                self.check_size()?;
            }
        }
        self.check_size()?;
        Ok(None)
    }

    fn next_line(&mut self) -> Option<Bytes> {
        if self.at_start {
            if self.unread.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.unread) {
                return None;
            }
            if self.unread.starts_with(BYTE_ORDER_MARK) {
                self.unread.advance(BYTE_ORDER_MARK.len());
            }
            self.at_start = false;
        }
        if self.after_carriage_return && !self.unread.is_empty() {
            self.after_carriage_return = false;
            if self.unread[0] == b'\n' {
                self.unread.advance(1);
            }
        }
        let Some(found) = self.unread[self.scanned..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.scanned = self.unread.len();
            return None;
        };
        let line = self.unread.split_to(self.scanned + found).freeze();
        self.scanned = 0;
        self.after_carriage_return = self.unread[0] == b'\r';
        self.unread.advance(1);
        Some(line)
    }

    fn take_field(&mut self, line: &Bytes) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let mut value = line.slice((colon + 1).min(line.len())..);
        if value.starts_with(b" ") {
            value.advance(1);
        }
        match &line[..colon] {
            b"data" => self.data = Some(Data::append(self.data.take(), value)),
            b"event" => self.name = if value.is_empty() { DEFAULT_NAME } else { value },
            // Such an id is none, or could be sent back in no header.
            b"id" if value.len() > ID_LIMIT_BYTES || value.contains(&0) => {}
            b"id" => {
                self.id.clear();
                self.id.extend_from_slice(&value);
            }
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = std::str::from_utf8(&value).ok().and_then(|value| value.parse().ok());
                self.retry = milliseconds.map(Duration::from_millis).or(self.retry);
            }
            // Comments, and fields that nobody knows.
            _ => {}
        }
    }

    fn check_size(&self) -> Result<(), EventTooLarge> {
        let held = self.unread.len() + self.data.as_ref().map_or(0, Data::len);
        if held > self.limit_bytes { Err(EventTooLarge { limit_bytes: self.limit_bytes }) } else { Ok(()) }
    }
}

impl Data {
    fn append(before: Option<Self>, line: Bytes) -> Self {
        let mut joined = match before {
            None => return Self::Line(line),
            Some(Self::Line(first)) => BytesMut::from(first),
            Some(Self::Joined(joined)) => joined,
        };
        joined.put_u8(b'\n');
        joined.extend_from_slice(&line);
        Self::Joined(joined)
    }

    fn len(&self) -> usize {
        match self {
            Self::Line(line) => line.len(),
            Self::Joined(joined) => joined.len(),
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Line(line) => line,
            Self::Joined(joined) => joined.freeze(),
        }
    }
}

/// The event that carries one JSON-RPC message.
pub fn message_event(json: Bytes) -> Bytes {
    let json = single_line(json);
    let mut event = BytesMut::with_capacity(json.len() + 24);
    event.extend_from_slice(b"event: message\ndata: ");
    event.extend_from_slice(&json);
    event.extend_from_slice(b"\n\n");
    event.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `stream` in pieces of `step` bytes; gives `name=data` for each event.
    fn read_in_steps(stream: &[u8], step: usize) -> Vec<String> {
        let mut reader = EventReader::new(64);
        let mut events = Vec::new();
        for chunk in stream.chunks(step) {
            reader.push(chunk);
            while let Some(Event { name, data }) = reader.next_event().unwrap() {
                events.push(format!("{}={}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&data)));
            }
        }
        events
    }

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        let cases: &[(&str, &[&str])] = &[
            ("data: a\n\ndata:b\n\n", &["message=a", "message=b"]),
            ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["message=a", "message=b", "message=c"]),
            ("\u{feff}data: a\n\n", &["message=a"]),
            (": hello\n\n:\n\ndata: a\n:in between\ndata:  b\n\n", &["message=a\n b"]),
            ("event: ping\ndata: 1\n\ndata: 2\n\n", &["ping=1", "message=2"]),
            ("id: 7\nretry: 10\ndata:\n\nid: 8\ndata: x\n\n", &["message=x"]),
            ("data\ndata\n\n", &["message=\n"]),
            ("data: ü\n\ndata: unfinished\n", &["message=ü"]),
            ("vendor: x\nnonsense\n\n\n\ndata: {\"a\": \"b: c\"}\n\n", &["message={\"a\": \"b: c\"}"]),
        ];
        for (stream, expected) in cases {
            for step in 1..=stream.len() {
                assert_eq!(read_in_steps(stream.as_bytes(), step), *expected, "{stream:?} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_stream_tells_where_and_when_to_resume() {
        let too_long = format!("id: 1\ndata: a\n\nid: {}\ndata: b\n\n", "x".repeat(1025));
        let cases: &[(&str, &str, Option<u64>)] = &[
            ("data: a\n\n", "", None),
            ("id: 7\ndata: a\n\ndata: b\n\n", "7", None),
            ("id:7\ndata\nretry: 500\n\n", "7", Some(500)),
            ("id: priming\n\n", "priming", None),
            ("id: 7\n\nid: 8\ndata: not complete\n", "7", None),
            ("id: 7\n\nid\ndata: a\n\n", "", None),
            ("id: 7\n\nid: a\0b\ndata: a\n\n", "7", None),
            ("retry: 10\n\nretry: 1s\nretry:\nretry: -3\nretry: 99999999999999999999\n", "", Some(10)),
            (&too_long, "1", None),
        ];
        for (stream, id, retry) in cases {
            for step in [1, 2, 7, stream.len()] {
                let mut reader = EventReader::new(2048);
                for chunk in stream.as_bytes().chunks(step) {
                    reader.push(chunk);
                    while reader.next_event().unwrap().is_some() {}
                }
                assert_eq!(reader.last_event_id(), id.as_bytes(), "{stream:?}");
                assert_eq!(reader.retry(), retry.map(Duration::from_millis), "{stream:?}");
            }
        }
    }

    #[test]
    fn an_event_past_the_limit_ends_the_stream() {
        for stream in [format!("data: {}", "x".repeat(64)), "data: 0123456789\n".repeat(7), "x".repeat(65)] {
            let mut reader = EventReader::new(64);
            reader.push(stream.as_bytes());
            assert_eq!(reader.next_event(), Err(EventTooLarge { limit_bytes: 64 }), "{stream}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let event = message_event(Bytes::from_static(b"{\n\"id\": 1}"));
        assert_eq!(event, "event: message\ndata: { \"id\": 1}\n\n");
        assert_eq!(read_in_steps(&event, 3), ["message={ \"id\": 1}"]);
    }
}
