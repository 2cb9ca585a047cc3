//! Accidents that must not compile: one a file, named for the accident. That what is right compiles is shown as well,
//! so that the accidents cannot fail all for the same wrong reason.
//!
//! After a change of the compiler or of a message, `TRYBUILD=overwrite cargo test -p runledger-ports --test accidents`
//! writes the expected messages anew; read what changed before you keep it.

use std::fs;
use std::path::Path;

#[test]
fn i3_no_accident_creates_a_record_and_each_fails_for_its_own_reason() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/pass/*.rs");
    cases.compile_fail("tests/accidents/*.rs");
    // The cases are run when they are dropped.
    drop(cases);
    check_reasons();
}

/// A field that is renamed makes a forgery fail as well, but not because it is one. So each accident begins with the
/// code of the error that it is about, and that must be the only error.
fn check_reasons() {
    let accidents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/accidents");
    let mut checked = 0;
    for entry in fs::read_dir(accidents).expect("the accidents lie beside this file") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("source text");
        let message = fs::read_to_string(path.with_extension("stderr")).expect("its message");
        let expected = source
            .strip_prefix("//! ")
            .and_then(|head| head.get(..5))
            .expect("a code");
        let errors: Vec<_> = message.lines().filter(|line| line.starts_with("error")).collect();
        let [error] = errors[..] else {
            panic!("{}: one error, not {errors:?}", path.display());
        };
        assert!(
            error.starts_with(&format!("error[{expected}]")),
            "{}: {error}",
            path.display()
        );
        checked += 1;
    }
    assert!(checked >= 19, "only {checked} accidents were found");
}
