//! The files of a project, and what to do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::str;

use anyhow::Context;
use clap::ValueEnum;

use crate::arguments::{Language, NewPluginArguments, PolicyStage, UsedCapability};
use crate::commands::plugin::new::files::{
    CONTRACT, CONTRACT_OF_SDK, SDK_LICENSE, SDK_MANIFEST, SDK_SOURCES, TEMPLATES, below,
};
use crate::commands::plugin::new::template::Rendering;

/// A project that is to be written.
pub(super) struct Project {
    name: String,
    language: Language,
    /// Each once, in the order of the pipeline.
    stages: BTreeSet<PolicyStage>,
    uses: BTreeSet<UsedCapability>,
}

impl Project {
    pub(super) fn new(name: &str, arguments: &NewPluginArguments) -> Self {
        Self {
            name: name.to_owned(),
            language: arguments.lang,
            stages: arguments.stage.iter().copied().collect(),
            uses: arguments.uses.iter().copied().collect(),
        }
    }

    /// Where a build puts the component, from the project's folder.
    pub(super) fn component(&self) -> String {
        match self.language {
            Language::Rust => format!("target/wasm32-wasip2/release/{}.wasm", self.name.replace('-', "_")),
            Language::JavaScript | Language::Python => format!("{}.wasm", self.name),
        }
    }

    /// What to type next, in the project's folder.
    pub(super) fn steps(&self) -> Vec<String> {
        let build: &[&str] = match self.language {
            Language::Rust => &["cargo test", "cargo build --release --target wasm32-wasip2"],
            Language::JavaScript => &["npm install", "npm test", "npm run build"],
            Language::Python => {
                &["python3 -m venv .venv && .venv/bin/pip install -r requirements.txt", "make test", "make build"]
            }
        };
        let component = self.component();
        let mut steps: Vec<String> = build.iter().map(|&step| step.to_owned()).collect();
        steps.push(format!("mcpjungle plugin check {component}{}", self.bounds()));
        steps.push(format!("mcpjungle plugin test {component} --cases cases.yaml"));
        steps.push(format!("mcpjungle plugin add {} {component}{}", self.name, self.flags()));
        steps
    }

