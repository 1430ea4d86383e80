//! Makes components that misbehave out of a few lines of WebAssembly text.
//!
//! [`Hostile`] is an authorizer: it allows items unless their name begins with `x`; for
//! those it does what the test wants. [`Other`] is of any stage, and written out.

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a hostile authorizer is made of.
#[derive(Default)]
pub struct Hostile<'a> {
    /// Further worlds of the contract that it is built against.
    pub worlds: &'a [&'a str],
    /// Imports of the core module, and anything else of its top level.
    pub top_level: &'a str,
    /// With which letter the names begin that make it misbehave; `x` if it is not said.
    pub trigger: Option<char>,
    /// What `authorize` does when the item's name begins so; leaves the address of a decision.
    pub authorize: &'a str,
    /// What `authorize-items` does; leaves the address of a listing. Empty: answers nothing about any item.
    pub authorize_items: &'a str,
}

impl Hostile<'_> {
    /// Writes the component into `folder`.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name).with_extension("wasm");
        std::fs::write(&path, self.build()).unwrap();
        path
    }

    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let worlds: Vec<_> = ["authorization"].iter().chain(self.worlds).copied().collect();
        encode(&self.text(), &worlds)
    }

    /// Questions are written from address 4096 on, so answers may lie below it; memory
    /// starts as zeroes, and address 16 stays so: an `allow`, and an empty listing.
    fn text(&self) -> String {
        let Self { top_level, authorize, authorize_items, .. } = self;
        let trigger = u32::from(self.trigger.unwrap_or('x'));
        let authorize = if authorize.is_empty() { "i32.const 16" } else { authorize };
        let authorize_items = if authorize_items.is_empty() { "i32.const 16" } else { authorize_items };
        // The name of the item is the eighteenth word of what `authorize` is asked.
        format!(
            r#"(module
                {top_level}
                (memory (export "memory") 2)
                (global $next (mut i32) (i32.const 4096))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $next)
                    (global.set $next (i32.and
                        (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7))
                        (i32.const -8))))
                (func (export "mcpjungle:policy/authorizer@0.1.0#authorize") (param i32) (result i32)
                    (global.set $next (i32.const 4096))
                    (if (i32.eq (i32.load8_u (i32.load offset=68 (local.get 0))) (i32.const {trigger}))
                        (then (return {authorize})))
                    (i32.const 16))
                (func (export "mcpjungle:policy/authorizer@0.1.0#authorize-items")
                    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                    (global.set $next (i32.const 4096))
                    {authorize_items}))"#
        )
    }
}

/// A component of any stages. Its memory has four pages, of which the first 4 KiB are its own.
pub struct Other<'a> {
    /// Worlds of the contract that it is built against.
    pub worlds: &'a [&'a str],
    /// Its functions and data.
    pub body: &'a str,
}

impl Other<'_> {
    /// Writes the component into `folder`.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name).with_extension("wasm");
        let text = format!(
            r#"(module
                (memory (export "memory") 4)
                (global $next (mut i32) (i32.const 4096))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $next)
                    (global.set $next (i32.and
                        (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7))
                        (i32.const -8))))
                {})"#,
            self.body
        );
        std::fs::write(&path, encode(&text, self.worlds)).unwrap();
        path
    }
}

fn encode(text: &str, worlds: &[&str]) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v0.1")).unwrap();
    let includes: String = worlds.iter().map(|world| format!("include mcpjungle:policy/{world}@0.1.0; ")).collect();
    let package = resolve.push_str("hostile.wit", &format!("package test:hostile; world all {{ {includes} }}"));
    let world = resolve.select_world(&[package.unwrap()], Some("all")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}
