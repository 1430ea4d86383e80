//! Servers, tool groups and policies as files: reading them, checking them, and
//! comparing them with what is registered. In reading order:
//!
//! - `document`, `search`: a file's text, JSON or YAML, and where in it something stands.
//! - `keys`: which keys a file may have, as the types that read it know.
//! - `placeholders`: `${VAR}` in string values.
//! - `check`, `problem`: one file, from its text to what it describes, or all that is wrong with it.
//! - `policies`: a policies file with the components that it names.
//! - `folder`: many files, to one [`State`].
//! - `difference`: what leads from one state to another.

mod check;
mod difference;
mod document;
mod folder;
mod keys;
mod placeholders;
mod policies;
mod problem;
mod search;

pub use check::{CLIENT_FILE, Configuration, Kind, check, check_keys, detect, read};
pub use difference::{Change, State, difference};
pub(crate) use document::without_value;
pub use document::{Format, Place};
pub use folder::{find_files, read_state};
pub use keys::keys_of;
pub(crate) use keys::nearest;
pub use placeholders::{PlaceholderError, Variables, fill_in, resolve};
pub use policies::check_components;
pub(crate) use policies::read_strictly;
pub use problem::{Problem, Source};
pub use search::Step;

/// Where the last step of a path stands in a file: the key itself, or the item of a list.
pub(crate) fn place_of_key(source: Source<'_>, path: &[Step]) -> Option<Place> {
    document::Document::new(source.path, source.text).find_key(path)
}
