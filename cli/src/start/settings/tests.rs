//! Each setting, from nothing, from the environment and from flags, and each wrong value.

use std::path::Path;

use super::*;

fn resolve(arguments: StartArguments, variables: &[(&str, &str)]) -> Result<StartSettings, String> {
    let directory = tempfile::tempdir().unwrap();
    let environment = Environment {
        home_directory: Some(PathBuf::from("/home/ada")),
        program: PathBuf::from("/opt/mcpjungle"),
        ..Environment::of(variables, directory.path())
    };
    StartSettings::resolve(&arguments, &environment).map_err(|error| format!("{error:#}"))
}

fn with(variables: &[(&str, &str)]) -> Result<StartSettings, String> {
    resolve(StartArguments::default(), variables)
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.mode, Mode::Development);
    assert_eq!((settings.host.as_str(), settings.host_is_default, settings.port), ("127.0.0.1", true, 8080));
    assert_eq!(settings.upstream.init_timeout, Duration::from_secs(30));
    assert_eq!(settings.upstream.session_idle_timeout, None);
    assert_eq!(settings.upstream.supervisor, (PathBuf::from("/opt/mcpjungle"), vec!["supervise".to_owned()]));
    assert!(settings.upstream.proxies.http.is_none() && settings.upstream.proxies.https.is_none());
    assert_eq!(settings.plugin_cache.as_deref(), Some(Path::new("/home/ada/.cache/mcpjungle")));
    assert!(settings.secret_key.is_none() && settings.policies == PolicySource::Store && settings.log_filter.is_none());
    assert!(settings.allowed_hosts.is_empty() && settings.allowed_origins.is_empty() && settings.warnings.is_empty());
}

#[test]
fn the_port_comes_from_the_flag_then_the_environment() {
    let flag = |port: &str| StartArguments { port: Some(port.to_owned()), ..StartArguments::default() };
    assert_eq!(resolve(flag("9000"), &[("PORT", "1")]).unwrap().port, 9000);
    assert_eq!(with(&[("PORT", "81")]).unwrap().port, 81);
    assert_eq!(with(&[("PORT", "")]).unwrap().port, 8080);
    for bad in ["http", "65536", "-1", ""] {
        let message = resolve(flag(bad), &[]).unwrap_err();
        assert_eq!(message, format!("invalid port '{bad}': must be a number from 0 to 65535"));
    }
}

#[test]
fn a_chosen_host_is_not_the_default_one() {
    let arguments = StartArguments { host: Some("0.0.0.0".to_owned()), ..StartArguments::default() };
    let settings = resolve(arguments, &[]).unwrap();
    assert_eq!((settings.host.as_str(), settings.host_is_default), ("0.0.0.0", false));
}

#[test]
fn the_mode_comes_from_the_flag_then_the_environment() {
    let flag = StartArguments { enterprise: true, ..StartArguments::default() };
    let old_flag = StartArguments { prod: true, ..StartArguments::default() };
    let old_flag_warning = "Warning: --prod flag is deprecated, please use --enterprise flag instead";
    let old_word_warning = "Warning: 'production' in SERVER_MODE is deprecated, please use 'enterprise' instead";
    for (arguments, variable, mode, warnings) in [
        (StartArguments::default(), "DEVELOPMENT", Mode::Development, &[][..]),
        (StartArguments::default(), "Enterprise", Mode::Enterprise, &[]),
        (StartArguments::default(), "production", Mode::Enterprise, &[old_word_warning]),
        (flag, "development", Mode::Enterprise, &[]),
        (old_flag, "", Mode::Enterprise, &[old_flag_warning]),
    ] {
        let settings = resolve(arguments, &[("SERVER_MODE", variable)]).unwrap();
        assert_eq!(settings.mode, mode, "{variable}");
        assert_eq!(settings.warnings, warnings, "{variable}");
    }
    assert_eq!(
        with(&[("SERVER_MODE", "test")]).unwrap_err(),
        "invalid value for SERVER_MODE environment variable: 'test', valid values are 'development' and 'enterprise'"
    );
}

