//! Lines from a child process, each of bounded length: messages, or what it logs.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

const READ_BYTES: usize = 16 << 10;

/// Why there is no further line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// The stream has ended, or broke; an unfinished line is nothing.
    Ended,
    /// There is no telling where the next message starts.
    TooLong,
}

/// Takes a stream apart into lines.
pub(super) struct LineReader<R> {
    stream: R,
    limit_bytes: usize,
    unread: BytesMut,
    /// How far `unread` is known to hold no line feed.
    scanned: usize,
    /// Whether what comes next is the rest of a line that was cut.
    in_cut_line: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(stream: R, limit_bytes: usize) -> Self {
        Self { stream, limit_bytes, unread: BytesMut::new(), scanned: 0, in_cut_line: false }
    }

    /// The stream itself, without what was read of it already.
    pub(super) fn into_inner(self) -> R {
        self.stream
    }

    /// The next line, without its line feed.
    pub(super) async fn next_line(&mut self) -> Result<Bytes, LineError> {
        loop {
            if let Some(found) = self.unread[self.scanned..].iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(self.scanned + found + 1).freeze();
                self.scanned = 0;
                return Ok(line.slice(..line.len() - 1));
            }
            self.scanned = self.unread.len();
            if self.scanned > self.limit_bytes {
                return Err(LineError::TooLong);
            }
            self.unread.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.unread).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(LineError::Ended),
            }
        }
    }

    /// As [`Self::next_line`], but cuts a line that is too long and passes over the
    /// rest of it. `None` once the stream has ended.
    pub(super) async fn next_line_cut(&mut self) -> Option<Bytes> {
        loop {
            match self.next_line().await {
                Ok(_) if self.in_cut_line => self.in_cut_line = false,
                Ok(line) => return Some(line),
                Err(LineError::TooLong) => {
                    let piece = self.unread.split();
                    self.scanned = 0;
                    if !std::mem::replace(&mut self.in_cut_line, true) {
                        return Some(Bytes::copy_from_slice(&piece[..self.limit_bytes]));
                    }
                }
                Err(LineError::Ended) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_at_line_feeds_only() {
        let mut lines = LineReader::new(&b"a\r\n\nbc\nunfinished"[..], 100);
        for expected in ["a\r", "", "bc"] {
            assert_eq!(lines.next_line().await.unwrap(), expected);
        }
        assert_eq!(lines.next_line().await, Err(LineError::Ended));
    }

    #[tokio::test]
    async fn a_line_past_the_limit_ends_the_stream() {
        let mut lines = LineReader::new(&b"short\n0123456789"[..], 8);
        assert_eq!(lines.next_line().await.unwrap(), "short");
        assert_eq!(lines.next_line().await, Err(LineError::TooLong));
    }

    #[tokio::test]
    async fn a_line_past_the_limit_can_be_cut_and_the_next_is_read() {
        let (mut child, stream) = tokio::io::duplex(4);
        let mut lines = LineReader::new(stream, 8);
        let written = async {
            tokio::io::AsyncWriteExt::write_all(&mut child, b"0123456789abcdefghijklmnopqrstuvwxyz\nnext\n")
                .await
                .unwrap();
            drop(child);
        };
        let read = async {
            for expected in ["01234567", "next"] {
                assert_eq!(lines.next_line_cut().await.unwrap(), expected);
            }
            assert_eq!(lines.next_line_cut().await, None);
        };
        tokio::join!(written, read);
    }
}
