//! The gateway's log, on standard error.

use anyhow::anyhow;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// What is logged if nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Reads the filter and logs from now on.
pub(super) fn start(filter: Option<&str>, is_terminal: bool) -> anyhow::Result<()> {
    let filter = parse(filter.unwrap_or(DEFAULT_FILTER))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .try_init()
        .map_err(|error| anyhow!("failed to start logging: {error}"))
}

fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    let invalid = || {
        anyhow!(
            "invalid log filter '{filter}' in MCPJUNGLE_LOG or RUST_LOG: \
             write it like `info` or `warn,mcpjungle_host=debug`"
        )
    };
    // To the parser a lone word is a module's name, and a mistyped level would silence all others.
    let is_known = |word: &str| word.contains(['=', ':', '[']) || word.parse::<LevelFilter>().is_ok();
    if !filter.split(',').map(str::trim).filter(|word| !word.is_empty()).all(is_known) {
        return Err(invalid());
    }
    // The parser's own words say the same twice and name no part of the filter.
    EnvFilter::builder().parse(filter).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error_that_shows_it() {
        for good in ["info", "warn,mcpjungle_host=debug", "mcpjungle_host::upstream=trace"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        assert!(parse("loud").is_err() && parse("inof,sqlx=warn").is_err());
        let message = parse("mcpjungle=loud").unwrap_err().to_string();
        assert_eq!(
            message,
            "invalid log filter 'mcpjungle=loud' in MCPJUNGLE_LOG or RUST_LOG: write it like `info` or `warn,mcpjungle_host=debug`"
        );
    }
}
