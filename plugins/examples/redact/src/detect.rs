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
    /// A block from `-----BEGIN … PRIVATE KEY-----` to its end.
    PrivateKey,
    /// What follows the word `Bearer`, if it is at least 16 characters long.
    BearerToken,
    /// A JSON Web Token.
    Jwt,
    /// The number of a payment card, in groups or not, whose check digit is right.
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
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            at += 1;
            // All of them begin with one of these.
            let may_begin = matches!(bytes[start], b'A' | b'g' | b'-' | b'b' | b'B' | b'e' | b'0'..=b'9');
            if !may_begin || (start > 0 && is_word(bytes[start - 1])) {
                continue;
            }
            let found = kinds.iter().find_map(|kind| Some((kind.begins(&bytes[start..])?, *kind)));
            if let Some((place, kind)) = found {
                at = start + place.end;
                return Some((start + place.start..at, kind));
            }
        }
        None
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
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
    let is_key = label[..length].ends_with(b"PRIVATE KEY") && label[length..].starts_with(b"-----");
    if !is_key {
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

fn jwt(rest: &[u8]) -> Option<Range<usize>> {
    let part = |bytes: &[u8]| run(bytes, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    // What every JSON object that begins with a name looks like in base64.
    if !rest.starts_with(b"eyJ") {
        return None;
    }
    let header = part(rest);
    let claims = part(rest.get(header..)?.strip_prefix(b".")?);
    let begin = header + 1 + claims;
    let signature = part(rest.get(begin..)?.strip_prefix(b".")?);
    (header >= 10 && claims >= 10).then_some(0..begin + 1 + signature)
}

fn credit_card(rest: &[u8]) -> Option<Range<usize>> {
    let mut digits = Vec::with_capacity(19);
    let mut end = 0;
    for (place, &byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits.len() == 19 => return None,
            b'0'..=b'9' => {
                digits.push(u32::from(byte - b'0'));
                end = place + 1;
            }
            // One between two digits groups them.
            b' ' | b'-' if end == place && end > 0 => {}
            byte if is_word(byte) && end == place => return None,
            _ => break,
        }
    }
    // Cards begin with 2 to 6, and 3 for some with 14 or 15 digits.
    let is_card = (13..=19).contains(&digits.len()) && (2..=6).contains(&digits[0]) && passes_luhn(&digits);
    is_card.then_some(0..end)
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
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
