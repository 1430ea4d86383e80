//! Server-sent events: reading a stream of them, writing one.
