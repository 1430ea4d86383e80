//! Where the texts of a result are: as ranges of the JSON text, so that everything around them keeps its bytes.

use std::ops::Range;

use mcpjungle_policy::json;

/// Deeper content than this is not searched, and so does not pass.
const DEEPEST: usize = 100;

/// One text of a result.
pub(crate) struct Text {
    /// Where its JSON string is, with its quotes.
    pub(crate) place: Range<usize>,
    /// What it says.
    pub(crate) value: String,
}

/// Finds the texts of a result: of a tool, a prompt or a resource.
pub(crate) fn find(outcome: &str) -> Result<Vec<Text>, String> {
    let mut search = Search { outcome, texts: Vec::new() };
    search.result(json::whole(outcome).map_err(|error| error.to_string())?)?;
    Ok(search.texts)
}

/// A text as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Search<'a> {
    outcome: &'a str,
    texts: Vec<Text>,
}

impl<'a> Search<'a> {
    fn result(&mut self, result: &'a str) -> Result<(), String> {
        for (name, value) in members(result)? {
            match name.as_str() {
                "structuredContent" => self.everything(value, 0)?,
                "content" => self.each(value, Self::block)?,
                "contents" => self.each(value, Self::text_of)?,
                "messages" => self.each(value, |search, message| {
                    for (name, value) in members(message)? {
                        if name == "content" {
                            search.each(value, Self::block)?;
                        }
                    }
                    Ok(())
                })?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A block of content: text, or something else that may embed one.
    fn block(&mut self, block: &'a str) -> Result<(), String> {
        for (name, value) in members(block)? {
            match name.as_str() {
                "text" => self.everything(value, 0)?,
                "resource" => self.text_of(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn text_of(&mut self, contents: &'a str) -> Result<(), String> {
        for (name, value) in members(contents)? {
            if name == "text" {
                self.everything(value, 0)?;
            }
        }
        Ok(())
    }

    /// Each element of a list, or the one value that stands in its place.
    fn each(
        &mut self,
        value: &'a str,
        search: impl Fn(&mut Self, &'a str) -> Result<(), String>,
    ) -> Result<(), String> {
        if !value.starts_with('[') {
            return search(self, value);
        }
        elements(value)?.into_iter().try_for_each(|element| search(self, element))
    }

    /// All strings below a value, but not the names of members.
    fn everything(&mut self, value: &'a str, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        match value.as_bytes().first() {
            Some(b'"') => {
                let place = json::place_in(self.outcome, value).expect("it was found in the outcome");
                let value = serde_json::from_str(value).map_err(|error| error.to_string())?;
                self.texts.push(Text { place, value });
                Ok(())
            }
            Some(b'[') => elements(value)?.into_iter().try_for_each(|one| self.everything(one, depth + 1)),
            Some(b'{') => members(value)?.into_iter().try_for_each(|(_, one)| self.everything(one, depth + 1)),
            _ => Ok(()),
        }
    }
}

/// None where the value is no object.
fn members(value: &str) -> Result<Vec<(String, &str)>, String> {
    if !value.starts_with('{') {
        return Ok(Vec::new());
    }
    json::members(value).map_err(|error| error.to_string())
}

fn elements(value: &str) -> Result<Vec<&str>, String> {
    json::elements(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::find;

    fn texts(outcome: &str) -> Vec<String> {
        let texts = find(outcome).unwrap();
        for text in &texts {
            let quoted = &outcome[text.place.clone()];
            assert_eq!(serde_json::from_str::<String>(quoted).unwrap(), text.value);
        }
        texts.into_iter().map(|text| text.value).collect()
    }

    #[test]
    fn texts_of_every_kind_of_result_are_found_and_nothing_else() {
        for (outcome, expected) in [
            (r#"{"content":[{"type":"text","text":"a"},{"type":"image","data":"no"}]}"#, &["a"][..]),
            (r#"{"content":[{"type":"resource","resource":{"uri":"no","text":"a"}}]}"#, &["a"]),
            (r#"{"content":[],"structuredContent":{"x":["a",{"y":"b"}],"n":1}}"#, &["a", "b"]),
            (r#"{"contents":[{"uri":"no","text":"a"},{"blob":"no"}]}"#, &["a"]),
            (r#"{"messages":[{"role":"user","content":{"type":"text","text":"a"}}],"description":"no"}"#, &["a"]),
            (r#"{"content":[{"text":"a","text":"b"}]}"#, &["a", "b"]),
            (r#"[1, "no"]"#, &[]),
        ] {
            assert_eq!(texts(outcome), expected, "{outcome}");
        }
        assert!(find("{").is_err());
    }
}
