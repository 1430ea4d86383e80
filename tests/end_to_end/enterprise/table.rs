//! Tables that say who gets which answer, as text that people read and tests go through.

/// Who asks; each knows its own token, and nobody has none.
pub(super) const PEOPLE: [&str; 8] =
    ["nobody", "bad token", "user", "admin", "no access", "one tool", "one server", "all"];

/// The heading of a column for all clients alike.
const CLIENTS: &str = "clients";

/// One row of a table.
pub(super) struct Row {
    /// The columns before those of people.
    pub(super) asked: Vec<&'static str>,
    /// What each person is to get, in a word.
    pub(super) cells: Vec<(&'static str, &'static str)>,
}

/// Reads a table whose rows begin with `|`. The first one has the headings: whatever is
/// asked, then everybody who asks. What stands between rows is for readers.
pub(super) fn read(text: &'static str) -> Vec<Row> {
    let is_rule = |line: &&str| line.trim_matches(['|', '-', ' ']).is_empty();
    let mut lines = text.lines().map(str::trim).filter(|line| line.starts_with('|')).filter(|line| !is_rule(line));
    let headings = split(lines.next().expect("a table has headings"));
    let is_person = |heading: &&str| PEOPLE.contains(heading) || *heading == CLIENTS;
    let first_person = headings.iter().position(is_person).expect("somebody asks");
    let rows: Vec<Row> = lines
        .map(|line| {
            let words = split(line);
            assert_eq!(words.len(), headings.len(), "as many cells as headings: {line}");
            let cells = headings.iter().zip(&words).skip(first_person);
            let cells = cells.flat_map(|(heading, word)| people(heading).iter().map(move |person| (*person, *word)));
            Row { asked: words[..first_person].to_vec(), cells: cells.collect() }
        })
        .collect();
    for row in &rows {
        let asking: Vec<&str> = row.cells.iter().map(|(person, _)| *person).collect();
        assert!(PEOPLE.iter().all(|person| asking.contains(person)), "everybody asks: {:?}", row.asked);
    }
    rows
}

fn split(line: &'static str) -> Vec<&'static str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn people(heading: &'static str) -> &'static [&'static str] {
    let at = |person: &str| PEOPLE.iter().position(|known| *known == person);
    match at(heading) {
        Some(at) => &PEOPLE[at..=at],
        None if heading == CLIENTS => &PEOPLE[4..],
        None => panic!("nobody is called `{heading}`"),
    }
}
