//! What is kept beside records: lines of the log with their hashes, and tokens. What this version writes, every later
//! version reads, and a line that was chained once has the same hash for ever (I6, I17).

use std::fmt::Write as _;

use runledger_domain::access::{Grant, Scope, TokenChange, TokenRecord, TokenText};
use runledger_domain::activity::{Action, Activity, ChainHash, ChainHead, NewActivity, Subject, Verdict};

use crate::second;

const LINES: &str = include_str!("activity-v1.tsv");
const TOKENS: &str = include_str!("token-v1.json");

/// A line of every kind, with something and with nothing in every field.
fn lines() -> Vec<NewActivity> {
    let verdicts = [
        Verdict::Created,
        Verdict::Replayed,
        Verdict::Changed,
        Verdict::Unchanged,
        Verdict::Refused("not_found".into()),
        Verdict::Refused("idempotency_key_reused".into()),
    ];
    let line = |(place, action): (usize, Action)| NewActivity {
        at: second(i64::try_from(place).unwrap() * 86_400 - 1),
        action,
        source: ["orchestrator", "", "Zoë"][place % 3].into(),
        subject: Subject {
            run: ["250925-231841", "nightly"][place % 2].into(),
            client: ["", "Guy-Wilson", "a b"][place % 3].into(),
        },
        verdict: verdicts[place % verdicts.len()].clone(),
        version: [Some(1), None, Some(u64::from(u32::MAX))][place % 3],
        detail: ["", "leads +5", "🚀"][place % 3].into(),
    };
    Action::ALL.into_iter().enumerate().map(line).collect()
}

fn written(activity: &Activity) -> String {
    let line = &activity.line;
    let version = line.version.map_or_else(|| "-".into(), |version| version.to_string());
    [
        &activity.seq.to_string(),
        &line.at.as_micros().to_string(),
        line.action.as_str(),
        &line.source,
        &line.subject.run,
        &line.subject.client,
        line.verdict.as_str(),
        line.verdict.code(),
        &version,
        &line.detail,
        &activity.hash.to_string(),
    ]
    .join("\t")
}

fn read(text: &str) -> Activity {
    let parts: Vec<_> = text.split('\t').collect();
    let [
        seq,
        at,
        action,
        source,
        run,
        client,
        verdict,
        code,
        version,
        detail,
        hash,
    ] = parts[..]
    else {
        panic!("{text}");
    };
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hash[2 * place..2 * place + 2], 16).unwrap();
    }
    Activity {
        seq: seq.parse().unwrap(),
        line: NewActivity {
            at: runledger_domain::Timestamp::from_micros(at.parse().unwrap()).unwrap(),
            action: action.parse().unwrap(),
            source: source.into(),
            subject: Subject {
                run: run.into(),
                client: client.into(),
            },
            verdict: Verdict::from_words(verdict, code).unwrap(),
            version: version.parse().ok(),
            detail: detail.into(),
        },
        hash: ChainHash::from_bytes(bytes),
    }
}

#[test]
fn i6_a_line_has_the_hash_that_it_always_had() {
    let mut head = ChainHead::EMPTY;
    let mut text = String::new();
    for line in lines() {
        writeln!(text, "{}", written(&head.append(line))).unwrap();
    }
    // Kinds of attempts may be added; they come behind the ones that were agreed on.
    assert!(
        text.starts_with(LINES),
        "the chain changed: older logs would not verify\n{text}"
    );
}

#[test]
fn i6_a_kept_log_verifies() {
    let mut head = ChainHead::EMPTY;
    assert!(LINES.lines().all(|line| head.accepts(&read(line))));
    assert_eq!(head.seq, 12);
}

/// The token of a fixed seed, limited and ended; and one without any limit.
fn tokens() -> Vec<TokenRecord> {
    let record = |seed: u8, grant: Grant| {
        let text = TokenText::from_seed(&std::array::from_fn(|place| seed + u8::try_from(place).unwrap()));
        let by = "token_desk".parse().unwrap();
        TokenRecord::new(&text, "nightly batch".parse().unwrap(), grant, by, second(1), None)
    };
    let sources = ["orchestrator".parse().unwrap(), "lead_scoring".parse().unwrap()];
    let limited = Grant::new(sources, [Scope::Change, Scope::Read]).unwrap();
    let limited = record(1, limited.limited_to(["acme".parse().unwrap()]).unwrap());
    let ended = limited
        .after(TokenChange::EndAt { at: second(60) })
        .after(TokenChange::Revoke { at: second(30) });
    vec![record(2, Grant::new([], [Scope::Read]).unwrap()), ended]
}

#[test]
fn i17_a_kept_token_is_read_back_as_it_was() {
    let written = serde_json::to_string_pretty(&tokens()).unwrap();
    assert_eq!(
        written.trim(),
        TOKENS.trim(),
        "the stored form changed: tokens of older ledgers would not count"
    );
    assert_eq!(serde_json::from_str::<Vec<TokenRecord>>(TOKENS).unwrap(), tokens());
}

#[test]
fn a_token_that_was_given_out_is_still_one() {
    // Of no ledger: the token of a fixed seed.
    let given_out = concat!("rlt", "_123456789abc_defghjkmnpqrstvwxyz0123456789abcdefghjkmfhhfkr");
    let text: TokenText = given_out.parse().unwrap();
    assert_eq!(text.reveal(), given_out);
    assert_eq!(text.id(), *tokens()[1].id());
    assert!(tokens()[1].is(&text));
}
