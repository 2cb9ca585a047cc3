//! Tokens: kept once, ended for good, each with its line.

use runledger_domain::access::{Grant, Scope, TokenChange, TokenEnd, TokenRecord, TokenSeed, TokenText};
use runledger_domain::{Action, Timestamp};
use runledger_ports::TokenStoreError;

use crate::bench::Bench;
use crate::fixture::{at, source, text};
use crate::rules::Held;
use crate::store::StoreUnderTest;

fn token_text(number: u8) -> TokenText {
    let mut seed: TokenSeed = [7; 52];
    seed[0] = number;
    TokenText::from_seed(&seed)
}

pub(super) fn token(number: u8, name: &str) -> TokenRecord {
    let sources = [source("orchestrator"), source("batch_process")];
    let grant = Grant::new(sources, [Scope::Create, Scope::Read])
        .and_then(|grant| grant.limited_to([text("acme"), text("Guy-Wilson")]))
        .expect("the suite's grants make sense");
    TokenRecord::new(
        &token_text(number),
        text(name),
        grant,
        source("token_desk"),
        at(1),
        Some(at(900)),
    )
}

pub(super) async fn kept(bench: &Bench) -> Held<Vec<TokenRecord>> {
    match bench.store.tokens.tokens().await {
        Ok(tokens) => Ok(tokens),
        Err(error) => bench.broken(format!("tokens of a healthy store: {error}")),
    }
}

pub(super) async fn add(bench: &Bench, token: TokenRecord) -> Held {
    match bench.store.tokens.add_token(token).await {
        Ok(()) => Ok(()),
        Err(error) => bench.broken(format!("a new token must be added: {error}")),
    }
}

pub(super) async fn end(
    bench: &Bench,
    token: &TokenRecord,
    change: TokenChange,
    asked: Timestamp,
) -> Held<TokenRecord> {
    let by = source("token_desk");
    match bench.store.tokens.end_token(token.id(), change, &by, asked).await {
        Ok(token) => Ok(token),
        Err(error) => bench.broken(format!("a token that is there must be ended: {error}")),
    }
}

/// A token is kept as it is, once, with its line; another with its id changes nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_token_is_added_once_with_its_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_token_is_added_once_with_its_line", store).await;
    let (second, first) = (token(2, "second"), token(1, "first"));
    add(&bench, second.clone()).await?;
    add(&bench, first.clone()).await?;
    let again = bench.store.tokens.add_token(token(1, "another")).await;
    let id = first.id().clone();
    bench.same("a token with a known id", &again, &Err(TokenStoreError::Taken { id }))?;
    bench.same("the tokens", &kept(&bench).await?, &vec![first.clone(), second.clone()])?;
    let lines: Vec<_> = bench.lines().await?.into_iter().map(|line| line.line).collect();
    bench.same(
        "the lines",
        &lines,
        &vec![second.line_of_creation(), first.line_of_creation()],
    )?;
    let known = kept(&bench).await?.iter().any(|token| token.is(&token_text(1)));
    bench.holds(known, || "a kept token must know its own secret".to_owned())
}

/// An ended token stays ended, whatever comes later, and every end has its line.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_ended_token_stays_ended(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_ended_token_stays_ended", store).await;
    let token = token(1, "first");
    add(&bench, token.clone()).await?;
    let changes = [
        TokenChange::EndAt { at: at(50) },
        TokenChange::EndAt { at: at(800) },
        TokenChange::Revoke { at: at(10) },
        TokenChange::Revoke { at: at(20) },
        TokenChange::EndAt { at: at(60) },
    ];
    let mut expected = token.clone();
    let mut lines = vec![token.line_of_creation()];
    for (change, asked) in changes.into_iter().zip(2..) {
        expected = expected.after(change);
        lines.push(expected.line_of_end(change, &source("token_desk"), at(asked)));
        bench.same("the token", &end(&bench, &token, change, at(asked)).await?, &expected)?;
    }
    bench.same("its end", &expected.end(at(0)), &Some(TokenEnd::Revoked { at: at(10) }))?;
    bench.same("the tokens", &kept(&bench).await?, &vec![expected])?;
    let kept_lines: Vec<_> = bench.lines().await?.into_iter().map(|line| line.line).collect();
    bench.same("the lines", &kept_lines, &lines)
}

/// Ending a token that is not there makes none, and is a refusal in the log.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn ending_what_is_not_there_makes_no_token(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("ending_what_is_not_there_makes_no_token", store).await;
    let id = token(1, "first").id().clone();
    let change = TokenChange::Revoke { at: at(5) };
    let by = source("token_desk");
    let ended = bench.store.tokens.end_token(&id, change, &by, at(5)).await;
    let missing = TokenStoreError::Missing { id: id.clone() };
    bench.same("the answer", &ended, &Err(missing))?;
    bench.same("the tokens", &kept(&bench).await?, &Vec::new())?;
    let lines: Vec<_> = bench.lines().await?.into_iter().map(|line| line.line).collect();
    bench.same("the lines", &lines, &vec![id.line_of_absence(&by, at(5))])
}

/// After a restart every token is there, and ended ones are ended.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_restart_keeps_every_token(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_restart_keeps_every_token", store).await;
    let (one, two) = (token(1, "one"), token(2, "two"));
    add(&bench, one.clone()).await?;
    add(&bench, two.clone()).await?;
    let revoke = TokenChange::Revoke { at: at(5) };
    let one = end(&bench, &one, revoke, at(5)).await?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same("the tokens after a restart", &kept(&bench).await?, &vec![one, two])?;
    let actions: Vec<_> = bench.lines().await?.iter().map(|line| line.line.action).collect();
    let expected = vec![Action::CreateToken, Action::CreateToken, Action::EndToken];
    bench.same("the lines after a restart", &actions, &expected)
}
