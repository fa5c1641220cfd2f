//! Requests with the `apiToken`, and guesses.

use super::*;

#[tokio::test]
async fn a_token_guards_all_but_health() {
    let (_, api) = serve_configured(&[], Some("s3cret")).await;
    for (page, guarded) in [
        ("/health", false),
        ("/health/live", false),
        ("/health/ready", false),
        ("/nowhere", false),
        ("/metrics", true),
        ("/peers", true),
        ("/routes", true),
        ("/routes?limit=none", true),
    ] {
        let right = "\r\nauthorization: Bearer s3cret";
        for (header, passes) in
            [("", !guarded), ("\r\nauthorization: Bearer other", !guarded), (right, true)]
        {
            for method in ["GET", "HEAD"] {
                let answer = api.send(&format!("{method} {page} HTTP/1.1{header}")).await;
                assert_eq!(answer.status == 401, !passes, "{method} {page} {header}");
                let challenge = (!passes).then_some("Bearer realm=\"ilp-connector\"");
                assert_eq!(answer.header("www-authenticate"), challenge, "{page}");
                assert!(!answer.body.contains("s3cret"));
            }
        }
    }
}

#[tokio::test]
async fn guesses_above_a_rate_are_not_checked() {
    let (_, api) = serve_configured(&[], Some("s3cret")).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let guess = "GET /peers HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer guess\r\n";
    let mut guesses = format!("{guess}\r\n").repeat(1_000);
    guesses += &format!("{guess}connection: close\r\n\r\n");
    let (mut reading, mut writing) = stream.split();
    let mut answers = String::new();
    let (written, read) =
        tokio::join!(writing.write_all(guesses.as_bytes()), reading.read_to_string(&mut answers));
    written.and(read).unwrap();
    let count = |status: &str| answers.matches(status).count();
    let (refused, later) = (count("HTTP/1.1 401"), count("HTTP/1.1 429"));
    assert_eq!(refused + later, 1_001);
    assert!(refused >= 100 && later > 0, "{refused} {later}");
    assert_eq!(count("retry-after: 1"), later);
}
