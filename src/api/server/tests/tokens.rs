//! The `apiToken` on the wire, and guesses at it.

use super::*;

#[tokio::test]
async fn a_token_guards_all_but_health() {
    let status = status();
    configure(&status, &[], Some("s3cret"));
    serving(&status, async |address| {
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
            for (header, lets_in) in
                [("", !guarded), ("\r\nauthorization: Bearer other", !guarded), (right, true)]
            {
                for method in ["GET", "HEAD"] {
                    let answer = ask(address, &format!("{method} {page} HTTP/1.1{header}")).await;
                    assert_eq!(answer.status == 401, !lets_in, "{method} {page} {header}");
                    let challenge = (!lets_in).then_some("Bearer realm=\"ilp-connector\"");
                    assert_eq!(answer.header("www-authenticate"), challenge, "{page}");
                    assert!(!answer.body.contains("s3cret"));
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn guesses_at_a_page_end_their_connection() {
    let status = status();
    configure(&status, &[], Some("s3cret"));
    serving(&status, async |address| {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let guess = "GET /peers HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer guess\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, guess.repeat(9).as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        // Bytes that nobody reads may end it with a reset.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answers).await;
        let answers = String::from_utf8(answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 401").count(), 5, "{answers}");
        assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
        let right = "GET /peers HTTP/1.1\r\nauthorization: Bearer s3cret";
        assert_eq!(ask(address, right).await.status, 200);
    })
    .await;
}
