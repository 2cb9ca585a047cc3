//! Stub, replaced as the crate is built.
