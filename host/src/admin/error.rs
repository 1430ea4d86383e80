//! Every failure as a status and `{"error": "…"}`: the one place where that is decided.

use std::error::Error;
use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::downstream::plain_error;
use crate::gateway::{ChangeError, PolicyError, RefreshError};
use crate::installation::EditError;
use crate::names::NameError;
use crate::pipeline::{Denial, Stage};
use crate::plugin::LoadError;
use crate::store::StoreError;
use crate::sync::FollowError;
use crate::upstream::UpstreamError;
use crate::walk::{HeaderError, Refusal};

/// What the caller is told.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The status that it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The request is well formed, and a component or what it is run with is not as it must be.
    fn unusable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(super) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this route does not take that method")
    }

    /// Something failed that the caller can do nothing about, or an upstream did.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Something is away that is expected back.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// An item that the caller does not find, be it that there is none or that a policy hides it. Who may ask
    /// which of the two it is, is told how: in both cases, so that this itself says nothing.
    pub(super) fn no_item(message: impl Display, may_ask_why: bool) -> Self {
        let hint = if may_ask_why { ": `mcpjungle explain` says why" } else { "" };
        Self::not_found(format!("{message}{hint}"))
    }

    /// A call that was refused, as [`Self::no_item`] tells it.
    pub(super) fn of_refusal(refusal: Refusal, may_ask_why: bool) -> Self {
        match &refusal {
            Refusal::NotFound { .. } => Self::no_item(refusal, may_ask_why),
            _ => refusal.into(),
        }
    }

    fn policy_unavailable(stage: Stage) -> Self {
        let message = format!("the policy that decides this is unavailable ({stage}): see the gateway's log");
        Self::unavailable(message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        plain_error(self.status, &self.message)
    }
}

impl From<NameError> for ApiError {
    fn from(error: NameError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::AlreadyExists { .. } | StoreError::TokenTaken => Self::conflict(error.to_string()),
            StoreError::AdminIsKept | StoreError::LastAdmin => Self::invalid(error.to_string()),
            // Says which variable to set, to the administrator who can.
            StoreError::Key(_) => Self::failed(with_sources(&error)),
            StoreError::Unreachable(_) => {
                tracing::warn!(error = with_sources(&error), "a change was not made");
                Self::unavailable("the database cannot be reached: nothing was changed; try again when it is back")
            }
            StoreError::Busy(_) => {
                tracing::warn!(error = with_sources(&error), "a change was not made");
                Self::unavailable(format!("{error}: nothing was changed; try again"))
            }
            StoreError::Full(_) => {
                tracing::error!(error = with_sources(&error), "a change was not made");
                Self::unavailable(format!("{error}: nothing was changed; try again when there is space"))
            }
            StoreError::Unconfirmed(_) => {
                tracing::error!(error = with_sources(&error), "a change may or may not have been made");
                Self::unavailable(format!("{error}: look when it is back"))
            }
            StoreError::Unreadable(_) | StoreError::Database(_) => {
                tracing::error!(error = with_sources(&error), "the store failed");
                Self::failed("the database failed: see the gateway's log")
            }
        }
    }
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        tracing::error!(error = with_sources(&error), "a change is stored but not served yet");
        Self::unavailable(
            "the change is stored, but the database could not be read after it: \
             it takes effect as soon as the database answers again",
        )
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidParams(problem) => Self::invalid(problem),
            Refusal::NotFound { .. } => Self::not_found(refusal.to_string()),
            Refusal::Policy(denial) => denial.into(),
            Refusal::Headers(error) => error.into(),
            Refusal::Upstream(error) => error.into(),
            Refusal::Overloaded | Refusal::AuditFull | Refusal::Unrecorded => Self::unavailable(refusal.to_string()),
            Refusal::TaskNotKept | Refusal::BrokenDown => Self::failed(refusal.to_string()),
        }
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unauthenticated { .. } => Self::unauthenticated("missing or invalid access token"),
            Denial::Hidden { .. } => Self::not_found("not found"),
            // The one reason that is meant for the caller.
            Denial::Refused { by } if by.decider.stage == Stage::Guard => Self::forbidden(by.reason.text),
            Denial::Refused { .. } => Self::forbidden("refused by policy"),
            Denial::Unavailable { decider } => Self::policy_unavailable(decider.stage),
        }
    }
}

impl From<HeaderError> for ApiError {
    fn from(error: HeaderError) -> Self {
        tracing::error!(%error, "the injected headers cannot be sent");
        Self::policy_unavailable(Stage::HeaderInjector)
    }
}

impl From<FollowError> for ApiError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Policy(denial) => denial.into(),
            FollowError::Headers(error) => error.into(),
            FollowError::Upstream(error) => error.into(),
            FollowError::Store(error) => error.into(),
            FollowError::Refresh(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Edit(error) => error.into(),
            ChangeError::Policy(error) => error.into(),
            ChangeError::Refresh(error) => error.into(),
            ChangeError::FromFile(_) | ChangeError::NothingToUndo | ChangeError::TooOld | ChangeError::Overtaken => {
                Self::conflict(error.to_string())
            }
            ChangeError::Busy => Self::unavailable(error.to_string()),
        }
    }
}

impl From<EditError> for ApiError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotInstalled(_) => Self::not_found(error.to_string()),
            EditError::AlreadyInstalled(_) | EditError::NoPreviousVersion(_) => Self::conflict(error.to_string()),
            EditError::BadName(_)
            | EditError::ReservedName(_)
            | EditError::NamedTwice(_)
            | EditError::EmptyOrder
            | EditError::NotGranted { .. }
            | EditError::NoChange(_)
            | EditError::SameOrder
            | EditError::SettingsTooLong(_)
            | EditError::SameState { .. } => Self::invalid(error.to_string()),
        }
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Store(error) => error.into(),
            PolicyError::Load(error) => error.into(),
            PolicyError::Plan(_) | PolicyError::NoComponent { .. } => Self::unusable(with_sources(&error)),
        }
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        let wanted = error.missing_grants();
        let flags: Vec<_> = wanted.iter().map(|capability| format!("--grant {}", capability.example())).collect();
        let remedy = match flags.as_slice() {
            [] => String::new(),
            flags => format!(" (`mcpjungle plugin` takes {})", flags.join(" ")),
        };
        Self::unusable(format!("{}{remedy}: nothing was changed", with_sources(&error)))
    }
}

impl From<UpstreamError> for ApiError {
    fn from(error: UpstreamError) -> Self {
        Self::failed(error.to_string())
    }
}

/// An error with what it came from, on one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    // However wordy a cause is.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
