//! From settings to a policy.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What decides, made from its settings.
///
/// A policy is made once in each instance of the component, at the first question, and then asked again
/// and again; one question at a time, so `Cell` and `RefCell` are enough for what it keeps. What it keeps
/// lives across principals, but not in other instances: for that there is [`Host::set`](crate::Host::set).
pub trait Policy: Sized + 'static {
    /// What an administrator may set. Its schema is shown to administrators, and the gateway holds the
    /// settings against it; documentation of fields becomes their description. For none: [`NoSettings`].
    ///
    /// Where none are given, they are `{}`: give each field that can do without a `#[serde(default)]`.
    type Settings: DeserializeOwned + JsonSchema;

    /// Makes the policy: the place for what is to be prepared once, and for rules that a schema cannot say.
    ///
    /// # Errors
    ///
    /// A sentence for the administrator that says what is wrong with the settings. The gateway then does
    /// not install the policy.
    fn new(settings: Self::Settings) -> Result<Self, String>;
}

/// The settings of a policy that has none. Any that are given are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Makes a policy from settings as the gateway hands them over, a JSON text.
pub(crate) fn make<P: Policy>(settings: &str) -> Result<P, String> {
    let settings = serde_json::from_str(settings).map_err(|error| format!("the settings do not fit: {error}"))?;
    P::new(settings)
}

/// The JSON Schema of the settings, as a JSON text.
pub(crate) fn settings_schema<P: Policy>() -> String {
    schemars::schema_for!(P::Settings).as_value().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many a client may make.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        /// At least 1.
        per_minute: u32,
    }

    #[derive(Debug)]
    struct Limit(u32);

    impl Policy for Limit {
        type Settings = Settings;

        fn new(settings: Settings) -> Result<Self, String> {
            match settings.per_minute {
                0 => Err("`per_minute` must be at least 1".to_owned()),
                per_minute => Ok(Self(per_minute)),
            }
        }
    }

    #[test]
    fn settings_that_do_not_fit_are_refused_with_what_is_wrong() {
        assert_eq!(make::<Limit>(r#"{"per_minute":3}"#).unwrap().0, 3);
        for (settings, word) in [
            ("{}", "per_minute"),
            (r#"{"per_minute":"3"}"#, "u32"),
            (r#"{"per_minute":3,"burst":1}"#, "burst"),
            (r#"{"per_minute":0}"#, "at least 1"),
            ("", "EOF"),
        ] {
            let error = make::<Limit>(settings).unwrap_err();
            assert!(error.contains(word), "{settings}: {error}");
        }
    }

    #[test]
    fn the_schema_says_what_the_documentation_says() {
        let schema: serde_json::Value = serde_json::from_str(&settings_schema::<Limit>()).unwrap();
        assert_eq!(schema["properties"]["per_minute"]["description"], "At least 1.", "{schema}");
        assert_eq!(schema["required"], serde_json::json!(["per_minute"]), "{schema}");
        assert_eq!(schema["additionalProperties"], false, "{schema}");
    }

    #[test]
    fn no_settings_are_an_empty_object_and_nothing_else() {
        assert!(serde_json::from_str::<NoSettings>("{}").is_ok());
        assert!(serde_json::from_str::<NoSettings>(r#"{"a":1}"#).is_err());
    }
}
