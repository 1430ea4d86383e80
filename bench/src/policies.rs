//! Policies in process: one warm call per stage, all stages of one call as a
//! slope over 0 to 8 authorizers, a fresh instance, and what one more policy costs a call.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mcpjungle_host::catalog::FixedDirectory;
use mcpjungle_host::group::ToolGroup;
use mcpjungle_host::names::{CanonicalName, GroupName, ServerName};
use mcpjungle_host::pipeline::{
    Denial, Endpoint, HttpRequest, Item, ItemKind, Mode, Pipeline, Principal, Request, Stage, UpstreamView,
};
use mcpjungle_host::plugin::{
    ComponentSource, Grants, Isolation, PipelinePlan, PluginHost, PluginPlan, PluginSettings, Stock,
};
use mcpjungle_host::telemetry::PolicyMetrics;

use crate::upstream::{Settings, Upstream};

const GROUP: &str = "reading";
const MOST_AUTHORIZERS: usize = 8;
/// An authorizer and a guard as somebody else would write them, and settings with which both let calls pass.
pub(crate) const AUTHORIZER: &[u8] = include_bytes!("../../tests/fixtures/policies/deny-one-tool.wasm");
pub(crate) const AUTHORIZER_SETTINGS: &str = r#"{"deny": ["up__no-such-tool"]}"#;
/// The same rule as the authorizer's, which a service is asked about.
const ASKING_AUTHORIZER: &[u8] = include_bytes!("../../tests/fixtures/policies/deny-elsewhere.wasm");
pub(crate) const GUARD: &[u8] = include_bytes!("../../tests/fixtures/policies/house-rules.wasm");
pub(crate) const GUARD_SETTINGS: &str = r#"{"arguments": {"{\"no\":1}": "{}"}}"#;

/// What a further authorizer in another language may take.
const FURTHER_MEMORY_MIB: NonZeroU32 = NonZeroU32::new(64).expect("it is not zero");

/// What a guard looks at.
const ARGUMENTS: &str = r#"{"path":"/srv/reports/2026/annual.txt","encoding":"utf-8","limit":4096,"follow":false}"#;

const ROUNDS: usize = 9;
const CALLS_PER_ROUND: u32 = 2_000;

/// A development gateway with one group.
fn directory() -> Result<FixedDirectory> {
    Ok(FixedDirectory::new(Mode::Development).with_group(ToolGroup {
        included_servers: vec!["time".to_owned()],
        excluded_tools: vec!["time__zone".to_owned()],
        ..ToolGroup::new(GroupName::parse(GROUP)?)
    }))
}

/// What a call asks its policies about.
struct Question {
    request: Request,
    headers: http::HeaderMap,
    principal: Principal,
    item: Item,
    server: ServerName,
    secret_names: Vec<String>,
}

impl Question {
    fn new() -> Result<Self> {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("host", "localhost:8080"),
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("user-agent", "bench"),
        ] {
            headers.insert(name, value.parse()?);
        }
        Ok(Self {
            request: Request {
                id: "0123456789abcdef".into(),
                endpoint: Endpoint::Group(GroupName::parse(GROUP)?),
                method: "tools/call".into(),
            },
            headers,
            principal: Principal::anonymous(),
            item: Item { kind: ItemKind::Tool, name: CanonicalName::parse("time__now")?, uri: None },
            server: ServerName::parse("time")?,
            secret_names: vec!["bearer-token".to_owned()],
        })
    }

    async fn authenticate(&self, pipeline: &Pipeline) -> Result<(), Denial> {
        let request = HttpRequest {
            id: &self.request.id,
            endpoint: &self.request.endpoint,
            method: "POST",
            path: "/v0/groups/reading/mcp",
            headers: &self.headers,
            peer: "127.0.0.1",
        };
        pipeline.authenticate(request).await.map(drop)
    }

    async fn select(&self, pipeline: &Pipeline) -> Result<(), Denial> {
        pipeline.select(&self.request, GROUP, &self.item).await
    }

    async fn authorize(&self, pipeline: &Pipeline) -> Result<(), Denial> {
        pipeline.authorize(&self.request, &self.principal, &self.item).await
    }

    async fn headers(&self, pipeline: &Pipeline) -> Result<(), Denial> {
        let upstream =
            UpstreamView { name: &self.server, transport: "streamable_http", secret_names: &self.secret_names };
        pipeline.headers(&self.request, &self.principal, upstream).await.map(drop)
    }

    async fn whole_call(&self, pipeline: &Pipeline) -> Result<(), Denial> {
        self.authenticate(pipeline).await?;
        self.select(pipeline).await?;
        self.authorize(pipeline).await?;
        if pipeline.reviews_arguments() {
            pipeline.review_arguments(&self.request, &self.principal, &self.item, ARGUMENTS).await?;
        }
        self.headers(pipeline).await
    }
}

