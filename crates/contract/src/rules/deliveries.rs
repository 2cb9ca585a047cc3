//! Deliveries: how far the log was delivered to each webhook is kept, and never goes back.

use runledger_domain::Timestamp;
use runledger_ports::{DeliveryState, Duty, Fence, FencedError, WebhookName};

use crate::bench::{Bench, LONG, SHORT};
use crate::fixture::{at, source, text};
use crate::rules::Held;
use crate::rules::log::play;
use crate::store::StoreUnderTest;

pub(super) fn name(name: &str) -> WebhookName {
    text(name)
}

/// A state with something in every field.
pub(super) fn failing(position: u64) -> DeliveryState {
    DeliveryState {
        position,
        failures: 3,
        failing_since: Some(at(5)),
        disabled_at: Some(at(86_405)),
        last_error: Some("answered 500 \"Ärger\0\u{1a}0\u{1a}\"".into()),
    }
}

pub(super) fn working(position: u64) -> DeliveryState {
    DeliveryState {
        position,
        ..DeliveryState::default()
    }
}

fn duty(webhook: &str) -> Duty {
    Duty::Deliver(name(webhook))
}

/// Keeps a state as whoever has the duty to deliver, for as long as that takes.
pub(super) async fn keep(bench: &Bench, webhook: &str, state: DeliveryState) -> Held<DeliveryState> {
    let fence = bench.take(&duty(webhook), "first_server", LONG).await?;
    let deliveries = &bench.store.deliveries;
    let kept = deliveries.keep_delivery(&fence, &name(webhook), state).await;
    let kept = bench.kept("keep_delivery", kept)?;
    bench.end(&fence).await?;
    Ok(kept)
}

async fn enable(bench: &Bench, webhook: &str, at: Timestamp) -> Held<Option<DeliveryState>> {
    let by = source("operator");
    match bench.store.deliveries.enable_delivery(&name(webhook), &by, at).await {
        Ok(state) => Ok(state),
        Err(error) => bench.broken(format!("a healthy store must enable a webhook: {error}")),
    }
}

async fn check(bench: &Bench, what: &str, expected: Vec<(WebhookName, DeliveryState)>) -> Held {
    match bench.store.deliveries.deliveries().await {
        Ok(found) => bench.same(what, &found, &expected),
        Err(error) => bench.broken(format!("the states of a healthy store: {error}")),
    }
}

/// What was kept is read back, all of it; no line and no record comes of it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn the_state_of_a_delivery_is_kept_as_it_is(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("the_state_of_a_delivery_is_kept_as_it_is", store).await;
    play(&bench).await?;
    let lines = bench.lines().await?;
    check(&bench, "the states of a store that kept none", Vec::new()).await?;
    for state in [working(0), failing(7), working(7), working(9)] {
        let kept = keep(&bench, "billing", state.clone()).await?;
        bench.same("the state that is answered", &kept, &state)?;
        check(&bench, "the states", vec![(name("billing"), state)]).await?;
    }
    bench.same("the lines of the log", &bench.lines().await?, &lines)
}

/// A position that is behind the one that is kept does not take its place; what else is said with it does.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_delivery_never_goes_back(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_delivery_never_goes_back", store).await;
    keep(&bench, "billing", working(9)).await?;
    for (state, expected) in [(failing(4), failing(9)), (working(0), working(9))] {
        let kept = keep(&bench, "billing", state).await?;
        bench.same("the state that is answered", &kept, &expected)?;
        check(&bench, "the states", vec![(name("billing"), expected)]).await?;
    }
    Ok(())
}

/// Each name has a state of its own; they come in the order of the names.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn webhooks_do_not_touch_each_other(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("webhooks_do_not_touch_each_other", store).await;
    for (webhook, state) in [
        ("c", working(3)),
        ("a", failing(5)),
        ("A", working(1)),
        ("a", failing(6)),
    ] {
        keep(&bench, webhook, state).await?;
    }
    let expected = vec![
        (name("A"), working(1)),
        (name("a"), failing(6)),
        (name("c"), working(3)),
    ];
    check(&bench, "the states of three webhooks", expected).await
}

/// Who enables a webhook that was disabled has it go on where it was, with a line that says so; one that was not disabled
/// stays as it is, and has its line too.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn enabling_lets_a_webhook_go_on_and_leaves_a_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("enabling_lets_a_webhook_go_on_and_leaves_a_line", store).await;
    let tried = DeliveryState {
        disabled_at: None,
        ..failing(3)
    };
    let (disabled, by) = (failing(7), source("operator"));
    keep(&bench, "disabled", disabled.clone()).await?;
    keep(&bench, "other", failing(2)).await?;
    keep(&bench, "tried", tried.clone()).await?;
    let cases = [
        ("disabled", disabled, working(7)),
        ("disabled", working(7), working(7)),
        ("tried", tried.clone(), tried.clone()),
    ];
    let mut lines = Vec::new();
    for ((webhook, stood, expected), asked) in cases.into_iter().zip(90_000..) {
        lines.push(name(webhook).line_of_enabling(Some(&stood), &by, at(asked)));
        let found = enable(&bench, webhook, at(asked)).await?;
        bench.same("how it stood, as is answered", &found, &Some(stood))?;
        let states = bench.store.deliveries.deliveries().await;
        let states = states.map(|states| states.into_iter().find(|(known, _)| *known == name(webhook)));
        bench.same("the state", &states, &Ok(Some((name(webhook), expected))))?;
    }
    let expected = vec![
        (name("disabled"), working(7)),
        (name("other"), failing(2)),
        (name("tried"), tried),
    ];
    check(&bench, "the states", expected).await?;
    let found: Vec<_> = bench.lines().await?.into_iter().map(|line| line.line).collect();
    bench.same("the lines", &found, &lines)
}

