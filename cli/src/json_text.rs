//! JSON text, indented without reading it into values: key order and number spellings stay.

use serde_json::value::RawValue;

/// Indents valid JSON text by two spaces.
pub(crate) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut characters = text.trim().chars().peekable();
    let mut in_string = false;
    while let Some(character) = characters.next() {
        if in_string {
            out.push(character);
            match character {
                '\\' => out.extend(characters.next()),
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                out.push(character);
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(closing) => out.push(closing),
                    None => {
                        depth += 1;
                        break_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// A string without its quotes; anything else as it is.
pub(crate) fn plain(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_keeps_key_order_number_spellings_and_strings() {
        let text = r#" {"z":1.50e+2, "a":[ ],"b":{ },"c":["x:,{}\"\\",12345678901234567890,{"k":null}]} "#;
        insta::assert_snapshot!(pretty(text), @r#"
        {
          "z": 1.50e+2,
          "a": [],
          "b": {},
          "c": [
            "x:,{}\"\\",
            12345678901234567890,
            {
              "k": null
            }
          ]
        }
        "#);
    }

    #[test]
    fn plain_values_stay_as_they_are() {
        for text in ["null", "\"a b\"", "-1.0"] {
            assert_eq!(pretty(text), text);
        }
    }
}
