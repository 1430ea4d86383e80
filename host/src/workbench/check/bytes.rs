//! What the bytes of a file are, where they are no component.

use crate::plugin::LARGEST_COMPONENT;
use crate::workbench::check::Problem;

const MAGIC: &[u8] = b"\0asm";
/// The version of a core module, and of a component.
const MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
/// Of a file that is text, so much is looked at.
const LOOKED_AT: usize = 512;

/// Why they are no component; `None` where they begin as one.
pub(super) fn find_problem(bytes: &[u8]) -> Option<Problem> {
    let problem = |message: &str, fix: &str| Some(Problem::new("file", message, fix));
    if bytes.is_empty() {
        return problem("the file is empty", "build the component again, and look whether the build succeeded");
    }
    if bytes.len() > LARGEST_COMPONENT {
        let mib = bytes.len() >> 20;
        return problem(
            &format!("the file has {mib} MiB, more than the {} MiB of the largest component", LARGEST_COMPONENT >> 20),
            "build it optimised and without debug information (for Rust: `--release`, and `strip = true` in the profile)",
        );
    }
    if bytes.starts_with(MAGIC) {
        return match &bytes[MAGIC.len()..] {
            rest if rest.starts_with(COMPONENT) => None,
            rest if rest.starts_with(MODULE) => problem(
                "this is a core module, not a component",
                "build for the target wasm32-wasip2, or make a component of it with `wasm-tools component new`",
            ),
            rest if rest.len() < COMPONENT.len() => Some(truncated("its header is not complete")),
            _ => problem(
                "this is WebAssembly of a version that nobody speaks",
                "build it anew with current tools; components have the version 0d 00 01 00 in their header",
            ),
        };
    }
    if MAGIC.starts_with(bytes) {
        return Some(truncated("its header is not complete"));
    }
    let known: [(&[u8], &str, &str); 6] = [
        (b"\x7fELF", "this is a native program or compiled code, not WebAssembly", "give the .wasm file"),
        (b"\x1f\x8b", "this is compressed with gzip", "unpack it first: `gunzip`"),
        (b"PK", "this is a zip archive", "unpack it first: `unzip`"),
        (b"version https://git-lfs", "this is a pointer to a file in Git LFS", "fetch the file: `git lfs pull`"),
        (b"<", "this is HTML or XML, as of a download that failed", "download it again, and look at the address"),
        (b"(", "this is WebAssembly as text", "make a binary of it: `wasm-tools parse FILE -o component.wasm`"),
    ];
    let start = bytes.trim_ascii_start();
    if let Some((_, message, fix)) = known.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return problem(message, fix);
    }
    let looked_at = &bytes[..bytes.len().min(LOOKED_AT)];
    let is_text = looked_at.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    if is_text {
        problem("this is text, not WebAssembly", "give the .wasm file that is built from it")
    } else {
        problem("this is not WebAssembly", "give the .wasm file of a component")
    }
}

/// What to say of a file that ends too early.
pub(super) fn truncated(detail: &str) -> Problem {
    let message = format!("the file is cut off: {detail}");
    Problem::new("file", &message, "copy or download it again, whole, or build it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_called_by_its_name() {
        for (bytes, message) in [
            (&b""[..], "empty"),
            (b"\0as", "cut off"),
            (b"\0asm\x01", "cut off"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm\x07\0\0\0", "of a version that nobody speaks"),
            (b"\x7fELF\x02", "native program"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"PK\x03\x04", "zip"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"\n<!DOCTYPE html>", "HTML"),
            (b"  (component)", "as text"),
            (b"fn main() {}\n", "this is text"),
            (b"\xfe\x00\x01", "not WebAssembly"),
        ] {
            let problem = find_problem(bytes).unwrap();
            assert!(problem.message.contains(message), "{bytes:?}: {}", problem.message);
        }
        assert!(find_problem(b"\0asm\x0d\0\x01\0").is_none());
        assert!(find_problem(&vec![0; LARGEST_COMPONENT + 1]).unwrap().message.contains("more than the 64 MiB"));
    }
}
