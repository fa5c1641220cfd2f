-- What a node knows of the books of each peer.
CREATE TABLE reconciliation (
    account TEXT NOT NULL,
    asset TEXT NOT NULL,
    scale INTEGER NOT NULL,
    at INTEGER, -- milliseconds since 1970, UTC: when the peer last answered
    verdict TEXT NOT NULL,
    difference TEXT NOT NULL, -- the sum of both ends' balances, as far as it lasts: zero if they agree
    state TEXT NOT NULL, -- JSON: what the next comparison needs
    PRIMARY KEY (account, asset, scale)
) STRICT, WITHOUT ROWID;
