//! From a policy to a component.

use std::marker::PhantomData;

use crate::bindings::configuration::exports::mcpjungle::policy::configuration::{Description, Guest};
use crate::bindings::imports::mcpjungle::policy::settings;
use crate::policy::{Policy, make, settings_schema};

/// A policy that [`export!`](crate::export!) was called for.
pub trait Instance: Policy {
    /// The version of the author's package.
    const VERSION: &str;
    /// The description of the author's package.
    const SUMMARY: &str;

    /// Uses this instance's policy, which is made at the first use.
    fn with<R>(use_it: impl FnOnce(&Self) -> R) -> R;
}

/// Exports of the component, answered by the policy `P`.
pub struct Exported<P>(PhantomData<P>);

impl<P: Instance> Guest for Exported<P> {
    fn describe() -> Description {
        Description {
            version: P::VERSION.to_owned(),
            summary: P::SUMMARY.to_owned(),
            settings_schema: Some(settings_schema::<P>()),
        }
    }

    fn accept(settings: String) -> Result<(), String> {
        make::<P>(&settings).map(drop)
    }
}

/// Makes the policy from what the administrator set. The gateway refuses a call whose policy cannot be made.
pub fn from_settings<P: Policy>() -> P {
    make(&settings::get()).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Makes a component of a policy: `mcpjungle_policy::export!(DenyList: authorizer, guard);`.
///
/// After the colon stand the stages that it decides at, of `authenticator`, `authorizer`, `tool_filter`,
/// `header_injector`, `guard` and `observer`; the policy implements the trait of each. The component's version
/// and summary are `version` and `description` in the `Cargo.toml` of the package.
///
/// Once in a package, and only where it is built for `wasm32` does it export anything: tests run natively.
#[macro_export]
macro_rules! export {
    ($policy:ty: $($stage:ident),+ $(,)?) => {
        const _: () = {
            impl $crate::export::Instance for $policy {
                const VERSION: &str = env!("CARGO_PKG_VERSION");
                const SUMMARY: &str = env!("CARGO_PKG_DESCRIPTION");

                fn with<R>(use_it: impl FnOnce(&Self) -> R) -> R {
                    ::std::thread_local! {
                        static POLICY: ::std::cell::OnceCell<$policy> = const { ::std::cell::OnceCell::new() };
                    }
                    POLICY.with(|policy| use_it(policy.get_or_init($crate::export::from_settings)))
                }
            }

            type Exported = $crate::export::Exported<$policy>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::configuration::export_it!(Exported with_types_in $crate::bindings::configuration);
            $($crate::__export_stage!(Exported $stage);)+
        };
    };
}

/// Exports one stage, and says which ones there are where it is none of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_stage {
    ($exported:ident authenticator) => { $crate::__export_stage!(@ $exported authenticator); };
    ($exported:ident authorizer) => { $crate::__export_stage!(@ $exported authorizer); };
    ($exported:ident tool_filter) => { $crate::__export_stage!(@ $exported tool_filter); };
    ($exported:ident header_injector) => { $crate::__export_stage!(@ $exported header_injector); };
    ($exported:ident guard) => { $crate::__export_stage!(@ $exported guard); };
    ($exported:ident observer) => { $crate::__export_stage!(@ $exported observer); };
    ($exported:ident $other:ident) => {
        compile_error!(concat!(
            "there is no stage `", stringify!($other), "`: the stages are ",
            "authenticator, authorizer, tool_filter, header_injector, guard and observer",
        ));
    };
    (@ $exported:ident $stage:ident) => {
        // Natively nothing is exported, but a trait that is missing is told all the same.
        const _: () = {
            const fn is_implemented<T: $crate::bindings::$stage::exports::mcpjungle::policy::$stage::Guest>() {}
            is_implemented::<$exported>()
        };
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::$stage::export_it!($exported with_types_in $crate::bindings::$stage);
    };
}

#[cfg(test)]
mod tests {
    use super::{Description, Exported, Guest};
    use crate::{Authorizer, Decision, Host, Item, NoSettings, Policy, Principal, Request};

    struct Nothing;

    impl Policy for Nothing {
        type Settings = NoSettings;

        fn new(_settings: NoSettings) -> Result<Self, String> {
            Ok(Self)
        }
    }

    impl Authorizer for Nothing {
        fn authorize(&self, _: &impl Host, _: &Request, _: &Principal, _: &Item) -> Decision {
            Decision::deny("nothing", "nothing is allowed")
        }
    }

    crate::export!(Nothing: authorizer);

    #[test]
    fn a_component_says_of_itself_what_its_package_says() {
        let Description { version, summary, settings_schema } = Exported::<Nothing>::describe();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        assert_eq!(summary, env!("CARGO_PKG_DESCRIPTION"));
        assert!(settings_schema.is_some_and(|schema| schema.contains("additionalProperties")));
    }

    #[test]
    fn settings_are_accepted_only_if_the_policy_can_be_made_of_them() {
        assert_eq!(Exported::<Nothing>::accept("{}".to_owned()), Ok(()));
        let refused = Exported::<Nothing>::accept(r#"{"deny":[]}"#.to_owned()).unwrap_err();
        assert!(refused.contains("deny"), "{refused}");
    }
}
