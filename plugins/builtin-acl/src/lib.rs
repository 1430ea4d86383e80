//! Stock policy.
