//! Histories that fit the rules, and wrong ones, each with the fault that it shows.

use std::slice::from_ref;

use super::*;

const ONE: View = View {
    attempt: 1,
    version: 1,
    count: 0,
    mark: 0,
    ended: None,
};
const TWO: View = View {
    version: 2,
    count: 1,
    ..ONE
};

fn one(from: Moment, to: Moment, ask: Ask, answer: Answer) -> Try {
    Try {
        ask,
        from,
        to,
        answer,
        by: (0, 0),
    }
}

fn unknown(from: Moment, ask: Ask) -> Try {
    one(from, NEVER, ask, Answer::Unknown)
}

/// A record that was created, and nothing else.
fn created() -> Try {
    one(0, 10, Ask::Create(1), Answer::Done(ONE))
}

fn fits(tries: &[Try]) {
    check(tries).unwrap();
    let backwards: Vec<_> = tries.iter().rev().cloned().collect();
    check(&backwards).unwrap();
}

/// No order explains it, and the first of these tries is among those that are named.
fn is_wrong(tries: &[Try], named: &Try) {
    let said = check(tries).unwrap_err();
    assert!(said.contains(&named.to_string()), "{said}");
}

#[test]
fn what_follows_the_rules_fits() {
    let ended = View {
        version: 4,
        mark: 3,
        ended: Some(true),
        ..TWO
    };
    fits(&[
        one(0, 5, Ask::Get, Answer::Absent),
        one(1, 9, Ask::Create(1), Answer::Done(ONE)),
        one(2, 12, Ask::Create(7), Answer::Taken(ONE)),
        one(10, 20, Ask::Add(2), Answer::Done(TWO)),
        one(21, 22, Ask::Add(2), Answer::Replayed(TWO)),
        one(23, 24, Ask::Set(3, 1), Answer::OtherVersion(TWO)),
        one(
            25,
            26,
            Ask::Set(3, 2),
            Answer::Done(View {
                version: 3,
                mark: 3,
                ..TWO
            }),
        ),
        one(30, 40, Ask::Complete(true), Answer::Done(ended)),
        one(41, 42, Ask::Complete(true), Answer::Replayed(ended)),
        one(41, 42, Ask::Complete(false), Answer::Ended(ended)),
        one(43, 44, Ask::Add(2), Answer::Replayed(ended)),
        one(45, 46, Ask::Add(9), Answer::Ended(ended)),
    ]);
}

#[test]
fn what_overlaps_may_come_in_either_order() {
    for shown in [ONE, TWO] {
        fits(&[
            created(),
            one(20, 40, Ask::Add(2), Answer::Done(TWO)),
            one(30, 50, Ask::Get, Answer::Shown(shown)),
        ]);
    }
}

#[test]
fn a_read_that_misses_a_write_answered_before_it_is_wrong() {
    let stale = one(30, 40, Ask::Get, Answer::Shown(ONE));
    is_wrong(
        &[created(), one(15, 20, Ask::Add(2), Answer::Done(TWO)), stale.clone()],
        &stale,
    );
    let gone = one(30, 40, Ask::Get, Answer::Absent);
    is_wrong(&[created(), gone.clone()], &gone);
}

#[test]
fn reads_that_go_back_are_wrong() {
    let back = one(30, 35, Ask::Get, Answer::Shown(ONE));
    let adding = one(15, 40, Ask::Add(2), Answer::Done(TWO));
    is_wrong(
        &[
            created(),
            adding,
            one(20, 25, Ask::Get, Answer::Shown(TWO)),
            back.clone(),
        ],
        &back,
    );
}

