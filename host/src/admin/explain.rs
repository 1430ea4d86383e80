//! `POST /explain`: what the pipeline would decide about a call, and why. No call is made.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use crate::admin::admission::{Admission, may_administer};
use crate::admin::error::ApiError;
use crate::admin::input::JsonBody;
use crate::gateway::Gateway;
use crate::names::{GroupName, ServerName};
use crate::pipeline::{Endpoint, ItemKind, Mode, Principal, Stage};
use crate::store::IdentityRef;
use crate::upstream::{ClientDeclaration, NoClient};
use crate::walk::{self, Caller};
use crate::{downstream, protocol};

mod answer;
mod question;

use answer::{Answer, StageView, Told, findings};
use question::{Question, Subject};

pub(super) async fn explain(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    JsonBody(question): JsonBody<Question>,
) -> Result<Json<Answer>, ApiError> {
    let subject = question.subject(gateway.mode)?;
    let endpoint = question.endpoint(&subject)?;
    let (method, request) = question.call()?;
    let mut answer = Answer::new(&endpoint);
    answer.stages.push(StageView::authenticators(&gateway.pipeline()));
    let Some(principal) = find_principal(&gateway, &subject) else {
        answer.findings.push(format!("there is no {subject}"));
        answer.refuse(Told::stranger(&endpoint));
        return Ok(Json(answer));
    };
    answer.principal = Some((&principal).into());
    let caller = Caller {
        request: admission.request(endpoint.clone(), method),
        principal: Arc::new(principal),
        client: ClientDeclaration::plain(protocol::ProtocolVersion::LATEST),
        side: Arc::new(NoClient),
        log_level: None,
        reaches_disabled: endpoint == Endpoint::Api,
    };
    if let Some(finding) = missing_endpoint(&gateway, &endpoint) {
        answer.findings.push(finding);
        answer.refuse(Told::missing(&endpoint));
        return Ok(Json(answer));
    }
    let explanation = walk::explain(&gateway, &caller, request).await;
    answer.findings.extend(findings(&gateway.snapshot(), &question, &explanation));
    answer.item = explanation.item.as_ref().map(Into::into);
    answer.stages.extend(explanation.stages.iter().map(|(stage, steps)| StageView::asked(*stage, steps)));
    answer.add_stages_not_reached(matches!(endpoint, Endpoint::Group(_)));
    // Only now: whoever asks why wants to know of the item all the same.
    let is_shown = downstream::shows_endpoint(&gateway, &caller.request, &caller.principal).await.unwrap_or(true);
    match explanation.outcome {
        _ if !is_shown => {
            answer
                .findings
                .push(format!("{} shows {subject} nothing, so it answers as if it were not there", answer.endpoint));
            answer.refuse(Told::missing(&endpoint));
        }
        Ok(server) => answer.allow(&server),
        Err(refusal) => {
            let may_ask_why = may_administer(gateway.mode, caller.principal.kind);
            answer.refuse(Told::refused(&endpoint, refusal, may_ask_why));
        }
    }
    Ok(Json(answer))
}

/// The identity by its name, as the stock authenticator makes a principal of it.
fn find_principal(gateway: &Gateway, subject: &Subject) -> Option<Principal> {
    let snapshot = gateway.snapshot();
    let of = match subject {
        Subject::Anybody => return Some(Principal::anonymous()),
        Subject::Client(name) => IdentityRef::Client(name),
        Subject::User(name) => IdentityRef::User(name),
    };
    snapshot.identities.find(of).map(|record| Principal {
        kind: record.kind.principal_kind(),
        name: record.name.to_string(),
        allow: record.allow.clone(),
        attributes: Vec::new(),
    })
}

fn missing_endpoint(gateway: &Gateway, endpoint: &Endpoint) -> Option<String> {
    let snapshot = gateway.snapshot();
    match endpoint {
        Endpoint::Main | Endpoint::Api => None,
        Endpoint::Group(name) if snapshot.groups.contains_key(name) => None,
        Endpoint::Group(name) => Some(format!("there is no group `{name}`")),
        Endpoint::Server(name) => match snapshot.servers.get(name) {
            None => Some(format!("there is no server `{name}`")),
            Some(server) if !server.enabled => Some(format!("server `{name}` is disabled")),
            Some(_) => None,
        },
    }
}
