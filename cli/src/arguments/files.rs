//! The arguments of the commands about configuration files and about the shell.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

/// `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle export
  mcpjungle export --dir ~/gateway-backup --reveal

Makes servers/ and groups/ in the folder, with a file for each server and group. `mcpjungle apply`,
`register -c` and `create group -c` read them back. Secrets of servers read [redacted], and must be
put in their places first, best as ${VAR}; with --reveal the files hold them in clear, readable by
you only.")]
pub(crate) struct ExportArguments {
    /// Folder to write to; made if it is missing, must be empty
    #[arg(short = 'd', long, value_name = "DIR", default_value = ".mcpjungle")]
    pub(crate) dir: PathBuf,
    /// Write the secrets of servers in clear
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// `apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle apply -f ./gateway --dry-run
  mcpjungle apply -f ./gateway --prune
  mcpjungle apply -f ./calculator.yaml

The files are those of `register -c` and `create group -c`, JSON or YAML, one server or group each,
in any folders below DIR; `mcpjungle export` writes such a folder. All files are checked before
anything changes, and the differences are printed first:
  + server calculator
  ~ server github (url changed)
  - group old-tools")]
pub(crate) struct ApplyArguments {
    /// A file, or a folder that is read with all folders in it
    #[arg(short = 'f', long = "file", value_name = "DIR|FILE")]
    pub(crate) file: PathBuf,
    /// Remove servers and groups that the files do not describe
    #[arg(long)]
    pub(crate) prune: bool,
    /// Only print what would be changed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle validate calculator.json policies.yaml
  mcpjungle validate ./gateway

What a file describes shows in its keys. ${VAR} is filled in from the environment, as `register`
does. No gateway is needed; of a policies file, the components that it names are loaded too.")]
pub(crate) struct ValidateArguments {
    /// Files to check; of a folder, all .json, .yaml and .yml files in it
    #[arg(value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    /// What the files describe [default: as their keys show]
    #[arg(long, value_enum)]
    pub(crate) kind: Option<FileKind>,
}

/// What a file can describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    /// An MCP server, for `register -c`
    Server,
    /// A tool group, for `create group -c`
    Group,
    /// Policies, for `start --policies`
    Policies,
    /// This command's settings, ~/.mcpjungle.conf
    Conf,
}

/// `completion`.
#[derive(Debug, Args)]
#[command(after_help = "\
bash (with the package bash-completion), for good:
  mkdir -p ~/.local/share/bash-completion/completions
  mcpjungle completion bash > ~/.local/share/bash-completion/completions/mcpjungle
or in this shell only:
  source <(mcpjungle completion bash)

zsh, in a folder of your $fpath:
  mkdir -p ~/.zfunc
  mcpjungle completion zsh > ~/.zfunc/_mcpjungle
with these lines in ~/.zshrc, if they are not there yet:
  fpath=(~/.zfunc $fpath)
  autoload -Uz compinit && compinit

fish:
  mkdir -p ~/.config/fish/completions
  mcpjungle completion fish > ~/.config/fish/completions/mcpjungle.fish")]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl CompletionArguments {
    /// The shell, of those that are offered.
    pub(crate) fn shell(&self) -> Shell {
        match self.shell.as_str() {
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            _ => Shell::Bash,
        }
    }
}
