//! Nothing: the tests are in `main.rs` and beside it. This file is here since a package needs more than tests.
