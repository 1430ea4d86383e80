//! `GET /users/whoami`: who the authenticators say is asking.

use axum::{Extension, Json};

use crate::admin::admission::Admission;
use crate::admin::users::UserView;
use crate::identity::Role;
use crate::pipeline::PrincipalKind;

pub(in crate::admin) async fn whoami(Extension(admission): Extension<Admission>) -> Json<UserView> {
    let role = match admission.principal.kind {
        PrincipalKind::Admin => Role::Admin,
        // Nobody else but users gets here.
        PrincipalKind::User | PrincipalKind::Anonymous | PrincipalKind::Client | PrincipalKind::Gateway => Role::User,
    };
    Json(UserView { username: admission.principal.name.clone(), role: role.as_str() })
}
