//! Trying a component without a gateway: no database, no servers, but the real engine and the real limits.
//! In reading order:
//!
//! - `subject`: which component, and where its engine keeps compiled code.
//! - [`check`]: whether it can be installed, and what it needs.
//! - `question`: one question to one stage, and the answer as people read it.
//! - [`cases`]: decisions as a table in a file, held against what the component answers.
//! - [`bench`](mod@bench): what its calls cost.
//! - `log`: what it writes meanwhile.

pub mod bench;
pub mod cases;
pub mod check;

mod log;
mod question;
mod subject;

pub use subject::{Subject, SubjectError};
