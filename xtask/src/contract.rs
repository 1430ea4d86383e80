//! The reference of the policy contract for people, made of the contract itself.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use wit_parser::{Function, Interface, Resolve, Type, TypeDef, TypeDefKind, World, WorldItem};

use crate::test::workspace;

const CONTRACT: &str = "wit/v0.1";
const REFERENCE: &str = "docs/plugins/contract.md";
/// In the order of a call's walk, and then what components may ask for.
const ORDER: [&str; 15] = [
    "types",
    "configuration",
    "authenticator",
    "tool-filter",
    "authorizer",
    "guard",
    "header-injector",
    "observer",
    "log",
    "clock",
    "settings",
    "directory",
    "key-value",
    "outbound-http",
    "secrets",
];

/// Arguments of `cargo xtask contract`.
#[derive(clap::Args)]
pub(crate) struct Contract {
    /// Change nothing; fail if the page is not what the contract gives.
    #[arg(long)]
    check: bool,
}

impl Contract {
    /// Writes the page, or checks it.
    pub(crate) fn run(self) -> Result<()> {
        let workspace = workspace();
        let (page, path) = (render(&workspace)?, workspace.join(REFERENCE));
        if !self.check {
            return fs::write(&path, page).with_context(|| format!("cannot write {REFERENCE}"));
        }
        let committed = fs::read_to_string(&path).with_context(|| format!("cannot read {REFERENCE}"))?;
        ensure!(committed == page, "{REFERENCE} is not what {CONTRACT} gives: run `cargo xtask contract`");
        Ok(())
    }
}

fn render(workspace: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(workspace.join(CONTRACT))?;
    let package = &resolve.packages[package];
    let mut page = format!(
        "# The policy contract\n\n\
         Package `{}`. This page is made of the files in [`{CONTRACT}`](../../{CONTRACT}) by `cargo xtask contract`; \
         they are what counts.\n\n{}\n\n",
        package.name,
        package.docs.contents.as_deref().unwrap_or_default().trim()
    );
    ensure!(package.interfaces.len() == ORDER.len(), "an interface of {CONTRACT} is not in the order of {REFERENCE}");
    page.push_str("## Interfaces\n\n| interface | what it is for |\n|---|---|\n");
    let mut interfaces = Vec::with_capacity(ORDER.len());
    for name in ORDER {
        let id = package.interfaces.get(name).with_context(|| format!("{CONTRACT} has no interface `{name}`"))?;
        let interface = &resolve.interfaces[*id];
        let docs = sentence(interface.docs.contents.as_deref());
        writeln!(page, "| [`{name}`](#{name}) | {docs} |")?;
        interfaces.push((name, interface));
    }
    page.push_str("\n## Worlds\n\nA component is built against one of these, or against several put together.\n\n");
    page.push_str("| world | imports | exports | what for |\n|---|---|---|---|\n");
    for id in package.worlds.values() {
        render_world(&resolve, &resolve.worlds[*id], &mut page)?;
    }
    for (name, interface) in interfaces {
        render_interface(&resolve, name, interface, &mut page)?;
    }
    Ok(page)
}

fn render_world(resolve: &Resolve, world: &World, page: &mut String) -> Result<()> {
    let names = |items: Vec<&WorldItem>| -> String {
        let name = |item: &&WorldItem| match item {
            WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.as_ref().map(|name| format!("`{name}`")),
            WorldItem::Function(_) | WorldItem::Type { .. } => None,
        };
        items.iter().filter_map(name).filter(|name| name != "`types`").collect::<Vec<_>>().join(", ")
    };
    let docs = sentence(world.docs.contents.as_deref());
    let (imports, exports) = (names(world.imports.values().collect()), names(world.exports.values().collect()));
    writeln!(page, "| `{}` | {imports} | {exports} | {docs} |", world.name)?;
    Ok(())
}

