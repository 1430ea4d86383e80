//! Messages from a child process: one per line, each of bounded length.

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
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(stream: R, limit_bytes: usize) -> Self {
        Self { stream, limit_bytes, unread: BytesMut::new(), scanned: 0 }
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
}
