//! What may be sent, and how much is taken of what comes back.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};

use crate::plugin::outbound_http::{HttpError, HttpResponse, shown};

/// Of one connection, or the host's own business.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const MOST_HEADERS: usize = 100;

/// The method, which must not make a tunnel of the connection.
pub(super) fn method_of(text: &str) -> Result<Method, HttpError> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err(HttpError::Invalid(format!("the method {text} cannot be sent"))),
        Ok(method) => Ok(method),
        Err(_) => Err(HttpError::Invalid(format!("{text:?} is no method"))),
    }
}

/// The headers. Messages hold no values: they may be credentials.
pub(super) fn headers_of(written: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, HttpError> {
    if written.len() > MOST_HEADERS {
        return Err(HttpError::Invalid(format!("more than {MOST_HEADERS} headers")));
    }
    let mut headers = HeaderMap::with_capacity(written.len());
    for (name, value) in written {
        let header: HeaderName =
            name.parse().map_err(|_| HttpError::Invalid(format!("{name:?} is no name of a header")))?;
        if RESERVED.contains(&header.as_str()) {
            return Err(HttpError::Invalid(format!("the header `{header}` is set by the gateway")));
        }
        let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value));
        headers
            .append(&header, value.map_err(|_| HttpError::Invalid(format!("the value of `{header}` is malformed")))?);
    }
    Ok(headers)
}

/// The whole answer, if its body is not longer than `most` bytes.
pub(super) async fn read_response(mut response: Response, most: usize) -> Result<HttpResponse, HttpError> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(HttpError::TooLarge);
    }
    let mut body = Vec::new();
    let url = response.url().clone();
    let broken = |_| HttpError::Failed(format!("{}: the answer broke off", shown(&url)));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > most {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let header = |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), value.as_bytes().to_vec());
    Ok(HttpResponse {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(header).collect(),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_connection_is_refused_without_its_value() {
        for name in ["Host", "connection", "Transfer-Encoding", "Content-Length", "Proxy-Authorization", "a b", ""] {
            let refused = headers_of(vec![(name.to_owned(), b"s3cret".to_vec())]).unwrap_err();
            assert!(
                matches!(&refused, HttpError::Invalid(problem) if !problem.contains("s3cret")),
                "{name}: {refused:?}"
            );
        }
        assert!(headers_of(vec![("X-A".to_owned(), b"a\r\nHost: evil".to_vec())]).is_err());
        assert!(headers_of(vec![("X-A".to_owned(), Vec::new()); 101]).is_err());
        let twice = headers_of(vec![("X-A".to_owned(), b"1".to_vec()), ("x-a".to_owned(), b"2".to_vec())]).unwrap();
        assert_eq!(twice.get_all("x-a").iter().count(), 2);
    }

    #[test]
    fn methods_are_words_and_none_makes_a_tunnel() {
        for good in ["GET", "POST", "PATCH", "REPORT"] {
            assert!(method_of(good).is_ok(), "{good}");
        }
        for bad in ["", "CONNECT", "TRACE", "G T", "GET\r\n"] {
            assert!(method_of(bad).is_err(), "{bad:?}");
        }
    }
}
