//! `audit`: one line for each record.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::api::{Api, AuditPage};
use crate::arguments::ReadAuditArguments;
use crate::printer::Printer;

/// How long to wait before new records are asked for.
const PAUSE: Duration = Duration::from_secs(1);
/// How many records the gateway gives at a time.
const PAGE: u32 = 1_000;

type Query = Vec<(&'static str, String)>;

/// The newest records, oldest of them first, and then those that come.
pub(crate) async fn run(arguments: &ReadAuditArguments, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let query = read_query(arguments, SystemTime::now())?;
    let (mut records, mut latest) = newest(arguments.limit, &query, api).await?;
    records.reverse();
    if printer.is_json() && !arguments.follow {
        return Ok(printer.json(&serde_json::to_string(&records)?)?);
    }
    if records.is_empty() && !arguments.follow {
        return Ok(writeln!(printer, "There are no such records")?);
    }
    print_all(&records, printer)?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        let (new, behind) = newer(&latest, &query, api).await?;
        print_all(&new, printer)?;
        if new.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        latest = behind;
    }
}

/// The newest ones, newest first, and behind which cursor newer ones come.
async fn newest(limit: u32, query: &Query, api: &Api) -> anyhow::Result<(Vec<Box<RawValue>>, String)> {
    let (mut records, mut latest, mut cursor) = (Vec::new(), None, None);
    loop {
        let missing = limit.saturating_sub(u32::try_from(records.len()).unwrap_or(u32::MAX));
        let page = fetch(query, "newest", missing.clamp(1, PAGE), cursor.as_deref(), api).await?;
        latest.get_or_insert(page.latest);
        records.extend(page.records);
        records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        cursor = page.next.filter(|_| records.len() < usize::try_from(limit).unwrap_or(usize::MAX));
        if cursor.is_none() {
            return Ok((records, latest.unwrap_or_default()));
        }
    }
}

/// Those behind a cursor, and the one to go on from.
async fn newer(latest: &str, query: &Query, api: &Api) -> anyhow::Result<(Vec<Box<RawValue>>, String)> {
    let page = fetch(query, "oldest", PAGE, Some(latest), api).await?;
    Ok((page.records, page.next.unwrap_or(page.latest)))
}

async fn fetch(
    query: &Query,
    order: &'static str,
    limit: u32,
    cursor: Option<&str>,
    api: &Api,
) -> anyhow::Result<AuditPage> {
    let limit = limit.to_string();
    let mut parameters: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    parameters.extend([("order", order), ("limit", &limit)]);
    parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
    api.read_audit(&parameters).await.context("failed to read the audit log")
}

fn read_query(arguments: &ReadAuditArguments, now: SystemTime) -> anyhow::Result<Query> {
    let mut query = Query::new();
    let names = [("client", &arguments.client), ("user", &arguments.user), ("server", &arguments.server)];
    query.extend(names.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    if let Some(since) = &arguments.since {
        query.push(("since", read_time(since, now)?));
    }
    if arguments.denied {
        query.push(("denied", "true".to_owned()));
    }
    Ok(query)
}

/// A time, or how long ago, as a time.
fn read_time(written: &str, now: SystemTime) -> anyhow::Result<String> {
    if mcpjungle_host::audit::parse_rfc3339(written).is_some() {
        return Ok(written.to_owned());
    }
    let unit = written.chars().last().unwrap_or_default();
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => 0,
    };
    let count = written.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok());
    match count.and_then(|count| count.checked_mul(seconds)) {
        Some(ago) if seconds > 0 => {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(mcpjungle_host::audit::rfc3339(now.saturating_sub(Duration::from_secs(ago)).as_millis()))
        }
        _ => bail!(
            "invalid --since '{written}': write a time such as 2026-01-31T08:00:00Z, or how long ago: 30s, 15m, 1h, 7d"
        ),
    }
}

fn print_all(records: &[Box<RawValue>], printer: &mut Printer) -> anyhow::Result<()> {
    for record in records {
        if printer.is_json() {
            // Line by line, for programs that read on.
            writeln!(printer, "{}", record.get())?;
        } else {
            writeln!(printer, "{}", line(record.get()))?;
        }
    }
    Ok(printer.flush()?)
}

