//! What known secrets look like. Written out rather than as regular expressions: one pass over the text finds all of
//! them, which keeps a result of a megabyte within the deadline.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

/// A kind of secret that is known by its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Secret {
    /// An access key id of AWS: `AKIA…` or `ASIA…`.
    AwsKey,
    /// A token of GitHub: `ghp_…`, `gho_…`, `ghu_…`, `ghs_…`, `ghr_…` or `github_pat_…`.
    GithubToken,
    /// A block from `-----BEGIN … PRIVATE KEY-----` or `-----BEGIN PGP PRIVATE KEY BLOCK-----` to its end.
    PrivateKey,
    /// What follows the word `Bearer`, if it is at least 16 characters long.
    BearerToken,
    /// A JSON Web Token.
    Jwt,
    /// The number of a payment card whose check digit is right, in one piece or in groups of three digits or more.
    CreditCard,
}

impl Secret {
    pub(crate) const ALL: [Self; 6] =
        [Self::AwsKey, Self::GithubToken, Self::PrivateKey, Self::BearerToken, Self::Jwt, Self::CreditCard];

    /// As in the settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AwsKey => "aws-key",
            Self::GithubToken => "github-token",
            Self::PrivateKey => "private-key",
            Self::BearerToken => "bearer-token",
            Self::Jwt => "jwt",
            Self::CreditCard => "credit-card",
        }
    }

    /// Where the secret is, if one of this kind begins at `start`, relative to it.
    fn begins(self, rest: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::AwsKey => aws_key(rest),
            Self::GithubToken => github_token(rest),
            Self::PrivateKey => private_key(rest),
            Self::BearerToken => bearer_token(rest),
            Self::Jwt => jwt(rest),
            Self::CreditCard => credit_card(rest),
        }
    }
}

/// All secrets of these kinds, in order, not overlapping. They begin where no word goes on.
pub(crate) fn find<'a>(text: &'a str, kinds: &'a [Secret]) -> impl Iterator<Item = (Range<usize>, Secret)> + 'a {
    let bytes = text.as_bytes();
    let mut at = 0;
    // Where the run of characters ends in which no JSON Web Token begins. Each `-` in it is followed by what could be
    // the beginning of one, and reading the rest of the run again at each would take too long.
    let mut no_jwt_before = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            at += 1;
            // All of them begin with one of these.
            let may_begin = matches!(bytes[start], b'A' | b'g' | b'-' | b'b' | b'B' | b'e' | b'0'..=b'9');
            if !may_begin || !is_boundary(bytes, start) {
                continue;
            }
            let rest = &bytes[start..];
            let mut fitting = kinds.iter().filter(|&&kind| kind != Secret::Jwt || start >= no_jwt_before);
            if let Some((place, kind)) = fitting.find_map(|kind| Some((kind.begins(rest)?, *kind))) {
                at = start + place.end;
                return Some((start + place.start..at, kind));
            }
            if start >= no_jwt_before && rest.starts_with(JWT) {
                no_jwt_before = start + run(rest, is_base64url);
            }
        }
        None
    })
}

/// Whether a secret may begin at `start`: no word goes on there.
fn is_boundary(bytes: &[u8], start: usize) -> bool {
    let before = &bytes[..start];
    // A block begins wherever its five dashes are.
    bytes[start] == b'-' || before.last().is_none_or(|&byte| !is_word(byte)) || ends_with_escape(before)
}

