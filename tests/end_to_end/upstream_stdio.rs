//! Child processes under the real supervisor: how they are started, used and ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use http::HeaderMap;
use mcpjungle_host::names::ServerName;
use mcpjungle_host::protocol::ProtocolVersion;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::upstream::{
    Call, Cancellation, ClientDeclaration, NoClient, ProxySettings, UpstreamError, UpstreamSettings, Upstreams,
};
use mcpjungle_host::wire;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const GATEWAY: &str = env!("CARGO_BIN_EXE_mcpjungle");

/// What anything here may take at most; only a mistake takes so long.
const BOUND: Duration = Duration::from_secs(30);

// The supervisor by itself.

/// Waits for what would otherwise hang the test.
fn within_bound<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(what()));
    done.recv_timeout(BOUND).expect("it is done within the bound")
}

fn supervise(script: &str) -> Command {
    let mut command = Command::new(GATEWAY);
    command.args(["supervise", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Waits until nobody is left who could write to the supervisor's output: not the
/// child, nor anything that it started.
fn await_end(mut supervisor: Child) -> ExitStatus {
    let mut stdout = supervisor.stdout.take().unwrap();
    within_bound(move || {
        stdout.read_to_end(&mut Vec::new()).unwrap();
        supervisor.wait().unwrap()
    })
}

fn await_line(supervisor: &mut Child, expected: &str) {
    let stdout = supervisor.stdout.as_mut().unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    assert_eq!(String::from_utf8(line).unwrap().trim_end(), expected);
}

#[test]
fn when_the_holder_of_the_pipe_is_killed_nothing_that_the_child_started_is_left() {
    let (reader, writer) = std::io::pipe().unwrap();
    // Neither the child nor what it starts minds the end of its input, or TERM.
    let script = "trap '' TERM; sleep 1000 & echo started; while :; do sleep 1000; done";
    let mut supervisor = supervise(script).stdin(reader).spawn().unwrap();
    await_line(&mut supervisor, "started");
    let mut holder = Command::new("sleep").arg("1000").stdout(writer).spawn().unwrap();
    assert_eq!(supervisor.try_wait().unwrap(), None);

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(await_end(supervisor).code(), Some(128 + 9));
}

#[test]
fn a_child_that_heeds_the_end_of_its_input_ends_by_itself() {
    let mut supervisor = supervise("echo started; cat; exit 5").spawn().unwrap();
    await_line(&mut supervisor, "started");
    drop(supervisor.stdin.take());
    assert_eq!(await_end(supervisor).code(), Some(5));
}

#[test]
fn when_the_child_ends_what_it_started_ends_too() {
    let mut supervisor = supervise("sleep 1000 & exit 3").spawn().unwrap();
    let _open = supervisor.stdin.take();
    assert_eq!(await_end(supervisor).code(), Some(3));
}

#[test]
fn the_end_by_a_signal_is_passed_on() {
    let mut supervisor = supervise("kill -9 $$").spawn().unwrap();
    let _open = supervisor.stdin.take();
    assert_eq!(await_end(supervisor).code(), Some(128 + 9));
}

#[test]
fn a_supervisor_that_is_told_to_end_ends_its_child() {
    let mut supervisor = supervise("echo started; sleep 1000").spawn().unwrap();
    let _open = supervisor.stdin.take();
    await_line(&mut supervisor, "started");
    kill_process(Pid::from_child(&supervisor), Signal::TERM).unwrap();
    assert_eq!(await_end(supervisor).code(), Some(128 + 15));
}

// Under the gateway.

/// A server that answers `initialize`, and each call by `on_call`, in which `$id` is
/// the call's id.
fn server_script(on_call: &str) -> String {
    format!(
        r#"while IFS= read -r line; do
            id=${{line#*'"id":'}}; id=${{id%%[!0-9]*}}
            case $line in
            *'"initialize"'*)
                printf '{{"jsonrpc":"2.0","id":%s,"result":{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}}}}}}}}\n' "$id" ;;
            *'"tools/call"'* | *'"tools/list"'*)
                {on_call} ;;
            esac
        done"#
    )
}

/// Answers with the process id.
const ANSWER_PID: &str = r#"printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$$""#;

fn stdio_server(command: &str, args: &[&str], session_mode: SessionMode) -> Arc<Server> {
    Arc::new(Server {
        name: ServerName::parse("child").unwrap(),
        description: String::new(),
        transport: Transport::Stdio {
            command: command.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: BTreeMap::from([("OWN".to_owned(), Secret::new("own value"))]),
        },
        session_mode,
        tool_sync_interval_seconds: None,
        audit: None,
    })
}

fn shell_server(script: &str, session_mode: SessionMode) -> Arc<Server> {
    stdio_server("sh", &["-c", script], session_mode)
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

fn settings() -> UpstreamSettings {
    UpstreamSettings {
        init_timeout: BOUND,
        session_idle_timeout: None,
        supervisor: (PathBuf::from(GATEWAY), vec!["supervise".to_owned()]),
        child_environment: BTreeMap::from([("PATH".to_owned(), path()), ("SHARED".to_owned(), "shared".to_owned())]),
        proxies: ProxySettings::default(),
        gateway_version: "1".to_owned(),
    }
}

fn upstreams() -> Upstreams {
    Upstreams::new(settings()).unwrap()
}

async fn call(upstreams: &Upstreams, server: &Arc<Server>) -> Result<String, UpstreamError> {
    let call = Call {
        request: wire::Request::author("tools/call", Some(&BTreeMap::from([("name", "t")]))).unwrap(),
        headers: HeaderMap::new(),
        client: ClientDeclaration::plain(ProtocolVersion::LATEST),
        paired_with: None,
        counterpart: Arc::new(NoClient),
        cancellation: Cancellation::default(),
        log_level: None,
    };
    let answer =
        tokio::time::timeout(BOUND, upstreams.call(server, call)).await.expect("it answers within the bound")?;
    Ok(answer.outcome().unwrap().to_owned())
}

fn is_running(pid: &str) -> bool {
    test_kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap()).is_ok()
}

/// A pipe with a name, through which scripts tell what happens to them.
struct Reports {
    path: PathBuf,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Reports {
    fn new(folder: &Path) -> Self {
        let path = folder.join("reports");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Also opened for writing, so that it does not end with each script's turn.
        let pipe = File::options().read(true).write(true).open(&path).unwrap();
        let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { path, lines }
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(BOUND, self.lines.recv()).await.expect("a report comes").unwrap()
    }
}

#[tokio::test]
async fn a_child_finds_only_what_it_was_given() {
    let on_call = r#"printf '{"jsonrpc":"2.0","id":%s,"result":"%s"}\n' "$id" "$(tr '\0' ';' < /proc/$$/environ)""#;
    let upstreams = upstreams();
    let found = call(&upstreams, &shell_server(&server_script(on_call), SessionMode::Stateless)).await.unwrap();
    let mut found: Vec<_> = found.trim_matches('"').split_terminator(';').collect();
    found.sort_unstable();
    assert_eq!(found, ["OWN=own value", &format!("PATH={}", path()), "SHARED=shared"]);
    upstreams.shutdown().await;
}

#[tokio::test]
async fn stateless_calls_have_a_process_each_and_from_the_second_on_the_next_one_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut reports = Reports::new(folder.path());
    let script = format!("echo $$ > {}; {}", reports.path.display(), server_script(ANSWER_PID));
    let (upstreams, server) = (upstreams(), shell_server(&script, SessionMode::Stateless));

    let mut pids = Vec::new();
    for _ in 0..2 {
        pids.push(call(&upstreams, &server).await.unwrap());
        assert_eq!(reports.next().await, *pids.last().unwrap());
    }
    let spare = reports.next().await;
    assert_eq!(call(&upstreams, &server).await.unwrap(), spare);
    pids.extend([spare, reports.next().await]);
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 4);

    upstreams.shutdown().await;
    assert!(pids.iter().all(|pid| !is_running(pid)));
}

#[tokio::test]
async fn stateful_calls_share_a_process_until_the_server_is_forgotten() {
    let (upstreams, server) = (upstreams(), shell_server(&server_script(ANSWER_PID), SessionMode::Stateful));
    let pid = call(&upstreams, &server).await.unwrap();
    assert_eq!(call(&upstreams, &server).await.unwrap(), pid);
    assert!(is_running(&pid));
    upstreams.forget(&server).await;
    upstreams.shutdown().await;
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn a_shared_process_may_answer_in_any_order() {
    let on_call = r#"if [ -z "$first" ]; then first=$id; else
        printf '{"jsonrpc":"2.0","id":%s,"result":"second"}\n' "$id"
        printf '{"jsonrpc":"2.0","id":%s,"result":"first"}\n' "$first"; fi"#;
    let (upstreams, server) = (upstreams(), shell_server(&server_script(on_call), SessionMode::Stateful));
    let (a, b) = tokio::join!(call(&upstreams, &server), call(&upstreams, &server));
    let mut answers = [a.unwrap(), b.unwrap()];
    answers.sort();
    assert_eq!(answers, ["\"first\"", "\"second\""]);
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_process_that_ends_during_a_call_is_told_of_and_the_next_call_has_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let crashed = folder.path().join("crashed");
    let on_call = format!(r#"if [ -e {0} ]; then {ANSWER_PID}; else : > {0}; exit 7; fi"#, crashed.display());
    let (upstreams, server) = (upstreams(), shell_server(&server_script(&on_call), SessionMode::Stateful));
    assert_eq!(
        call(&upstreams, &server).await.unwrap_err().to_string(),
        "server `child`: the process ended (exit status 7) before the MCP server's answer was complete"
    );
    let pid = call(&upstreams, &server).await.unwrap();
    assert!(is_running(&pid));
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_process_that_heeds_nothing_is_killed_within_the_bound() {
    let script = format!("trap '' TERM; {}; while :; do sleep 1000; done", server_script(ANSWER_PID));
    let (upstreams, server) = (upstreams(), shell_server(&script, SessionMode::Stateful));
    let pid = call(&upstreams, &server).await.unwrap();
    tokio::time::timeout(BOUND, upstreams.shutdown()).await.expect("the end is bounded");
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn lines_that_are_no_messages_are_passed_over_and_a_ping_is_answered() {
    let on_call = r#"echo 'listening on stdio'; echo '{"jsonrpc":"2.0","id":999,"result":0}'
        echo '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
        echo '{"jsonrpc":"2.0","id":"p","method":"ping"}'; read -r pong
        echo '{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage"}'; read -r refusal
        printf '{"jsonrpc":"2.0","id":%s,"result":[%s,%s]}\n' "$id" "$pong" "$refusal""#;
    let (upstreams, server) = (upstreams(), shell_server(&server_script(on_call), SessionMode::Stateless));
    assert_eq!(
        call(&upstreams, &server).await.unwrap(),
        r#"[{"jsonrpc":"2.0","id":"p","result":{}},{"jsonrpc":"2.0","id":"s","error":{"code":-32601,"message":"the client of this session takes no such request"}}]"#
    );
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_list_of_megabytes_is_read_in_one_line() {
    let on_call = r#"printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":["%s"]}}\n' "$id" "$(head -c 3000000 /dev/zero | tr '\0' x)""#;
    let (upstreams, server) = (upstreams(), shell_server(&server_script(on_call), SessionMode::Stateless));
    let offer = upstreams.fetch_offer(&server, HeaderMap::new()).await.unwrap();
    assert_eq!(offer.tools.len(), 1);
    assert_eq!(offer.tools[0].len(), 3_000_002);
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_process_may_log_lines_of_any_length() {
    let on_call = r#"if head -c 1000000 /dev/zero | tr '\0' x >&2 && echo >&2 && echo 'and on' >&2
        then result='"logged"'; else result='"cut off"'; fi
        printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result""#;
    let (upstreams, server) = (upstreams(), shell_server(&server_script(on_call), SessionMode::Stateful));
    for _ in 0..2 {
        assert_eq!(call(&upstreams, &server).await.unwrap(), "\"logged\"");
    }
    upstreams.shutdown().await;
}

#[tokio::test]
async fn the_process_of_a_call_that_was_given_up_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut reports = Reports::new(folder.path());
    let pipe = reports.path.display();
    let script = format!("{}; echo ended > {pipe}", server_script(&format!("echo called > {pipe}")));
    let (upstreams, server) = (upstreams(), shell_server(&script, SessionMode::Stateless));
    tokio::select! {
        answer = call(&upstreams, &server) => panic!("nobody answers: {answer:?}"),
        report = reports.next() => assert_eq!(report, "called"),
    }
    assert_eq!(reports.next().await, "ended");
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_process_that_does_not_initialize_fails_within_the_timeout_and_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut reports = Reports::new(folder.path());
    let script = format!("echo $$ > {}; exec cat > /dev/null", reports.path.display());
    let settings = UpstreamSettings { init_timeout: Duration::from_millis(500), ..settings() };
    let (upstreams, server) = (Upstreams::new(settings).unwrap(), shell_server(&script, SessionMode::Stateful));
    let error = call(&upstreams, &server).await.unwrap_err().to_string();
    assert!(error.starts_with("server `child`: initialization request to MCP server timed out after 0.5 seconds."));
    assert!(error.ends_with(", and check mcpjungle server logs for any errors from this MCP server"), "{error}");
    let pid = reports.next().await;
    upstreams.shutdown().await;
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn a_malformed_answer_fails_the_call_that_it_answers() {
    let on_call = r#"printf '{"jsonrpc":"1.0","id":%s,"result":1}\n' "$id""#;
    let (upstreams, server) = (upstreams(), shell_server(&server_script(on_call), SessionMode::Stateless));
    let error = call(&upstreams, &server).await.unwrap_err();
    assert!(matches!(error, UpstreamError::InvalidAnswer { .. }), "{error:?}");
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named_at_once() {
    let (upstreams, server) = (upstreams(), stdio_server("no-such-program", &[], SessionMode::Stateless));
    let expected =
        "server `child`: the command `no-such-program` could not be started: No such file or directory (os error 2)";
    assert_eq!(call(&upstreams, &server).await.unwrap_err().to_string(), expected);
    let error = upstreams.fetch_offer(&server, HeaderMap::new()).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    upstreams.shutdown().await;
}

#[tokio::test]
async fn what_a_process_said_before_it_gave_up_is_told_at_registration_and_to_no_client() {
    let script = "echo 'starting' >&2; echo 'API_KEY is not set' >&2; exit 4";
    let (upstreams, server) = (upstreams(), shell_server(script, SessionMode::Stateless));
    let status = "server `child`: the MCP server's process ended while it was initialized (exit status 4)";
    let error = upstreams.fetch_offer(&server, HeaderMap::new()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{status}; the last that it said: starting | API_KEY is not set"));
    assert_eq!(call(&upstreams, &server).await.unwrap_err().to_string(), status);
    upstreams.shutdown().await;
}
