//! What is measured side by side.

use anyhow::{Context, Result};

use crate::Options;
use crate::gateway::{Gateway, Home};
use crate::nginx::Nginx;
use crate::policies::{AUTHORIZER, AUTHORIZER_SETTINGS, GUARD, GUARD_SETTINGS};
use crate::process::Family;
use crate::upstream::Upstream;

const SERVER: &str = "up";
const WITHOUT_POLICIES: &str = "gateway, no policies";
/// Beside the stock ones, in development mode.
const WITH_AUTHORIZER: &str = "gateway, + authorizer";
const WITH_GUARD: &str = "gateway, + guard";

/// One way to the upstream.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) url: String,
    /// Whom calls are made as, where that is asked.
    pub(crate) token: Option<String>,
    /// The processes between client and upstream; `None` where there are none, or none that we know.
    pub(crate) family: Option<Family>,
}

/// Everything that stands between, kept running as long as this lives.
pub(crate) struct Setting {
    pub(crate) targets: Vec<Target>,
    _nginx: Nginx,
    _gateways: Vec<(Gateway, Home)>,
}

impl Setting {
    /// Direct and nginx; the gateway with all stages in both modes, with none, and with one more; further gateways.
    pub(crate) async fn around(
        upstream: &Upstream,
        session_mode: &str,
        also: &[String],
        options: &Options,
    ) -> Result<Self> {
        let nginx = Nginx::start(upstream.port)?;
        let mut targets = vec![
            Target { name: "direct".into(), url: upstream.url(), token: None, family: None },
            Target { name: "nginx".into(), url: nginx.url(), token: None, family: Some(nginx.family()) },
        ];
        let mut gateways = Vec::new();
        if let Some(binary) = &options.gateway {
            let homes = [
                ("gateway, enterprise", Home::enterprise(binary, SERVER).await?),
                ("gateway, development", Home::new(binary)?),
                (WITHOUT_POLICIES, Home::new(binary)?),
                (WITH_AUTHORIZER, Home::new(binary)?),
                (WITH_GUARD, Home::new(binary)?),
            ];
            for (name, home) in homes {
                // The group is made while there are policies: without any, nobody may.
                let first = home.start(&[])?;
                home.register(&first, SERVER, &upstream.url(), session_mode)?;
                home.create_group(&first, SERVER)?;
                let gateway = match name {
                    WITHOUT_POLICIES => {
                        drop(first);
                        home.start_without_policies()?
                    }
                    WITH_AUTHORIZER => {
                        drop(first);
                        home.start_with_policy("custom", AUTHORIZER, "authorizer", AUTHORIZER_SETTINGS)?
                    }
                    WITH_GUARD => {
                        drop(first);
                        home.start_with_policy("custom", GUARD, "guard", GUARD_SETTINGS)?
                    }
                    _ => first,
                };
                let (url, token, family) =
                    (gateway.group_url(), home.client_token().map(str::to_owned), Some(gateway.family()));
                targets.push(Target { name: name.into(), url, token, family });
                gateways.push((gateway, home));
            }
        }
        for further in also {
            let (name, url) = further.split_once('=').context("say --also NAME=URL")?;
            targets.push(Target { name: name.into(), url: url.into(), token: None, family: None });
        }
        Ok(Self { targets, _nginx: nginx, _gateways: gateways })
    }
}