    /// All files by path.
    pub(super) fn files(&self) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let rendering = self.rendering();
        let mut files = BTreeMap::new();
        for (path, template) in self.templates()? {
            let template = str::from_utf8(template).with_context(|| format!("the template {path} is not a text"))?;
            let text = rendering.render(template).with_context(|| format!("the template {path} is not right"))?;
            files.insert(path, text.into_bytes());
        }
        let contract = match self.language {
            // Not at the top: `cargo component` would take it for what the project itself wants bindings of.
            Language::Rust => "vendor/mcpjungle-policy/wit/v0.1",
            Language::JavaScript | Language::Python => "wit/deps/mcpjungle-policy",
        };
        files.extend(below(&CONTRACT).into_iter().map(|(path, text)| (format!("{contract}/{path}"), text.to_vec())));
        if self.language == Language::Rust {
            let vendored = |path: &str| format!("vendor/mcpjungle-policy/{path}");
            files.insert(vendored("Cargo.toml"), SDK_MANIFEST.into());
            files.insert(vendored("LICENSE"), SDK_LICENSE.into());
            let sources = below(&SDK_SOURCES).into_iter();
            files.extend(sources.map(|(path, text)| (vendored(&format!("src/{path}")), text.to_vec())));
            let bindings = files.get_mut(&vendored("src/bindings.rs")).context("the SDK has no bindings")?;
            *bindings = str::from_utf8(bindings)?.replace(CONTRACT_OF_SDK, "wit/v0.1").into_bytes();
        }
        Ok(files)
    }

    /// The templates of this project, each with the path that it is written to.
    fn templates(&self) -> anyhow::Result<Vec<(String, &'static [u8])>> {
        let folder = TEMPLATES.get_dir(self.language_word()).context("this binary was built without its templates")?;
        let shared = TEMPLATES.files().map(|file| (file.path().to_string_lossy().into_owned(), file.contents()));
        let renamed = |(path, text): (String, &'static [u8])| match path.as_str() {
            // Under its own name it would hide files of the templates from Git.
            "gitignore" => Some((".gitignore".to_owned(), text)),
            "world.wit" if self.language == Language::Rust => None,
            "world.wit" => Some((format!("wit/{path}"), text)),
            _ => self.is_wanted(&path).then_some((path, text)),
        };
        Ok(below(folder).into_iter().chain(shared).filter_map(renamed).collect())
    }

    /// Whether a file belongs to a stage that was asked for, or to none.
    fn is_wanted(&self, path: &str) -> bool {
        let Some(module) = path.strip_prefix("src/").and_then(|file| file.strip_suffix(".rs")) else { return true };
        match PolicyStage::from_str(&module.replace('_', "-"), false) {
            Ok(stage) => self.stages.contains(&stage),
            Err(_) => module != "host_calls" || !self.uses.is_empty(),
        }
    }

    fn rendering(&self) -> Rendering {
        let stages: Vec<&str> = self.stages.iter().map(|&stage| stage_word(stage)).collect();
        let words = stages.iter().copied().chain(self.uses.iter().map(|&uses| capability_word(uses)));
        let listed = |words: &[&str]| words.join(", ");
        let idents: Vec<String> = stages.iter().map(|stage| stage.replace('-', "_")).collect();
        let has = |stage| self.stages.contains(&stage);
        let (authenticator, guard) = (has(PolicyStage::Authenticator), has(PolicyStage::Guard));
        let needs_types = authenticator || guard || has(PolicyStage::Authorizer) || has(PolicyStage::ToolFilter);
        let chosen = |of: &[(&'static str, bool)]| {
            let chosen: Vec<&str> = of.iter().filter(|(_, is_chosen)| *is_chosen).map(|(word, _)| *word).collect();
            chosen.join(", ")
        };
        let exports =
            [("authenticator", authenticator), ("guard", guard), ("header_injector", has(PolicyStage::HeaderInjector))];
        let imports = [
            ("directory", authenticator),
            ("log", has(PolicyStage::Observer)),
            ("settings", true),
            ("types", needs_types),
        ];
        Rendering {
            words: words.chain([self.language_word()]).collect(),
            values: BTreeMap::from([
                ("name", self.name.clone()),
                ("type", type_name(&self.name)),
                ("component", self.component()),
                ("bounds", self.bounds().to_owned()),
                ("flags", self.flags()),
                ("grants", self.quoted_grants()),
                ("summary", self.summary()),
                ("stages", listed(&stages)),
                ("stage_idents", idents.join(", ")),
                ("python_exports", chosen(&exports)),
                ("python_imports", chosen(&imports)),
            ]),
        }
    }

    /// One sentence that says what the project as it is written decides.
    fn summary(&self) -> String {
        let parts: Vec<&str> = self.stages.iter().map(|&stage| does(stage)).collect();
        let sentence = parts.join(", ");
        let mut characters = sentence.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(characters).chain(['.']).collect()
    }

    /// What `plugin check` and `plugin add` are told besides; the cases say the same.
    fn bounds(&self) -> &'static str {
        // An interpreter takes more room than a policy of its own, and Python more time to start.
        match self.language {
            Language::Rust => "",
            Language::JavaScript => " --memory 32",
            Language::Python => " --memory 128 --deadline 1000",
        }
    }

    /// What `plugin add` is told besides.
    fn flags(&self) -> String {
        let mut flags = self.bounds().to_owned();
        // In Rust a component imports only what it uses, and the project begins with using nothing.
        if self.language != Language::Rust {
            flags.extend(self.grants().map(|grant| format!(" --grant {grant}")));
        }
        flags
    }

    /// What an administrator has to grant once the project uses what it was made for.
    fn grants(&self) -> impl Iterator<Item = &'static str> {
        self.uses.iter().map(|uses| match uses {
            UsedCapability::Kv => "kv",
            UsedCapability::Http => "http:rules.example.com",
            UsedCapability::Secrets => "secret:SIGNING_KEY",
        })
    }

    /// The same as elements of a list in YAML, where a colon needs quotes.
    fn quoted_grants(&self) -> String {
        let quoted = |grant: &str| if grant.contains(':') { format!("\"{grant}\"") } else { grant.to_owned() };
        self.grants().map(quoted).collect::<Vec<_>>().join(", ")
    }

    fn language_word(&self) -> &'static str {
        match self.language {
            Language::Rust => "rust",
            Language::JavaScript => "javascript",
            Language::Python => "python",
        }
    }
}

fn stage_word(stage: PolicyStage) -> &'static str {
    match stage {
        PolicyStage::Authenticator => "authenticator",
        PolicyStage::ToolFilter => "tool-filter",
        PolicyStage::Authorizer => "authorizer",
        PolicyStage::Guard => "guard",
        PolicyStage::HeaderInjector => "header-injector",
        PolicyStage::Observer => "observer",
    }
}

fn capability_word(capability: UsedCapability) -> &'static str {
    match capability {
        UsedCapability::Kv => "kv",
        UsedCapability::Http => "http",
        UsedCapability::Secrets => "secrets",
    }
}

/// What the template of a stage does.
fn does(stage: PolicyStage) -> &'static str {
    match stage {
        PolicyStage::Authenticator => "lets clients in by a token in a header",
        PolicyStage::ToolFilter => "leaves items out of tool groups by name",
        PolicyStage::Authorizer => "denies items by name",
        PolicyStage::Guard => "refuses arguments that contain a forbidden text",
        PolicyStage::HeaderInjector => "tells upstream servers who asks",
        PolicyStage::Observer => "logs what was refused",
    }
}

/// The name of the policy's struct: `DenyListPolicy` of `deny-list`. The last word keeps it from being
/// another type's name.
fn type_name(name: &str) -> String {
    let capitalised = |word: &str| {
        let mut characters = word.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(characters).collect::<String>()
    };
    name.split('-').map(capitalised).chain(["Policy".to_owned()]).collect()
}