#[test]
fn enterprise_mode_is_there_to_be_reached_and_counts() {
    let enterprise = |variables: &[(&str, &str)]| {
        resolve(StartArguments { enterprise: true, ..StartArguments::default() }, variables).unwrap()
    };
    let settings = enterprise(&[("MCPJUNGLE_BOOTSTRAP_TOKEN", "install-me")]);
    assert_eq!((settings.host.as_str(), settings.host_is_default), ("0.0.0.0", true));
    assert!(settings.metrics.is_some());
    assert_eq!(settings.bootstrap_token.unwrap().expose(), "install-me");
    assert!(enterprise(&[("OTEL_ENABLED", "false")]).metrics.is_none());
    assert!(with(&[]).unwrap().metrics.is_none());
}

#[test]
fn sessions_idle_for_ever_unless_a_number_of_seconds_is_given() {
    let idle =
        |value| with(&[("SESSION_IDLE_TIMEOUT_SEC", value)]).map(|settings| settings.upstream.session_idle_timeout);
    assert_eq!(idle("-1"), Ok(None));
    assert_eq!(idle("0"), Ok(None));
    assert_eq!(idle("90"), Ok(Some(Duration::from_secs(90))));
    for bad in ["-2", "1.5", "soon"] {
        assert_eq!(
            idle(bad).unwrap_err(),
            format!(
                "invalid value for SESSION_IDLE_TIMEOUT_SEC environment variable: '{bad}', \
                 must be a number of seconds, or -1 or 0 for no timeout"
            )
        );
    }
}

#[test]
fn the_time_to_initialize_is_positive() {
    let timeout =
        |value| with(&[("MCP_SERVER_INIT_REQ_TIMEOUT_SEC", value)]).map(|settings| settings.upstream.init_timeout);
    assert_eq!(timeout("10"), Ok(Duration::from_secs(10)));
    for bad in ["0", "-1", "ten"] {
        assert_eq!(
            timeout(bad).unwrap_err(),
            format!(
                "invalid value for MCP_SERVER_INIT_REQ_TIMEOUT_SEC environment variable: '{bad}', \
                 must be a positive number of seconds"
            )
        );
    }
}

#[test]
fn proxies_are_read_in_either_spelling() {
    let proxies = with(&[
        ("HTTP_PROXY", "http://a"),
        ("http_proxy", "http://b"),
        ("https_proxy", "http://c"),
        ("no_proxy", "x,y"),
    ])
    .unwrap()
    .upstream
    .proxies;
    assert_eq!(proxies.http.unwrap().expose(), "http://a");
    assert_eq!(proxies.https.unwrap().expose(), "http://c");
    assert_eq!(proxies.no_proxy.as_deref(), Some("x,y"));
}

#[test]
fn lists_are_separated_by_commas() {
    let settings =
        with(&[("MCPJUNGLE_ALLOWED_HOSTS", " a.example , b:8080,,"), ("MCPJUNGLE_ALLOWED_ORIGINS", "https://c")])
            .unwrap();
    assert_eq!(settings.allowed_hosts, ["a.example", "b:8080"]);
    assert_eq!(settings.allowed_origins, ["https://c"]);
}

