//! Names in paths, bodies and query parameters, read leniently and refused clearly.

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::admin::error::ApiError;
use crate::audit::NamedInBody;
use crate::configuration::without_value;
pub(super) use crate::downstream::NameInPath;

/// The query parameters of a request. Of one that is given twice, the last counts.
pub(super) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// The value of a parameter that is there, be it empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = Query::from_request_parts(parts, state).await;
        parameters
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))
    }
}

/// A JSON body, whatever its `Content-Type` says. Unknown members are ignored.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let RawBody(body) = RawBody::from_request(request, state).await?;
        refuse_list(&body)?;
        serde_json::from_slice(&body).map(Self).map_err(|error| explain(&error))
    }
}

/// A list would be read as the members of an object in their order.
pub(super) fn refuse_list(body: &[u8]) -> Result<(), ApiError> {
    match body.trim_ascii_start().first() {
        Some(b'[') => Err(ApiError::invalid("the request body is a list: it must be a JSON object")),
        _ => Ok(()),
    }
}

/// A body as it came, within the limit.
pub(super) struct RawBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let noted = request.extensions().get::<NamedInBody>().cloned();
        let body = Bytes::from_request(request, state).await;
        if let (Some(noted), Ok(body)) = (noted, &body) {
            noted.note(body);
        }
        body.map(Self).map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))
    }
}

/// Tells a body that is no JSON from one that holds the wrong types.
pub(super) fn explain(error: &serde_json::Error) -> ApiError {
    if error.is_data() {
        // A value may be a secret, and answers are logged by whoever gets them.
        ApiError::invalid(format!("cannot unmarshal the request body: {}", without_value(&error.to_string())))
    } else {
        ApiError::invalid(format!("the request body is not valid JSON: {error}"))
    }
}

/// Reads `null` as the default: our own answers hold it where a member does not apply.
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A parameter that must be there and not be empty.
pub(super) fn required<'p>(parameters: &'p Parameters, name: &str) -> Result<&'p str, ApiError> {
    match parameters.get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(ApiError::invalid(format!("missing '{name}' query parameter"))),
    }
}

/// A parameter that says yes or no; absent means no.
pub(super) fn flag(parameters: &Parameters, name: &str) -> Result<bool, ApiError> {
    match parameters.get(name).map(|value| value.to_ascii_lowercase()).as_deref() {
        None | Some("" | "false" | "0" | "f") => Ok(false),
        Some("true" | "1" | "t") => Ok(true),
        Some(other) => {
            Err(ApiError::invalid(format!("invalid value for '{name}': '{other}' must be 'true' or 'false'")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_read_as_the_documented_spellings() {
        let read = |value: &str| flag(&Parameters(HashMap::from([("force".to_owned(), value.to_owned())])), "force");
        for yes in ["true", "True", "1", "t"] {
            assert!(read(yes).unwrap(), "{yes}");
        }
        for no in ["false", "0", "F", ""] {
            assert!(!read(no).unwrap(), "{no}");
        }
        assert!(read("yes please").is_err());
    }

    #[test]
    fn wrong_types_are_told_from_broken_json() {
        #[derive(Debug, Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "nullable", rename = "name")]
            _name: String,
        }
        let problem = |text: &str| format!("{:?}", explain(&serde_json::from_str::<Body>(text).unwrap_err()));
        assert!(problem(r#"{"name":3}"#).contains("cannot unmarshal"));
        let of_secret =
            format!("{:?}", explain(&serde_json::from_str::<HashMap<String, u8>>(r#"{"a":"s3\"cret"}"#).unwrap_err()));
        assert!(of_secret.contains("invalid type: string, expected u8") && !of_secret.contains("cret"), "{of_secret}");
        assert!(problem(r#"{"name":"#).contains("not valid JSON"));
        assert!(serde_json::from_str::<Body>(r#"{"name":null,"other":1}"#).is_ok());
    }
}
