//! Temporary.
fn main() {
    std::fs::write("docs/openapi.json", runledger_http::openapi()).unwrap();
    std::fs::write("docs/problems.md", runledger_http::problems()).unwrap();
}
