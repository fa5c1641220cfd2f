-- What each node knows of the books of each peer.
CREATE TABLE ilp_connector.reconciliation (
    node text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    scale smallint NOT NULL,
    at bigint, -- milliseconds since 1970, UTC: when the peer last answered
    verdict text NOT NULL,
    difference numeric(39, 0) NOT NULL, -- the sum of both ends' balances, as far as it lasts: zero if they agree
    state text NOT NULL, -- JSON: what the next comparison needs
    PRIMARY KEY (node, account, asset, scale)
);
