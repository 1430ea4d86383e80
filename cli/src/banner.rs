//! What the program says of itself: its name in large letters, and its version.

/// The name in large letters, without a line break at the end.
pub(crate) const BANNER: &str = r"
  _ __ ___   ___ _ __    _ _   _ _ __   __ _| | ___
 | '_ ` _ \ / __| '_ \  (_) | | | '_ \ / _` | |/ _ \
 | | | | | | (__| |_) | | | |_| | | | | (_| | |  __/
 |_| |_| |_|\___| .__/ _/ |\__,_|_| |_|\__, |_|\___|
      ~^~ ~^~   |_|   |__/  ~^~  ~^~   |___/  ~^~";

/// The version as it is shown, such as `v0.1.0`.
pub(crate) fn version() -> &'static str {
    concat!("v", env!("CARGO_PKG_VERSION"))
}
