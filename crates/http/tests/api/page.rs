//! The page for people: served whole, from here alone, with a policy that lets nothing else in.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use crate::identity::closed_world;
use crate::support::World;

const PARTS: [(&str, &str); 3] = [
    ("/docs", "text/html; charset=utf-8"),
    ("/docs/style.css", "text/css; charset=utf-8"),
    ("/docs/script.js", "text/javascript; charset=utf-8"),
];

/// The text of a part, with its policy.
async fn part(world: &World, path: &str, kind: &str) -> (String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (response.status().as_u16(), header("content-type")),
        (200, kind.to_owned()),
        "{path}"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    let policy = header("content-security-policy");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), policy)
}

#[tokio::test]
async fn the_page_names_no_foreign_host_and_lets_nothing_else_in() {
    let world = World::new();
    for (path, kind) in PARTS {
        let (text, policy) = part(&world, path, kind).await;
        assert!(
            !text.contains("://") && !text.contains("src=\"//") && !text.contains("@import"),
            "{path}"
        );
        for directive in policy.split("; ") {
            let (name, values) = directive.split_once(' ').unwrap();
            let strict = match name {
                "script-src" | "style-src" | "connect-src" => values == "'self'",
                _ => values == "'none'",
            };
            assert!(strict, "{path}: {directive}");
        }
        for directive in ["default-src", "base-uri", "form-action", "frame-ancestors"] {
            assert!(policy.contains(directive), "{path}: {directive}");
        }
    }
}

#[tokio::test]
async fn the_page_needs_no_inline_script_and_can_be_read_without_any() {
    let world = World::new();
    let (page, _) = part(&world, PARTS[0].0, PARTS[0].1).await;
    for (path, _) in &PARTS[1..] {
        assert!(page.contains(&format!("\"{path}\"")), "{path} is not used");
    }
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("onclick"));
    assert_eq!(page.matches("<script").count(), page.matches("<script src=").count());
    let (_, without) = page.split_once("<noscript>").unwrap();
    let (without, _) = without.split_once("</noscript>").unwrap();
    assert!(without.contains("href=\"/openapi.json\""));
    let (script, _) = part(&world, PARTS[2].0, PARTS[2].1).await;
    assert!(
        !script.contains("innerHTML") && !script.contains("eval("),
        "the description is text, never markup"
    );
}

#[tokio::test]
async fn the_page_is_for_everybody_as_its_description_is() {
    let (world, _) = closed_world().await;
    for (path, kind) in PARTS {
        part(&world, path, kind).await;
    }
    let foreign = [("host", "evil.example")];
    let open = World::new();
    open.send("GET", "/docs", &foreign, "")
        .await
        .check(403, "host_not_allowed");
}
