//! Commands about users.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod update;