#[test]
fn a_lost_update_is_wrong() {
    let lost = one(30, 40, Ask::Add(3), Answer::Done(TWO));
    is_wrong(
        &[created(), one(15, 20, Ask::Add(2), Answer::Done(TWO)), lost.clone()],
        &lost,
    );
    // Both found the version that they expected.
    let two = View {
        version: 2,
        mark: 2,
        ..ONE
    };
    let both = one(15, 40, Ask::Set(3, 1), Answer::Done(View { mark: 3, ..two }));
    is_wrong(
        &[created(), one(15, 20, Ask::Set(2, 1), Answer::Done(two)), both.clone()],
        &both,
    );
}

#[test]
fn a_second_creation_is_wrong() {
    let second = one(5, 30, Ask::Create(4), Answer::Done(View { attempt: 4, ..ONE }));
    is_wrong(&[created(), second.clone()], &second);
    let replayed = one(20, 30, Ask::Create(4), Answer::Replayed(View { attempt: 4, ..ONE }));
    is_wrong(&[created(), replayed.clone()], &replayed);
}

#[test]
fn a_try_without_an_answer_takes_effect_late_or_never() {
    let adding = unknown(15, Ask::Add(2));
    fits(&[created(), adding.clone(), one(20, 30, Ask::Get, Answer::Shown(ONE))]);
    fits(&[
        created(),
        adding.clone(),
        one(20, 30, Ask::Get, Answer::Shown(ONE)),
        one(40, 50, Ask::Get, Answer::Shown(TWO)),
    ]);
    // Not before it began.
    let early = one(11, 14, Ask::Get, Answer::Shown(TWO));
    is_wrong(&[created(), adding, early.clone()], &early);
}

#[test]
fn several_tries_of_one_wish_have_one_effect() {
    let tries = [created(), unknown(15, Ask::Add(2)), unknown(20, Ask::Add(2))];
    for answer in [Answer::Done(TWO), Answer::Replayed(TWO)] {
        fits(&[&tries[..], &[one(30, 40, Ask::Add(2), answer)]].concat());
    }
    let three = View {
        version: 3,
        count: 2,
        ..ONE
    };
    let twice = one(30, 40, Ask::Add(2), Answer::Done(three));
    is_wrong(&[&tries[..], from_ref(&twice)].concat(), &twice);
    let seen_twice = one(50, 60, Ask::Get, Answer::Shown(three));
    is_wrong(&[&tries[..], from_ref(&seen_twice)].concat(), &seen_twice);
    // A repetition of what never was.
    let repeated = one(30, 40, Ask::Add(2), Answer::Replayed(TWO));
    is_wrong(&[created(), repeated.clone()], &repeated);
}

#[test]
fn an_end_that_is_undone_is_wrong() {
    let ended = View {
        version: 2,
        ended: Some(true),
        ..ONE
    };
    let ending = one(15, 20, Ask::Complete(true), Answer::Done(ended));
    let after = one(
        30,
        40,
        Ask::Add(2),
        Answer::Done(View {
            version: 3,
            count: 1,
            ..ended
        }),
    );
    is_wrong(&[created(), ending.clone(), after.clone()], &after);
    let other = one(
        30,
        40,
        Ask::Complete(false),
        Answer::Done(View {
            version: 3,
            ended: Some(false),
            ..ONE
        }),
    );
    is_wrong(&[created(), ending, other.clone()], &other);
}

/// As many at once as a test has, most of them without an answer: the search must come to an end.
#[test]
fn long_histories_are_told() {
    let mut tries = vec![created()];
    for number in 0..150 {
        let (from, version) = (20 + 10 * number, number + 2);
        if number % 7 == 0 {
            tries.push(unknown(from, Ask::Add(5_000 + number)));
            tries.push(unknown(from, Ask::Set(6_000 + number, version + 1_000)));
        }
        let view = View {
            version,
            count: number + 1,
            ..ONE
        };
        tries.push(one(from, from + 30, Ask::Add(10 + number), Answer::Done(view)));
    }
    fits(&tries);
    let stale = one(20_000, 20_010, Ask::Get, Answer::Shown(ONE));
    tries.push(stale.clone());
    is_wrong(&tries, &stale);
}