fn render_interface(resolve: &Resolve, name: &str, interface: &Interface, page: &mut String) -> Result<()> {
    write!(page, "\n## {name}\n\n{}\n", paragraph(interface.docs.contents.as_deref()))?;
    for function in interface.functions.values() {
        render_function(resolve, function, page)?;
    }
    for (name, id) in &interface.types {
        let definition = &resolve.types[*id];
        // A word of another interface is explained there.
        if !matches!(definition.kind, TypeDefKind::Type(_)) {
            render_type(resolve, name, definition, page)?;
        }
    }
    Ok(())
}

fn render_function(resolve: &Resolve, function: &Function, page: &mut String) -> Result<()> {
    let parameter =
        |parameter: &wit_parser::Param| format!("{}: {}", parameter.name, type_name(resolve, &parameter.ty));
    let parameters: Vec<_> = function.params.iter().map(parameter).collect();
    let result = function.result.map(|result| format!(" -> {}", type_name(resolve, &result))).unwrap_or_default();
    let docs = paragraph(function.docs.contents.as_deref());
    write!(page, "\n### {0}\n\n```wit\n{0}: func({1}){result}\n```\n\n{docs}\n", function.name, parameters.join(", "))?;
    Ok(())
}

fn render_type(resolve: &Resolve, name: &str, definition: &TypeDef, page: &mut String) -> Result<()> {
    let (kind, rows) = rows_of(resolve, definition);
    write!(page, "\n### {kind} {name}\n\n{}\n", paragraph(definition.docs.contents.as_deref()))?;
    if !rows.is_empty() {
        page.push_str("\n| | | |\n|---|---|---|\n");
    }
    for (name, of, docs) in rows {
        let of = of.map(|of| format!("`{of}`")).unwrap_or_default();
        writeln!(page, "| `{name}` | {of} | {} |", docs.trim().replace('\n', " ").replace('|', "\\|"))?;
    }
    Ok(())
}

/// A member of a type: its name, its own type, what it means.
type Row<'a> = (&'a str, Option<String>, &'a str);

fn rows_of<'a>(resolve: &Resolve, definition: &'a TypeDef) -> (&'static str, Vec<Row<'a>>) {
    match &definition.kind {
        TypeDefKind::Record(record) => {
            let row = |field: &'a wit_parser::Field| {
                (field.name.as_str(), Some(type_name(resolve, &field.ty)), text(&field.docs))
            };
            ("record", record.fields.iter().map(row).collect())
        }
        TypeDefKind::Variant(variant) => {
            let row = |case: &'a wit_parser::Case| {
                (case.name.as_str(), case.ty.map(|of| type_name(resolve, &of)), text(&case.docs))
            };
            ("variant", variant.cases.iter().map(row).collect())
        }
        TypeDefKind::Enum(cases) => {
            ("enum", cases.cases.iter().map(|case| (case.name.as_str(), None, text(&case.docs))).collect())
        }
        TypeDefKind::Flags(flags) => {
            ("flags", flags.flags.iter().map(|flag| (flag.name.as_str(), None, text(&flag.docs))).collect())
        }
        _ => ("type", Vec::new()),
    }
}

fn text(docs: &wit_parser::Docs) -> &str {
    docs.contents.as_deref().unwrap_or_default()
}

fn type_name(resolve: &Resolve, of: &Type) -> String {
    let Type::Id(id) = of else {
        return match of {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::Id(_) => unreachable!("handled above"),
        }
        .to_owned();
    };
    let definition = &resolve.types[*id];
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let part = |part: &Option<Type>| part.map_or("_".to_owned(), |part| type_name(resolve, &part));
    match &definition.kind {
        TypeDefKind::Option(inner) => format!("option<{}>", type_name(resolve, inner)),
        TypeDefKind::List(inner) => format!("list<{}>", type_name(resolve, inner)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", part(&result.ok), part(&result.err)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(|of| type_name(resolve, of)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// As it stands, without the ends of lines.
fn paragraph(docs: Option<&str>) -> String {
    docs.unwrap_or_default().trim().to_owned()
}

/// Its first sentence, for a row of a table.
fn sentence(docs: Option<&str>) -> String {
    let text = paragraph(docs).replace('\n', " ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_contract_gives() {
        Contract { check: true }.run().unwrap();
    }
}
