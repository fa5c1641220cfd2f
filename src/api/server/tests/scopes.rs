//! Each operation that the description names, with each set of scopes: it is refused without its scope, and not for
//! lack of a scope with it.

use super::*;

const TOKEN: &str = "s3cret";

/// An operation as the description has it.
struct DescribedOperation {
    method: String,
    path: String,
    scope: Scope,
    for_peers: bool,
}

async fn operations(api: &RunningApi) -> Vec<DescribedOperation> {
    let document: Value =
        serde_json::from_str(&api.get("/api/v1/openapi.json").await.body).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["token"][0].as_str().unwrap();
            let about = operation["description"].as_str().unwrap_or_default();
            found.push(DescribedOperation {
                method: method.to_uppercase(),
                path: path.replace("{node}", "hub").replace("{peer}", "bob").replace("{id}", "x"),
                scope: Scope::ALL.into_iter().find(|known| known.as_str() == scope).unwrap(),
                for_peers: about.contains("the token of a peer"),
            });
        }
    }
    found
}

/// The status and what a problem says. Only the head of a stream is read.
async fn send(api: &RunningApi, operation: &DescribedOperation) -> (u16, String) {
    let DescribedOperation { method, path, .. } = operation;
    let mut connection = RawConnection::open(api.address).await;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: hub\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    connection.write(head).await;
    let head = connection.read_head().await;
    let status: u16 = head[9..12].parse().unwrap();
    let is_problem = head.contains("application/problem+json");
    (status, if is_problem { connection.read_to_end().await } else { String::new() })
}

#[tokio::test]
async fn each_operation_needs_its_scope_and_no_other() {
    let (status, api) = serve_configured(&[], None).await;
    status.set_listening(NodeAddresses { btp: api.address, api: api.address });
    let operations = operations(&api).await;
    assert!(operations.len() > 15);
    for bits in 0..1_u8 << Scope::ALL.len() {
        let scopes: Vec<Scope> = Scope::ALL
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| bits & (1 << bit) != 0)
            .map(|(_, scope)| scope)
            .collect();
        configure_with(&status, Vec::new(), vec![api_token_of("t", TOKEN, &scopes)]);
        for operation in &operations {
            let (code, problem) = send(&api, operation).await;
            let lacks = code == 403 && problem.contains("which the token t does not have");
            let DescribedOperation { method, path, scope, .. } = operation;
            assert_eq!(
                lacks,
                !scopes.contains(scope),
                "{method} {path} {scopes:?}: {code} {problem}"
            );
            assert!(code < 500 || code == 503, "{method} {path}: {code} {problem}");
        }
    }
}

#[tokio::test]
async fn the_token_of_a_peer_opens_only_what_is_described_for_it() {
    let (status, api) = serve_configured(&[], None).await;
    status.set_listening(NodeAddresses { btp: api.address, api: api.address });
    let operations = operations(&api).await;
    let token = api_token_of("bob", TOKEN, &Scope::ALL);
    let token = ApiToken { peer: Some("bob".parse().unwrap()), ..token };
    configure_with(&status, Vec::new(), vec![token]);
    for operation in &operations {
        let (code, problem) = send(&api, operation).await;
        let is_refused = code == 403 && problem.contains("not for the token of a peer");
        let DescribedOperation { method, path, .. } = operation;
        assert_eq!(is_refused, !operation.for_peers, "{method} {path}: {code} {problem}");
    }
}
