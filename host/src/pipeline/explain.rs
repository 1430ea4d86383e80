//! The questions of a walk, asked so that each plugin's answer and its time are kept. The steps
//! and what counts as an answer are those of the deciding methods.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    CallError, Decider, Decision, Denial, InjectedHeader, Item, Pipeline, Principal, Reason, Request, Review, Step,
    UpstreamView, add_headers, current_text,
};

/// What one plugin answered.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// Who was asked.
    pub decider: Decider,
    /// The answer.
    pub answer: StepAnswer,
    /// How long it took.
    pub duration: Duration,
}

/// A plugin's answer, without what only the upstream may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepAnswer {
    /// It may happen; of a guard: as it is.
    Allow,
    /// It may happen, with other arguments.
    Rewrite,
    /// It may not.
    Deny(Reason),
    /// It may happen with these headers, of which the names are told.
    Headers(Vec<String>),
    /// No usable answer, and why; that is a denial unless the plugin fails open.
    Failed {
        /// For administrators.
        problem: String,
        /// Whether it counts as no objection.
        is_passed: bool,
    },
}

impl Pipeline {
    /// Whom [`Pipeline::authenticate`] asks, in order.
    pub fn authenticators(&self) -> Vec<Decider> {
        self.authenticators.iter().map(|step| step.decider.clone()).collect()
    }

    /// As [`Pipeline::select`], but asks every tool-filter.
    pub async fn explain_selection(
        &self,
        request: &Request,
        group: &str,
        item: &Item,
        reports: &mut Vec<StepReport>,
    ) -> Result<(), Denial> {
        let mut outcome = Ok(());
        for step in &self.tool_filters {
            let asking = step.policy.select(request, group, item);
            outcome =
                outcome.and(self.ask(step, asking, reports, of_decision).await.and_then(|answer| hide(step, answer)));
        }
        outcome
    }

    /// As [`Pipeline::authorize`], but asks every authorizer.
    pub async fn explain_authorization(
        &self,
        request: &Request,
        principal: &Principal,
        item: &Item,
        reports: &mut Vec<StepReport>,
    ) -> Result<(), Denial> {
        let mut outcome = Ok(());
        for step in &self.authorizers {
            let asking = step.policy.authorize(request, principal, item);
            outcome =
                outcome.and(self.ask(step, asking, reports, of_decision).await.and_then(|answer| hide(step, answer)));
        }
        outcome
    }

    /// As [`Pipeline::review_arguments`].
    pub async fn explain_arguments(
        &self,
        request: &Request,
        principal: &Principal,
        item: &Item,
        arguments: &str,
        reports: &mut Vec<StepReport>,
    ) -> Result<Option<Bytes>, Denial> {
        let mut rewritten: Option<Bytes> = None;
        for step in &self.argument_guards {
            let current = current_text(rewritten.as_ref(), arguments);
            let asking = step.policy.review_arguments(request, principal, item, current);
            let answer = self.ask(step, asking, reports, |review| match review {
                Review::Pass => StepAnswer::Allow,
                Review::Rewrite(_) => StepAnswer::Rewrite,
                Review::Deny(reason) => StepAnswer::Deny(reason.clone()),
            });
            match answer.await? {
                Some(Review::Rewrite(text)) => rewritten = Some(text),
                Some(Review::Deny(reason)) => return Err(Denial::Refused { by: step.denied(reason) }),
                Some(Review::Pass) | None => {}
            }
        }
        Ok(rewritten)
    }

    /// As [`Pipeline::headers`].
    pub async fn explain_headers(
        &self,
        request: &Request,
        principal: &Principal,
        upstream: UpstreamView<'_>,
        reports: &mut Vec<StepReport>,
    ) -> Result<Vec<InjectedHeader>, Denial> {
        let mut headers = Vec::new();
        for step in &self.header_injectors {
            let asking = step.policy.inject(request, principal, upstream);
            let answer = self.ask(step, asking, reports, |answer| match answer {
                Ok(injected) => StepAnswer::Headers(injected.iter().map(|header| header.name.to_string()).collect()),
                Err(reason) => StepAnswer::Deny(reason.clone()),
            });
            match answer.await? {
                Some(Ok(injected)) => add_headers(&mut headers, injected),
                Some(Err(reason)) => return Err(Denial::Refused { by: step.denied(reason) }),
                None => {}
            }
        }
        Ok(headers)
    }

    /// Asks one step and reports what it said. The answer counts as it does for a decision.
    async fn ask<P: ?Sized, T>(
        &self,
        step: &Step<P>,
        asking: impl Future<Output = Result<T, CallError>>,
        reports: &mut Vec<StepReport>,
        tell: impl FnOnce(&T) -> StepAnswer,
    ) -> Result<Option<T>, Denial> {
        let asked_at = Instant::now();
        let answer = step.metrics.time(asking).await;
        let duration = asked_at.elapsed();
        let told = match &answer {
            Ok(answer) => tell(answer),
            Err(error) => StepAnswer::Failed { problem: error.to_string(), is_passed: step.fail_open },
        };
        reports.push(StepReport { decider: step.decider.clone(), answer: told, duration });
        self.usable(step, None, answer)
    }
}

fn of_decision(decision: &Decision) -> StepAnswer {
    match decision {
        Decision::Allow => StepAnswer::Allow,
        Decision::Deny(reason) => StepAnswer::Deny(reason.clone()),
    }
}

fn hide<P: ?Sized>(step: &Step<P>, decision: Option<Decision>) -> Result<(), Denial> {
    match decision {
        Some(Decision::Deny(reason)) => Err(Denial::Hidden { by: step.denied(reason) }),
        Some(Decision::Allow) | None => Ok(()),
    }
}
