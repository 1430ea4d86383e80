//! What is said of arguments that are not as they should be, in the words that users of the command know.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};

/// The hidden argument that takes whatever is one too many, so that it can be counted.
const EXCESS: &str = "excess";

/// Why no command is run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Help was asked for.
    Help(String),
    /// The arguments are wrong: why, and the usage of the command.
    Usage {
        /// One line.
        message: String,
        /// The command's help; empty where it would not help.
        usage: String,
    },
}

/// Lets every command that takes one argument take more, to be refused with their number.
pub(super) fn with_excess(command: Command) -> Command {
    let command = command.mut_subcommands(with_excess);
    let takes_one = |argument: &Arg| argument.get_num_args().is_none_or(|number| number.max_values() <= 1);
    if command.get_positionals().next().is_some_and(takes_one) {
        command.arg(Arg::new(EXCESS).hide(true).num_args(0..))
    } else {
        command
    }
}

/// Refuses arguments that are too many.
pub(super) fn refuse_excess(matches: &ArgMatches, root: &Command, words: &[OsString]) -> Result<(), Interruption> {
    let (mut deepest, mut command) = (matches, Some(root));
    while let Some((name, deeper)) = deepest.subcommand() {
        command = command.and_then(|command| command.find_subcommand(name));
        deepest = deeper;
    }
    let taken = command.map_or(1, |command| command.get_positionals().filter(|one| one.get_id() != EXCESS).count());
    match deepest.try_get_many::<String>(EXCESS) {
        Ok(Some(excess)) => {
            let received = taken + excess.len();
            Err(usage(root, words, format!("accepts {taken} arg(s), received {received}")))
        }
        // Nothing too many, or a command that takes no arguments at all.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Says in one line what clap found wrong, and adds the command's help.
pub(super) fn explain(error: &clap::Error, root: &Command, words: &[OsString]) -> Interruption {
    let shown = first_of(error, ContextKind::InvalidArg).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Interruption::Help(error.to_string());
        }
        // As without any argument: help says what is possible.
        ErrorKind::MissingSubcommand => return Interruption::Help(help_of(root, words)),
        ErrorKind::InvalidSubcommand => {
            let given = first_of(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            // The nearest one comes last.
            let meant = all_of(error, ContextKind::SuggestedSubcommand).pop();
            return unknown_command(&given, meant, root, words);
        }
        ErrorKind::UnknownArgument if !shown.starts_with('-') => return unknown_command(&shown, None, root, words),
        ErrorKind::UnknownArgument if shown.starts_with("--") => format!("unknown flag: {shown}"),
        ErrorKind::UnknownArgument => {
            let letter = shown.trim_start_matches('-');
            format!("unknown shorthand flag: '{letter}' in {shown}")
        }
        ErrorKind::MissingRequiredArgument if names_what_is_missing(root, words) => {
            let missing = all_of(error, ContextKind::InvalidArg);
            let noun = if missing.len() == 1 { "argument" } else { "arguments" };
            format!("missing {noun}: {}", missing.join(", "))
        }
        ErrorKind::MissingRequiredArgument if shown.starts_with('<') && shown.ends_with("...") => {
            "requires at least 1 arg(s), only received 0".to_owned()
        }
        ErrorKind::MissingRequiredArgument if shown.starts_with('<') => "accepts 1 arg(s), received 0".to_owned(),
        ErrorKind::MissingRequiredArgument => {
            format!("required flag(s) \"{}\" not set", flag_name(&shown))
        }
        ErrorKind::InvalidValue if first_of(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) => {
            format!("flag needs an argument: --{}", flag_name(&shown))
        }
        _ => first_line(error),
    };
    usage(root, words, message)
}

fn usage(root: &Command, words: &[OsString], message: String) -> Interruption {
    Interruption::Usage { message, usage: help_of(root, words) }
}

fn unknown_command(given: &str, meant: Option<String>, root: &Command, words: &[OsString]) -> Interruption {
    let path = command_path(root, words, given);
    let suggestion = meant.map(|name| format!("Did you mean \"{name}\"?\n")).unwrap_or_default();
    let message = format!("unknown command \"{given}\" for \"{path}\"\n{suggestion}Run '{path} --help' for usage.");
    Interruption::Usage { message, usage: String::new() }
}

/// Whether a command says which of its arguments is missing. Others say how many they take: scripts know
/// their words.
fn names_what_is_missing(root: &Command, words: &[OsString]) -> bool {
    walk(root, words).first().is_some_and(|command| command.get_name() == "plugin")
}

/// `--conf <FILE>` is called `conf`.
fn flag_name(shown: &str) -> &str {
    let name = shown.split([' ', '=']).next().unwrap_or_default();
    name.trim_start_matches('-')
}

/// The first text that clap attached under this heading.
fn first_of(error: &clap::Error, kind: ContextKind) -> Option<String> {
    all_of(error, kind).into_iter().next()
}

/// The texts that clap attached under this heading.
fn all_of(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The command that the words before an unknown one lead to, such as `mcpjungle list tools`.
fn command_path(root: &Command, words: &[OsString], unknown: &str) -> String {
    let mut path = vec![root.get_name()];
    let is_unknown = |at: &Command, word: &OsString| word == unknown && at.find_subcommand(unknown).is_none();
    path.extend(walk_until(root, words, is_unknown).iter().map(|command| command.get_name()));
    path.join(" ")
}

fn help_of(root: &Command, words: &[OsString]) -> String {
    // Only a clone can be built and rendered; the walk below the root finds the names.
    let mut built = root.clone();
    built.build();
    let mut command = &mut built;
    for name in walk(root, words).iter().map(|command| command.get_name()) {
        command = command.find_subcommand_mut(name).expect("the walk only finds names that exist");
    }
    command.render_help().to_string()
}

/// The commands below the root that the words name, outermost first.
fn walk<'a>(root: &'a Command, words: &[OsString]) -> Vec<&'a Command> {
    walk_until(root, words, |_, _| false)
}

/// The same, up to a word that ends the walk at the command where it stands.
fn walk_until<'a>(
    root: &'a Command,
    words: &[OsString],
    ends: impl Fn(&Command, &OsString) -> bool,
) -> Vec<&'a Command> {
    let mut found: Vec<&Command> = Vec::new();
    for word in words.iter().skip(1) {
        let at = found.last().copied().unwrap_or(root);
        if !at.has_subcommands() || ends(at, word) {
            break;
        }
        found.extend(word.to_str().and_then(|word| at.find_subcommand(word)));
    }
    found
}
