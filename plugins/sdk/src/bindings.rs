//! What wit-bindgen makes of the contract. Each stage is a world of its own, so that a component
//! exports just the stages that it names; all of them share the types of the imports.

/// Everything that can be imported. A component imports only what its code calls.
pub mod imports {
    wit_bindgen::generate!({
        inline: "
            package mcpjungle:sdk;
            world imports {
                include mcpjungle:policy/base@0.1.0;
                include mcpjungle:policy/uses-key-value@0.1.0;
                include mcpjungle:policy/uses-http@0.1.0;
                include mcpjungle:policy/uses-secrets@0.1.0;
            }
        ",
        path: "../../wit/v0.1",
        world: "mcpjungle:sdk/imports",
        additional_derives: [PartialEq],
        generate_all,
    });
}

macro_rules! exported {
    ($($module:ident, $inline:literal, $world:literal, $bindings:literal;)*) => {
        $(
            #[doc = concat!("The world `", $world, "`.")]
            pub mod $module {
                wit_bindgen::generate!({
                    inline: $inline,
                    path: "../../wit/v0.1",
                    world: $world,
                    with: { "mcpjungle:policy/types@0.1.0": crate::bindings::imports::mcpjungle::policy::types },
                    additional_derives: [PartialEq],
                    pub_export_macro: true,
                    export_macro_name: "export_it",
                    default_bindings_module: $bindings,
                });
            }
        )*
    };
}

exported! {
    // It uses none of the shared types, but is told of them as all are.
    configuration,
        "package mcpjungle:sdk; world export-configuration { import mcpjungle:policy/types@0.1.0; export mcpjungle:policy/configuration@0.1.0; }",
        "mcpjungle:sdk/export-configuration",
        "mcpjungle_policy::bindings::configuration";
    authenticator,
        "package mcpjungle:sdk; world export-authenticator { export mcpjungle:policy/authenticator@0.1.0; }",
        "mcpjungle:sdk/export-authenticator",
        "mcpjungle_policy::bindings::authenticator";
    authorizer,
        "package mcpjungle:sdk; world export-authorizer { export mcpjungle:policy/authorizer@0.1.0; }",
        "mcpjungle:sdk/export-authorizer",
        "mcpjungle_policy::bindings::authorizer";
    tool_filter,
        "package mcpjungle:sdk; world export-tool-filter { export mcpjungle:policy/tool-filter@0.1.0; }",
        "mcpjungle:sdk/export-tool-filter",
        "mcpjungle_policy::bindings::tool_filter";
    header_injector,
        "package mcpjungle:sdk; world export-header-injector { export mcpjungle:policy/header-injector@0.1.0; }",
        "mcpjungle:sdk/export-header-injector",
        "mcpjungle_policy::bindings::header_injector";
    guard,
        "package mcpjungle:sdk; world export-guard { export mcpjungle:policy/guard@0.1.0; }",
        "mcpjungle:sdk/export-guard",
        "mcpjungle_policy::bindings::guard";
    observer,
        "package mcpjungle:sdk; world export-observer { export mcpjungle:policy/observer@0.1.0; }",
        "mcpjungle:sdk/export-observer",
        "mcpjungle_policy::bindings::observer";
}
