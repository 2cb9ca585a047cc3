//! Accidents that must not compile: one a file, named for the accident. That what is right compiles is shown as well,
//! so that the accidents cannot fail all for the same wrong reason.
//!
//! After a change of the compiler or of a message, `TRYBUILD=overwrite cargo test -p runledger-ports --test accidents`
//! writes the expected messages anew; read what changed before you keep it.

#[test]
fn i3_no_accident_creates_a_record() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/pass/*.rs");
    cases.compile_fail("tests/accidents/*.rs");
}
