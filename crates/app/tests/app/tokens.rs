//! Who asks: an open ledger, tokens that count and tokens that do not, and doubt that lets nobody in.

use std::sync::Arc;
use std::time::Duration;

use mockall::mock;
use runledger_app::{IdentityError, Ledger, NewToken, Registry, TokenWriteError};
use runledger_domain::access::{Access, Grant, Scope, TokenChange, TokenEnd, TokenId, TokenRecord};
use runledger_domain::{CreationPolicy, Source, Timestamp};
use runledger_memory::MemoryStore;
use runledger_ports::{ActivityFilter, PageSize, RunReader, TokenStore, TokenStoreError, Unavailable};

use crate::{Stopped, ledger, ports, source};

const NIGHT: &str = "2025-09-25T23:18:41Z";

mock! {
    Store {}
    #[async_trait::async_trait]
    impl TokenStore for Store {
        async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable>;
        async fn add_token(&self, token: TokenRecord) -> Result<(), TokenStoreError>;
        async fn end_token(
            &self,
            id: &TokenId,
            change: TokenChange,
            by: &Source,
            at: Timestamp,
        ) -> Result<TokenRecord, TokenStoreError>;
    }
}

fn reader(expires_at: Option<Timestamp>) -> NewToken {
    NewToken {
        name: "dashboard".parse().unwrap(),
        grant: Grant::new([], [Scope::Read]).unwrap(),
        expires_at,
    }
}

#[tokio::test]
async fn a_ledger_is_open_until_it_has_its_first_token_and_never_again() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let desk = source("token_desk");
    assert_eq!(ledger.tokens.identify(None).await.unwrap().access, Access::Unlimited);
    let made = ledger.tokens.create(&desk, reader(None)).await.unwrap();
    assert_eq!(ledger.tokens.identify(None).await, Err(IdentityError::Missing));
    let known = ledger.tokens.identify(Some(made.text.reveal())).await.unwrap();
    assert_eq!(known.access, Access::Granted(made.record.grant().clone()));
    assert_eq!(known.token.as_ref(), Some(made.record.id()));
    let _ = ledger.tokens.revoke(&desk, made.record.id()).await.unwrap();
    let ended = ledger.tokens.identify(Some(made.text.reveal())).await.unwrap_err();
    assert!(matches!(
        ended,
        IdentityError::Ended {
            end: TokenEnd::Revoked { .. },
            ..
        }
    ));
    assert_eq!(ledger.tokens.identify(None).await, Err(IdentityError::Missing));
    let again = crate::ledger(&store, &clock);
    assert_eq!(
        again.tokens.identify(None).await,
        Err(IdentityError::Missing),
        "after a restart"
    );
}

#[tokio::test]
async fn a_token_of_another_ledger_is_nobodys() {
    let (one, other, clock) = (
        Arc::new(MemoryStore::new()),
        Arc::new(MemoryStore::new()),
        Stopped::at(NIGHT),
    );
    let (one, other) = (ledger(&one, &clock), ledger(&other, &clock));
    let desk = source("token_desk");
    let _ours = one.tokens.create(&desk, reader(None)).await.unwrap();
    let _first = other.tokens.create(&desk, reader(None)).await.unwrap();
    let theirs = other.tokens.create(&desk, reader(None)).await.unwrap();
    assert_eq!(
        one.tokens.identify(Some(theirs.text.reveal())).await,
        Err(IdentityError::Unknown)
    );
    let half = &theirs.text.reveal()[..40];
    assert!(matches!(
        one.tokens.identify(Some(half)).await,
        Err(IdentityError::Malformed(_))
    ));
}

#[tokio::test]
async fn a_token_expires_and_a_rotated_one_counts_for_the_overlap() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let desk = source("token_desk");
    let night: Timestamp = NIGHT.parse().unwrap();
    let past = ledger.tokens.create(&desk, reader(Some(night))).await.unwrap_err();
    assert_eq!(past, TokenWriteError::ExpiresAtOnce);
    let until = night.saturating_add(Duration::from_secs(100));
    let old = ledger.tokens.create(&desk, reader(Some(until))).await.unwrap();
    let new = ledger
        .tokens
        .rotate(&desk, old.record.id(), Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(new.record.grant(), old.record.grant());
    clock.go_on(9);
    assert!(ledger.tokens.identify(Some(old.text.reveal())).await.is_ok());
    clock.go_on(1);
    let ended = ledger.tokens.identify(Some(old.text.reveal())).await.unwrap_err();
    assert!(matches!(
        ended,
        IdentityError::Ended {
            end: TokenEnd::Expired { .. },
            ..
        }
    ));
    assert!(ledger.tokens.identify(Some(new.text.reveal())).await.is_ok());
    let twice = ledger.tokens.rotate(&desk, old.record.id(), Duration::ZERO).await;
    assert!(matches!(twice, Err(TokenWriteError::AlreadyEnded { .. })));
    clock.go_on(90);
    assert!(ledger.tokens.identify(Some(new.text.reveal())).await.is_err());
}

#[tokio::test]
async fn i6_every_token_made_and_ended_has_its_line_and_no_line_has_a_secret() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let desk = source("token_desk");
    let made = ledger.tokens.create(&desk, reader(None)).await.unwrap();
    let _ = ledger.tokens.revoke(&desk, made.record.id()).await.unwrap();
    let log = store
        .activity(&ActivityFilter::default(), None, PageSize::default())
        .await
        .unwrap();
    let actions: Vec<_> = log.lines.iter().map(|line| line.line.action.as_str()).collect();
    assert_eq!(actions, ["create_token", "end_token"]);
    let secret = &made.text.reveal()[17..];
    assert!(log.lines.iter().all(|line| !line.line.detail.contains(secret)));
}

#[tokio::test]
async fn i10_while_the_tokens_cannot_be_read_nobody_is_let_in() {
    let store = Arc::new(MemoryStore::new());
    let mut tokens = MockStore::new();
    tokens.expect_tokens().times(2).returning(|| Err(Unavailable::Busy));
    tokens.expect_tokens().times(1).returning(|| Ok(Vec::new()));
    let mut ports = ports(&store, &Stopped::at(NIGHT));
    ports.tokens = Arc::new(tokens);
    let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(10, true));
    for _ in 0..2 {
        let refused = ledger.tokens.identify(None).await;
        assert_eq!(refused, Err(IdentityError::Unavailable(Unavailable::Busy)));
    }
    assert_eq!(ledger.tokens.identify(None).await.unwrap().access, Access::Unlimited);
}