/// Whether this ends with what stands for another character where text is JSON, part of a URL, or a literal of some
/// language: tools return all of these as text.
fn ends_with_escape(before: &[u8]) -> bool {
    let is_hex_after = |mark: &[u8], digits: usize| {
        let Some(place) = before.len().checked_sub(digits) else { return false };
        let (rest, hex) = before.split_at(place);
        rest.ends_with(mark) && hex.iter().all(u8::is_ascii_hexdigit)
    };
    matches!(before, [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'])
        || is_hex_after(b"%", 2)
        || is_hex_after(b"\\x", 2)
        || is_hex_after(b"\\u", 4)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_base64url(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// How many bytes from the beginning are of a kind.
fn run(bytes: &[u8], is_of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !is_of(byte)).unwrap_or(bytes.len())
}

fn aws_key(rest: &[u8]) -> Option<Range<usize>> {
    let is_key = rest.starts_with(b"AKIA") || rest.starts_with(b"ASIA");
    (is_key && run(rest, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) == 20).then_some(0..20)
}

fn github_token(rest: &[u8]) -> Option<Range<usize>> {
    if rest.starts_with(b"github_pat_") {
        let length = run(rest, is_word);
        return (length >= 40).then_some(0..length);
    }
    let [b'g', b'h', b'p' | b'o' | b'u' | b's' | b'r', b'_', token @ ..] = rest else { return None };
    let length = run(token, is_word);
    (length >= 36).then_some(0..4 + length)
}

fn private_key(rest: &[u8]) -> Option<Range<usize>> {
    let label = rest.strip_prefix(b"-----BEGIN ")?;
    let length = run(label, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let (label, behind) = label.split_at(length);
    let is_key = label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK");
    if !is_key || !behind.starts_with(b"-----") {
        return None;
    }
    // A block that is cut off is a secret up to the end.
    let begin = b"-----BEGIN ".len() + length + 5;
    let end = rest[begin..].windows(9).position(|window| window == b"-----END ");
    let end = end.map_or(rest.len(), |at| {
        let label = begin + at + 9;
        let close = rest[label..].windows(5).position(|window| window == b"-----");
        close.map_or(rest.len(), |close| label + close + 5)
    });
    Some(0..end)
}

fn bearer_token(rest: &[u8]) -> Option<Range<usize>> {
    let (word, after) = rest.split_at_checked(6)?;
    let spaces = run(after, |byte| byte == b' ');
    if !word.eq_ignore_ascii_case(b"bearer") || spaces == 0 {
        return None;
    }
    let token = &after[spaces..];
    let length = run(token, |byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    // A sentence may end behind it.
    let length = length - token[..length].iter().rev().take_while(|&&byte| byte == b'.').count();
    let start = 6 + spaces;
    (length >= 16).then_some(start..start + length)
}

/// What every JSON object that begins with a name looks like in base64.
const JWT: &[u8] = b"eyJ";

fn jwt(rest: &[u8]) -> Option<Range<usize>> {
    if !rest.starts_with(JWT) {
        return None;
    }
    let header = run(rest, is_base64url);
    let claims = run(rest.get(header..)?.strip_prefix(b".")?, is_base64url);
    let begin = header + 1 + claims;
    let signature = run(rest.get(begin..)?.strip_prefix(b".")?, is_base64url);
    (header >= 10 && claims >= 10).then_some(0..begin + 1 + signature)
}

/// The longest number of a card that ends with a group: further digits may follow it, such as its date.
fn credit_card(rest: &[u8]) -> Option<Range<usize>> {
    let mut digits = Vec::with_capacity(19);
    let mut end = 0;
    let mut card = None;
    while digits.len() < 19 {
        let group = run(&rest[end..], |byte| byte.is_ascii_digit());
        // Smaller numbers in a row are a date or a table, of which one in ten would have the right check digit.
        let least = if digits.is_empty() { 4 } else { 3 };
        if group < least || digits.len() + group > 19 {
            break;
        }
        digits.extend(rest[end..end + group].iter().map(|byte| u32::from(byte - b'0')));
        end += group;
        match rest.get(end) {
            Some(&byte) if is_word(byte) => break,
            _ if is_card(&digits) => card = Some(0..end),
            _ => {}
        }
        // One between two digits groups them.
        match rest.get(end) {
            Some(b' ' | b'-') => end += 1,
            _ => break,
        }
    }
    card
}

/// Cards begin with 2 to 6, and 3 for some with 14 or 15 digits.
fn is_card(digits: &[u32]) -> bool {
    (13..=19).contains(&digits.len()) && (2..=6).contains(&digits[0]) && passes_luhn(digits)
}

/// The check digit of ISO/IEC 7812.
fn passes_luhn(digits: &[u32]) -> bool {
    let weigh = |(place, &digit): (usize, &u32)| match (place % 2, digit * 2) {
        (0, _) => digit,
        (_, doubled) if doubled > 9 => doubled - 9,
        (_, doubled) => doubled,
    };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::{Secret, find};

    fn found(text: &str) -> Vec<(&str, &'static str)> {
        find(text, &Secret::ALL).map(|(place, kind)| (&text[place], kind.name())).collect()
    }

    #[test]
    fn each_kind_of_secret_is_found_by_its_looks() {
        let github = format!("ghp_{}", "a1".repeat(18));
        let fine = format!("github_pat_{}", "Ab_1".repeat(10));
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.c2ln";
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        for (text, expected) in [
            ("AKIAIOSFODNN7EXAMPLE", vec![("AKIAIOSFODNN7EXAMPLE", "aws-key")]),
            ("xAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLEX AKIA", vec![]),
            (&format!("token={github}."), vec![(github.as_str(), "github-token")]),
            (&fine, vec![(fine.as_str(), "github-token")]),
            ("ghp_short ghx_", vec![]),
            (&format!("a {key} b"), vec![(key, "private-key")]),
            (&key[..40], vec![(&key[..40], "private-key")]),
            ("-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----", vec![]),
            ("authorization: bearer abcdefghijkl1234.", vec![("abcdefghijkl1234", "bearer-token")]),
            ("Bearer of bad news", vec![]),
            (&format!("({jwt})"), vec![(jwt, "jwt")]),
            ("eyJhbGciOiJub25lIn0.no", vec![]),
            ("pay 4111 1111 1111 1111 now", vec![("4111 1111 1111 1111", "credit-card")]),
            (
                "5500-0055-5555-5559, 378282246310005",
                vec![("5500-0055-5555-5559", "credit-card"), ("378282246310005", "credit-card")],
            ),
            ("4111111111111112 1234567812345670 41111111111111111111111", vec![]),
            ("é AKIAIOSFODNN7EXAMPLE é", vec![("AKIAIOSFODNN7EXAMPLE", "aws-key")]),
            ("2026-11-21 14-03-09", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_begins_behind_an_escape() {
        let key = "AKIAIOSFODNN7EXAMPLE";
        for before in [r"\n", r"\r", r"\t", r"\\n", r"\u000a", r"\u0022", r"\x0a", "%0A", "%3D"] {
            let text = format!("{key}{before}{key}");
            assert_eq!(found(&text), [(key, "aws-key"); 2], "{text}");
        }
        for before in ["n", "u000a", "xn", "x0a", r"\q", r"\u00g0", "%3", "0A"] {
            let text = format!("{before}{key}");
            assert_eq!(found(&text), [], "{text}");
        }
        let card = "4111111111111111";
        assert_eq!(found(&format!(r"card%20{card}\n")), [(card, "credit-card")]);
    }

    #[test]
    fn a_private_key_begins_and_ends_at_its_dashes() {
        let key = r"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";
        let block = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END PGP PRIVATE KEY BLOCK-----";
        let certificate = r"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
        for (text, expected) in [
            (format!(r"{certificate}\n{key}\n"), key),
            (format!("{certificate}{key}"), key),
            (format!("key{key}"), key),
            (block.to_owned(), block),
        ] {
            assert_eq!(found(&text), [(expected, "private-key")], "{text}");
        }
        assert_eq!(found("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ\n-----END PGP PUBLIC KEY BLOCK-----"), []);
    }

    #[test]
    fn a_card_is_found_beside_other_digits() {
        let card = "4111 1111 1111 1111";
        for (text, expected) in [
            ("4111 1111 1111 1111 12/27", vec![card]),
            ("4111 1111 1111 1111 123", vec![card]),
            ("1 4111 1111 1111 1111", vec![card]),
            ("4111 1111 1111 1111 4111 1111 1111 1111", vec![card, card]),
            ("4111111111111111 737", vec!["4111111111111111"]),
            ("4111-1111-1111-1111-2027", vec!["4111-1111-1111-1111"]),
            ("4222 222 222 222", vec!["4222 222 222 222"]),
            ("6304 0000 0000 0000 000", vec!["6304 0000 0000 0000 000"]),
            ("4111 1111 1111 1111a", vec![]),
        ] {
            let places: Vec<_> = found(text).into_iter().map(|(place, _)| place).collect();
            assert_eq!(places, expected, "{text}");
        }
    }

    #[test]
    fn what_could_be_the_beginning_of_many_tokens_is_read_once() {
        // Reading to the end from each of them would take very long.
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.c2ln";
        let text = format!("{}.{} {jwt}", "eyJ-".repeat(250_000), "eyJ-".repeat(250_000));
        assert_eq!(found(&text), [(jwt, "jwt")]);
    }
}