/// Measures and prints. `cache_dir` is where compiled code is kept; it is used
/// twice, so that the second assembly shows a warm start.
pub async fn run(cache_dir: &Path, further: &[String]) -> Result<()> {
    let question = Question::new()?;
    let stock = PipelinePlan::stock();
    assemble(cache_dir, &stock).await?;
    let started = Instant::now();
    let (_host, pipeline) = assemble(cache_dir, &stock).await?;
    println!("stock pipeline from a warm cache   {:>9}", show(started.elapsed()));

    println!(
        "one warm call, authenticator       {:>9}",
        show(median(async || question.authenticate(&pipeline).await).await?)
    );
    println!(
        "one warm call, tool-filter         {:>9}",
        show(median(async || question.select(&pipeline).await).await?)
    );
    println!(
        "one warm call, authorizer          {:>9}",
        show(median(async || question.authorize(&pipeline).await).await?)
    );
    println!(
        "one warm call, header-injector     {:>9}",
        show(median(async || question.headers(&pipeline).await).await?)
    );

    let mut isolated = PluginPlan::stock(Stock::Acl);
    isolated.isolation = Isolation::PerCall;
    let (_host, fresh) = assemble(cache_dir, &PipelinePlan { plugins: vec![isolated] }).await?;
    println!(
        "a fresh instance and one call      {:>9}",
        show(median(async || question.authorize(&fresh).await).await?)
    );

    let mut points = Vec::new();
    for authorizers in 0..=MOST_AUTHORIZERS {
        let (_host, pipeline) = assemble(cache_dir, &with_authorizers(authorizers)).await?;
        let took = median(async || question.whole_call(&pipeline).await).await?;
        println!("all stages, {authorizers} authorizers          {:>9}", show(took));
        points.push((authorizers as f64, took.as_secs_f64()));
    }
    println!("slope, each further authorizer     {:>9}", show(Duration::from_secs_f64(slope(&points).max(0.0))));
    one_more(cache_dir, &question, further).await
}

/// The stock stages, and each of these beside them: all of a call's decisions.
async fn one_more(cache_dir: &Path, question: &Question, further: &[String]) -> Result<()> {
    let mut plans = vec![
        ("no policy".to_owned(), PipelinePlan { plugins: Vec::new() }),
        ("stock stages".to_owned(), PipelinePlan::stock()),
        (
            "+ an authorizer in Rust".to_owned(),
            beside_stock(custom(Stage::Authorizer, AUTHORIZER, AUTHORIZER_SETTINGS)),
        ),
        ("+ a guard on arguments in Rust".to_owned(), beside_stock(custom(Stage::Guard, GUARD, GUARD_SETTINGS))),
    ];
    let service = Upstream::start(&Settings { port: 0, session_ids: false, tools: 1 })?;
    let mut asking = custom(Stage::Authorizer, ASKING_AUTHORIZER, &format!(r#"{{"ask": "{}"}}"#, service.rule_url()));
    asking.grants = Grants::new([format!("http:127.0.0.1:{}", service.port).parse()?]);
    plans.push(("+ the authorizer's rule behind HTTP".to_owned(), beside_stock(asking)));
    for further in further {
        let (name, path) = further.split_once('=').context("say --authorizer NAME=FILE")?;
        let settings = Path::new(path).with_extension("json");
        let settings = if settings.exists() { std::fs::read_to_string(settings)? } else { "{}".to_owned() };
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        let mut plugin = custom(Stage::Authorizer, &bytes, &settings);
        plugin.limits.memory_mib = FURTHER_MEMORY_MIB;
        plans.push((format!("+ an authorizer in {name}"), beside_stock(plugin)));
    }
    let mut stock_us = None;
    for (number, (name, plan)) in plans.iter().enumerate() {
        let (_host, pipeline) = assemble(cache_dir, plan).await?;
        let took = median(async || question.whole_call(&pipeline).await).await?.as_secs_f64() * 1e6;
        let more = stock_us.map(|stock: f64| format!("{:>+9.2} µs", took - stock)).unwrap_or_default();
        println!("{name:<35}{took:>6.2} µs{more}");
        if number == 1 {
            stock_us = Some(took);
        }
    }
    Ok(())
}

fn custom(stage: Stage, component: &[u8], settings: &str) -> PluginPlan {
    let mut plugin = PluginPlan::new("custom", ComponentSource::Bytes(component.into()));
    plugin.stages = Some(vec![stage]);
    settings.clone_into(&mut plugin.settings);
    plugin
}

fn beside_stock(plugin: PluginPlan) -> PipelinePlan {
    let mut plan = PipelinePlan::stock();
    plan.plugins.push(plugin);
    plan
}

fn with_authorizers(count: usize) -> PipelinePlan {
    let mut plugins: Vec<PluginPlan> =
        [Stock::Auth, Stock::Groups, Stock::Headers].into_iter().map(PluginPlan::stock).collect();
    for number in 0..count {
        plugins.push(PluginPlan::new(&format!("acl-{number}"), ComponentSource::Stock(Stock::Acl)));
    }
    PipelinePlan { plugins }
}

async fn assemble(cache_dir: &Path, plan: &PipelinePlan) -> Result<(PluginHost, Pipeline)> {
    let settings = PluginSettings { cache_dir: Some(cache_dir.to_owned()), ..PluginSettings::default() };
    let host = PluginHost::new(settings, Arc::new(directory()?))?;
    let pipeline = host.assemble(plan, 1, &PolicyMetrics::default()).await?;
    Ok((host, pipeline))
}

/// The median over rounds of what one call takes on average; a denial is an error.
async fn median(call: impl AsyncFn() -> Result<(), Denial>) -> Result<Duration> {
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..CALLS_PER_ROUND {
            call().await?;
        }
        rounds.push(started.elapsed() / CALLS_PER_ROUND);
    }
    rounds.sort_unstable();
    Ok(rounds[ROUNDS / 2])
}

/// Of the straight line nearest to the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    above / below
}

pub(crate) fn show(duration: Duration) -> String {
    format!("{:.2} µs", duration.as_secs_f64() * 1e6)
}
