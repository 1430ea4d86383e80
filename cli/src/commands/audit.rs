//! `audit`: what the audit log says.

pub(super) mod read;
pub(super) mod verify;
