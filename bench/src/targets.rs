//! What is measured side by side.

use anyhow::{Context, Result};

use crate::Options;
use crate::gateway::{Gateway, Home};
use crate::nginx::Nginx;
use crate::process::Family;
use crate::upstream::Upstream;

/// One way to the upstream.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) url: String,
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
    /// Direct and nginx; the gateway with all stages and with none; further gateways.
    pub(crate) fn around(upstream: &Upstream, session_mode: &str, also: &[String], options: &Options) -> Result<Self> {
        let nginx = Nginx::start(upstream.port)?;
        let mut targets = vec![
            Target { name: "direct".into(), url: upstream.url(), family: None },
            Target { name: "nginx".into(), url: nginx.url(), family: Some(nginx.family()) },
        ];
        let mut gateways = Vec::new();
        if let Some(binary) = &options.gateway {
            for (name, policies) in [("gateway", true), ("gateway, no policies", false)] {
                let home = Home::new(binary)?;
                // The group is made while there are policies: without any, nobody may.
                let first = home.start(&[])?;
                home.register(&first, "up", &upstream.url(), session_mode)?;
                home.create_group(&first, "up")?;
                let gateway = if policies {
                    first
                } else {
                    drop(first);
                    home.start_without_policies()?
                };
                targets.push(Target { name: name.into(), url: gateway.group_url(), family: Some(gateway.family()) });
                gateways.push((gateway, home));
            }
        }
        for further in also {
            let (name, url) = further.split_once('=').context("say --also NAME=URL")?;
            targets.push(Target { name: name.into(), url: url.into(), family: None });
        }
        Ok(Self { targets, _nginx: nginx, _gateways: gateways })
    }
}
