//! The arguments of the commands about who may use a gateway in enterprise mode.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// `init-server`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle --registry http://your-server:8080 init-server
  mcpjungle init-server --bootstrap-token \"$TOKEN\"

Makes the first administrator of a server that was started with --enterprise, and writes the
server's URL and the administrator's token to ~/.mcpjungle.conf. It can be done once.")]
pub(crate) struct InitServerArguments {
    /// What the server's operator set as MCPJUNGLE_BOOTSTRAP_TOKEN there [default:
    /// MCPJUNGLE_BOOTSTRAP_TOKEN, or what is in the file MCPJUNGLE_BOOTSTRAP_TOKEN_FILE]
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) bootstrap_token: Option<String>,
    /// The administrator's token [default: one is generated]
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) access_token: Option<String>,
}

/// `login`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mcpjungle login 1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw

Asks the gateway whose token it is, and writes it to ~/.mcpjungle.conf with the gateway's URL.")]
pub(crate) struct LoginArguments {
    /// Your access token, as an administrator gave it to you
    #[arg(value_name = "ACCESS_TOKEN", allow_hyphen_values = true)]
    pub(crate) access_token: String,
}

/// `create mcp-client`.
#[derive(Debug, Args)]
pub(crate) struct CreateClientArguments {
    /// Name of the client
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Servers that it may use, separated by commas, or single items; `*` stands for any text [default: none]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) allow: Option<String>,
    /// What the client is for
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) description: Option<String>,
    /// The client's token [default: one is generated and printed]
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) access_token: Option<String>,
    /// JSON or YAML file that describes the client; other flags are ignored
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) conf: Option<PathBuf>,
}

/// `create user`.
#[derive(Debug, Args)]
pub(crate) struct CreateUserArguments {
    /// Name of the user
    #[arg(value_name = "USERNAME")]
    pub(crate) name: Option<String>,
    /// The user's token [default: one is generated]
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) access_token: Option<String>,
    /// JSON or YAML file that describes the user; other flags are ignored
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) conf: Option<PathBuf>,
}

/// A token in the place of another.
#[derive(Debug, Args)]
pub(crate) struct RotationArguments {
    /// The new token
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) access_token: Option<String>,
    /// Have the gateway generate the new token, and print it
    #[arg(long, conflicts_with = "access_token")]
    pub(crate) rotate: bool,
    /// How long the old token can still be used, such as 90s, 10m, 2h or 1d [default: no longer]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) grace: Option<Duration>,
}

impl RotationArguments {
    /// Whether there is to be a new token.
    pub(crate) fn is_given(&self) -> bool {
        self.rotate || self.access_token.is_some()
    }
}

/// `update mcp-client`.
#[derive(Debug, Args)]
pub(crate) struct UpdateClientArguments {
    /// Name of the client
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) rotation: RotationArguments,
    /// What it may use instead, separated by commas; nothing if the list is empty
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) allow: Option<String>,
    /// What the client is for
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) description: Option<String>,
}

/// `update user`.
#[derive(Debug, Args)]
pub(crate) struct UpdateUserArguments {
    /// Name of the user
    #[arg(value_name = "USERNAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) rotation: RotationArguments,
    /// What the user may do
    #[arg(long, value_enum)]
    pub(crate) role: Option<UserRole>,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UserRole {
    /// Look, and call tools
    User,
    /// Everything
    Admin,
}

impl UserRole {
    /// The word for it in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// As the gateway has it.
const LONGEST_GRACE_S: u64 = 366 * 24 * 60 * 60;

/// Reads a whole number with its unit.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let rule = "must be a whole number of seconds, minutes, hours or days, such as 90s, 10m, 2h or 1d; at most 366d";
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit_s: u64 = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(rule.to_owned()),
    };
    let seconds = digits.parse().ok().and_then(|number: u64| number.checked_mul(unit_s));
    seconds.filter(|seconds| *seconds <= LONGEST_GRACE_S).map(Duration::from_secs).ok_or_else(|| rule.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        for (text, seconds) in
            [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("366d", 31_622_400), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in
            ["", "10", "m", "1.5h", "-1s", "10 m", "10min", "10M", "367d", "99999999999999999999s", "300000000000000d"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
