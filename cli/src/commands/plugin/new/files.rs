//! What this binary carries for projects: templates, the SDK and the contract.

use include_dir::{Dir, include_dir};

/// By language, and what all share.
pub(super) static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../plugins/templates");
/// The contract with the gateway.
pub(super) static CONTRACT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit/v0.1");
/// The sources of the SDK for Rust.
pub(super) static SDK_SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../plugins/sdk/src");
/// Where these find the contract, as they lie in this repository.
pub(super) const CONTRACT_OF_SDK: &str = "../../wit/v0.1";
/// Its manifest.
pub(super) static SDK_MANIFEST: &str = include_str!("../../../../../plugins/sdk/Cargo.toml");
/// Its licence.
pub(super) static SDK_LICENSE: &str = include_str!("../../../../../LICENSE");

/// All files below a folder, each with its path from there.
pub(super) fn below<'d>(folder: &'d Dir<'d>) -> Vec<(String, &'d [u8])> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found
}

fn collect<'d>(root: &Dir<'d>, folder: &'d Dir<'d>, found: &mut Vec<(String, &'d [u8])>) {
    for file in folder.files() {
        let path = file.path().strip_prefix(root.path()).unwrap_or(file.path());
        // Also where this binary was built on a system that separates folders otherwise.
        found.push((path.to_string_lossy().replace('\\', "/"), file.contents()));
    }
    for inner in folder.dirs() {
        collect(root, inner, found);
    }
}
