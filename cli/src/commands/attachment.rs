//! Files for what cannot be printed: images, audio and other bytes in an answer.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Padding or none: servers differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Saves base64 data as `<stem>_<nanoseconds><extension>` and returns the file's name. Never overwrites a file.
pub(super) fn save(data: &str, stem: &str, extension: &str, directory: &Path) -> anyhow::Result<String> {
    let bytes = BASE64.decode(data).context("the data is not valid base64")?;
    let mut stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    loop {
        let name = format!("{stem}_{stamp}{extension}");
        match OpenOptions::new().write(true).create_new(true).open(directory.join(&name)) {
            Ok(mut file) => {
                file.write_all(&bytes).with_context(|| format!("failed to write {name}"))?;
                return Ok(name);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => stamp += 1,
            Err(error) => return Err(error).with_context(|| format!("failed to create {name}")),
        }
    }
}

/// The extension for an image of this MIME type.
pub(super) fn image_extension(mime_type: &str) -> &'static str {
    match mime_type {
        "image/png" => ".png",
        "image/jpeg" | "image/jpg" => ".jpg",
        "image/gif" => ".gif",
        _ => ".img",
    }
}

/// The extension for audio of this MIME type.
pub(super) fn audio_extension(mime_type: &str) -> &'static str {
    match mime_type {
        "audio/mpeg" | "audio/mp3" => ".mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" => ".wav",
        "audio/ogg" => ".ogg",
        _ => ".audio",
    }
}

/// The extension at the end of a resource's URI, if it is one that a file may safely have.
pub(super) fn uri_extension(uri: &str) -> String {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty() && (1..=8).contains(&extension.len()) && is_alphanumeric(extension) =>
        {
            format!(".{extension}")
        }
        _ => ".bin".to_owned(),
    }
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_keeps_an_extension_that_is_one() {
        for (uri, extension) in [
            ("file:///a/b.tar.gz?x=/c.d", ".gz"),
            ("file:///a/.hidden", ".bin"),
            ("file:///a.b/c", ".bin"),
            ("data:x.y z", ".bin"),
            ("x.averylongextension", ".bin"),
            ("", ".bin"),
        ] {
            assert_eq!(uri_extension(uri), extension, "{uri}");
        }
    }

    #[test]
    fn two_attachments_never_share_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..20).map(|_| save("aGk", "image", ".png", directory.path()).unwrap()).collect();
        for name in &names {
            assert_eq!(std::fs::read(directory.path().join(name)).unwrap(), b"hi");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), names.len());
    }
}
