-- What receivers got, by STREAM connection.
CREATE TABLE payment (
    receiver TEXT NOT NULL,
    asset TEXT NOT NULL,
    scale INTEGER NOT NULL,
    connection TEXT NOT NULL, -- empty: the sum of those that are not kept one by one
    packets INTEGER NOT NULL,
    amount TEXT NOT NULL,
    last_at INTEGER NOT NULL, -- milliseconds since 1970, UTC
    PRIMARY KEY (receiver, asset, scale, connection)
) STRICT, WITHOUT ROWID;