/// Enabling a webhook that there is not makes none, and is a refusal in the log.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn enabling_what_is_not_there_makes_no_webhook(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("enabling_what_is_not_there_makes_no_webhook", store).await;
    bench.same("the answer", &enable(&bench, "nowhere", at(5)).await?, &None)?;
    check(&bench, "the states", Vec::new()).await?;
    let lines: Vec<_> = bench.lines().await?.into_iter().map(|line| line.line).collect();
    let refused = name("nowhere").line_of_enabling(None, &source("operator"), at(5));
    bench.same("the lines", &lines, &vec![refused])
}

/// After a restart every state is there, and still does not go back.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_restart_keeps_every_delivery(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_restart_keeps_every_delivery", store).await;
    keep(&bench, "one", working(4)).await?;
    keep(&bench, "two", failing(5)).await?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    let kept = vec![(name("one"), working(4)), (name("two"), failing(5))];
    check(&bench, "the states after a restart", kept).await?;
    let kept = keep(&bench, "one", working(2)).await?;
    bench.same("a state that went back after a restart", &kept, &working(4))
}

/// What was answered as kept survives a crash.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_crash_takes_back_no_delivery(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_crash_takes_back_no_delivery", store).await;
    keep(&bench, "one", working(1)).await?;
    keep(&bench, "one", working(4)).await?;
    let Ok(bench) = bench.crash().await else {
        return Ok(());
    };
    check(&bench, "the states after a crash", vec![(name("one"), working(4))]).await
}

/// A state whose commit has an unknown outcome is not answered as kept, and a webhook not as enabled.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_delivery_in_doubt_is_not_answered_as_kept(store: &dyn StoreUnderTest) -> Held {
    for asked in [Asked::Keep, Asked::Enable] {
        let bench = Bench::open("a_delivery_in_doubt_is_not_answered_as_kept", store).await;
        keep(&bench, "billing", failing(4)).await?;
        let fence = bench.take(&duty("billing"), "first_server", LONG).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        let answer = asked.of(&bench, &fence).await;
        bench.holds(answer.is_err(), || format!("in doubt it was answered: {answer:?}"))?;
    }
    Ok(())
}

/// What was in doubt was done, all of it and with its line, or nothing of it was; asked for again, it is done.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_delivery_in_doubt_is_settled_by_a_retry(store: &dyn StoreUnderTest) -> Held {
    for asked in [Asked::Keep, Asked::Enable] {
        let bench = Bench::open("a_delivery_in_doubt_is_settled_by_a_retry", store).await;
        keep(&bench, "billing", failing(4)).await?;
        let fence = bench.take(&duty("billing"), "first_server", SHORT).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        let _in_doubt = asked.of(&bench, &fence).await;
        let Ok(bench) = bench.reopen().await else {
            return Ok(());
        };
        let (done, states) = (asked.done(), bench.store.deliveries.deliveries().await);
        let was_done = states == Ok(vec![(name("billing"), done.clone())]);
        let was_not = states == Ok(vec![(name("billing"), failing(4))]);
        bench.holds(was_done || was_not, || format!("it was done in part: {states:?}"))?;
        let lines = bench.lines().await?.len();
        let expected = usize::from(was_done && matches!(asked, Asked::Enable));
        bench.same("the lines of what was in doubt", &lines, &expected)?;
        // Who enables is told how the webhook stood, which says what became of the first time.
        let answer = match asked {
            Asked::Enable if was_not => failing(4),
            Asked::Enable | Asked::Keep => done.clone(),
        };
        let fence = bench.take_over(&duty("billing"), "second_server", LONG).await?;
        let again = asked.of(&bench, &fence).await;
        bench.same("the answer to a retry", &again, &Ok(Some(answer)))?;
        check(&bench, "the states after a retry", vec![(name("billing"), done)]).await?;
    }
    Ok(())
}

/// What is asked of a webhook that stands at line 4, disabled.
#[derive(Clone, Copy)]
enum Asked {
    Keep,
    Enable,
}

impl Asked {
    async fn of(self, bench: &Bench, fence: &Fence) -> Result<Option<DeliveryState>, FencedError> {
        let (deliveries, webhook) = (&bench.store.deliveries, name("billing"));
        match self {
            Self::Keep => deliveries.keep_delivery(fence, &webhook, self.done()).await.map(Some),
            Self::Enable => {
                let enabled = deliveries.enable_delivery(&webhook, &source("operator"), at(5)).await;
                Ok(enabled?)
            }
        }
    }

    fn done(self) -> DeliveryState {
        working(match self {
            Self::Keep => 9,
            Self::Enable => 4,
        })
    }
}
