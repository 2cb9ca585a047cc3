//! The demo comes to its end, and shows what it is there to show.

use crate::program::Place;

#[test]
fn the_demo_plays_a_night_to_its_end() {
    let place = Place::new();
    let ran = place.run(&["demo"]).expect(0).says(&[
        "creates 12 client records",
        "done before, nothing happens twice",
        "source_not_authorised",
        "conflict",
        "not_found",
        "open_clients",
        "runledger_sweeper",
        "already_ended",
        "12, 0 open, 2 with errors",
        "nothing is wrong",
    ]);
    assert!(!ran.out.contains('\u{1b}'), "no colours where nobody watches");
    assert_eq!(ran.err, "");
    assert!(!place.data().exists());
    place.run(&["demo", "--json"]).expect(2);
}