#[test]
fn the_secret_key_comes_from_its_variable_or_its_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(file.path(), "from-file\n").unwrap();
    let key = |variables: &[(&str, &str)]| {
        with(variables).map(|settings| {
            let key = settings.secret_key.unwrap();
            (key.value.expose().to_owned(), key.variable)
        })
    };
    assert_eq!(
        key(&[("MCPJUNGLE_SECRET_KEY", "direct"), ("MCPJUNGLE_SECRET_KEY_FILE", path)]),
        Ok(("direct".to_owned(), "MCPJUNGLE_SECRET_KEY"))
    );
    let from_file = Ok(("from-file".to_owned(), "MCPJUNGLE_SECRET_KEY_FILE"));
    assert_eq!(key(&[("MCPJUNGLE_SECRET_KEY_FILE", path)]), from_file);
    std::fs::write(file.path(), " \n").unwrap();
    for unusable in [path, "/nonexistent/key"] {
        let message = key(&[("MCPJUNGLE_SECRET_KEY_FILE", unusable)]).unwrap_err();
        let start = format!("failed to read MCPJUNGLE_SECRET_KEY_FILE: the file {unusable}");
        assert!(message.starts_with(&start), "{message}");
    }
}

#[test]
fn compiled_policies_are_kept_in_the_cache_directory_of_the_user() {
    let cache = |value| with(&[("XDG_CACHE_HOME", value)]).unwrap().plugin_cache.unwrap();
    assert_eq!(cache("/var/cache"), Path::new("/var/cache/mcpjungle"));
    assert_eq!(cache("relative"), Path::new("/home/ada/.cache/mcpjungle"));
    let homeless = StartSettings::resolve(&StartArguments::default(), &Environment::of(&[], Path::new("/nonexistent")));
    assert_eq!(homeless.unwrap().plugin_cache, None);
}

#[test]
fn metrics_are_on_only_if_somebody_says_so() {
    for (value, is_on) in
        [("true", true), ("TRUE", true), ("1", true), ("false", false), ("False", false), ("0", false)]
    {
        assert_eq!(with(&[("OTEL_ENABLED", value)]).unwrap().metrics.is_some(), is_on, "{value}");
    }
    assert!(with(&[]).unwrap().metrics.is_none());
    for bad in ["yes", "on", "2"] {
        assert_eq!(
            with(&[("OTEL_ENABLED", bad)]).unwrap_err(),
            format!(
                "invalid value for OTEL_ENABLED environment variable: '{bad}', \
                 valid values are 'true', '1', 'false' and '0'"
            )
        );
    }
}

#[test]
fn attributes_of_the_resource_are_taken_as_a_whole_or_not_at_all() {
    let metrics = |attributes| {
        let settings = with(&[("OTEL_ENABLED", "1"), ("OTEL_RESOURCE_ATTRIBUTES", attributes)]).unwrap();
        (settings.metrics.unwrap(), settings.warnings)
    };
    assert_eq!(metrics("a=1,b=2"), (ResourceAttributes::parse("a=1,b=2").unwrap(), Vec::new()));
    assert_eq!(
        metrics("a=1,b"),
        (
            ResourceAttributes::default(),
            vec!["Warning: OTEL_RESOURCE_ATTRIBUTES is ignored: part 2 is not `key=value`".to_owned()]
        )
    );
    assert!(with(&[("OTEL_RESOURCE_ATTRIBUTES", "b")]).unwrap().warnings.is_empty(), "nobody reads it");
}

#[test]
fn the_log_filter_of_our_own_wins() {
    let filter = |variables: &[(&str, &str)]| with(variables).unwrap().log_filter;
    assert_eq!(filter(&[("MCPJUNGLE_LOG", "debug"), ("RUST_LOG", "warn")]).as_deref(), Some("debug"));
    assert_eq!(filter(&[("RUST_LOG", "warn")]).as_deref(), Some("warn"));
}

#[test]
fn no_secret_is_shown_when_settings_are() {
    let settings = with(&[
        ("MCPJUNGLE_SECRET_KEY", "hidden-key"),
        ("HTTP_PROXY", "http://u:hidden-password@p"),
        ("DATABASE_URL", "postgres://u:hidden-password@h/d"),
    ])
    .unwrap();
    let shown = format!("{settings:?}");
    // What children inherit includes the proxies.
    let shown = shown.replace(&format!("{:?}", settings.upstream.child_environment), "");
    assert!(!shown.contains("hidden"), "{shown}");
}