/// What a record says, on one line: time, what, who, where, about what, and how it ended.
fn line(record: &str) -> String {
    let Ok(record) = serde_json::from_str::<Map<String, Value>>(record) else { return record.to_owned() };
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let inner = |name: &str, member: &str| record.get(name).and_then(|value| value.get(member)).and_then(Value::as_str);
    let mut words = vec![text("at").unwrap_or("-").to_owned(), text("kind").unwrap_or("-").to_owned()];
    words.push(match (inner("principal", "kind"), inner("principal", "name")) {
        (Some(kind), None | Some("")) => kind.to_owned(),
        (Some(kind), Some(name)) => format!("{kind}:{}", plain(name)),
        (None, _) => "-".to_owned(),
    });
    words.extend(text("method").map(plain));
    words.extend(text("path").or(text("endpoint")).map(plain));
    let about = inner("item", "uri").or(inner("item", "name")).or(text("asked")).or(text("target"));
    words.extend(about.map(plain));
    words.extend(record.get("plugins").and_then(Value::as_array).into_iter().flatten().map(plugin));
    words.extend(text("outcome").map(|outcome| format!("-> {outcome}")));
    if let Some(decision) = text("decision").filter(|decision| *decision != "allowed") {
        let by = record.get("by").and_then(Value::as_array).and_then(|by| by.first());
        let member = |name: &str| by.and_then(|by| by.get(name)).and_then(Value::as_str);
        let who =
            member("plugin").zip(member("stage")).map(|(plugin, stage)| format!(" by {} ({stage})", plain(plugin)));
        let reason = text("reason").map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
        words.push(format!("[{decision}{}{reason}]", who.unwrap_or_default()));
    }
    if let Some(status) = record.get("status") {
        words.push(format!("status {status}"));
    }
    if let Some(duration) = record.get("duration_us").and_then(Value::as_f64) {
        words.push(format!("{:.1} ms", duration / 1_000.0));
    }
    words.extend(text("request").map(|request| format!("#{request}")));
    if let Some(suppressed) = record.get("suppressed") {
        words.push(format!("and {suppressed} more like it"));
    }
    words.join(" ")
}

/// A plugin that a change names, with what it would be granted.
fn plugin(plugin: &Value) -> String {
    let name = plugin.get("name").and_then(Value::as_str).unwrap_or("-");
    let grants = plugin.get("grants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut grants: Vec<_> = grants.map(plain).collect();
    grants.extend(plugin.get("more_grants").map(|more| format!("and {more} more")));
    match grants.is_empty() {
        true => format!("({})", plain(name)),
        false => format!("({}: grants {})", plain(name), grants.join(", ")),
    }
}

/// A caller's words cannot move the cursor of a terminal, or look like another line.
pub(in crate::commands) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => plain.extend(letter.escape_default()),
            false => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_callers_call_things() {
        for (record, expected) in [
            (
                r#"{"at":"T","kind":"call","request":"r-1","principal":{"kind":"client","name":"c"},"endpoint":"/mcp","method":"tools/call","server":"s","item":{"kind":"tool","name":"s__t"},"decision":"allowed","by":[{"stage":"authorizer","plugin":"acl","digest":"ab"}],"outcome":"success","duration_us":1234}"#,
                "T call client:c tools/call /mcp s__t -> success 1.2 ms #r-1",
            ),
            (
                r#"{"at":"T","kind":"denial","principal":{"kind":"client","name":"c"},"endpoint":"/mcp","method":"tools/call","item":{"kind":"tool","name":"s__t"},"decision":"denied","by":[{"stage":"authorizer","plugin":"acl","digest":"ab"}],"reason":"no","outcome":"denied"}"#,
                "T denial client:c tools/call /mcp s__t -> denied [denied by acl (authorizer): no]",
            ),
            (
                r#"{"at":"T","kind":"denial","method":"POST","path":"/mcp","decision":"denied","reason":"unauthenticated","outcome":"denied","suppressed":7}"#,
                "T denial - POST /mcp -> denied [denied: unauthenticated] and 7 more like it",
            ),
            (
                r#"{"at":"T","kind":"admin","principal":{"kind":"admin","name":"a"},"endpoint":"/api/v0","method":"POST","path":"/api/v0/plugins/plan","target":"plan","plugins":[{"name":"corp","component":"builtin:acl","grants":["kv","secret:*"],"more_grants":2}],"outcome":"success"}"#,
                "T admin admin:a POST /api/v0/plugins/plan plan (corp: grants kv, secret:*, and 2 more) -> success",
            ),
            (
                r#"{"at":"T","kind":"admin","principal":{"kind":"anonymous","name":""},"method":"POST","path":"/p","target":"a\u001b[2J\nb","outcome":"success","status":201}"#,
                "T admin anonymous POST /p a\\u{1b}[2J\\nb -> success status 201",
            ),
        ] {
            assert_eq!(line(record), expected);
        }
    }

    #[test]
    fn a_time_is_read_as_such_or_as_so_long_ago() {
        let now = UNIX_EPOCH + Duration::from_secs(7 * 86_400);
        for (written, time) in [
            ("1h", "1970-01-07T23:00:00.000Z"),
            ("90s", "1970-01-07T23:58:30.000Z"),
            ("7d", "1970-01-01T00:00:00.000Z"),
            ("9999d", "1970-01-01T00:00:00.000Z"),
            ("2026-01-31T08:00:00+01:00", "2026-01-31T08:00:00+01:00"),
        ] {
            assert_eq!(read_time(written, now).unwrap(), time);
        }
        for bad in ["", "h", "1", "1w", "-1h", "1.5h", "yesterday", "é", "18446744073709551615d"] {
            assert!(read_time(bad, now).unwrap_err().to_string().contains("invalid --since"), "{bad}");
        }
    }
}
