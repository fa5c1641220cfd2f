-- What was paid from one account to another within an hour. An own account stands for the node itself.
CREATE TABLE flow (
    hour INTEGER NOT NULL, -- its beginning, in milliseconds since 1970, UTC
    from_name TEXT NOT NULL,
    from_asset TEXT NOT NULL,
    from_scale INTEGER NOT NULL,
    to_name TEXT NOT NULL,
    to_asset TEXT NOT NULL,
    to_scale INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    amount_in TEXT NOT NULL, -- in units of the account that paid
    amount_out TEXT NOT NULL, -- in units of the account that was paid
    PRIMARY KEY (hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale)
) STRICT, WITHOUT ROWID;
