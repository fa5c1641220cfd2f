-- What was paid from one account to another within an hour. An own account stands for the node itself.
CREATE TABLE ilp_connector.flow (
    node text COLLATE "C" NOT NULL,
    hour bigint NOT NULL, -- its beginning, in milliseconds since 1970, UTC
    from_name text COLLATE "C" NOT NULL,
    from_asset text COLLATE "C" NOT NULL,
    from_scale smallint NOT NULL,
    to_name text COLLATE "C" NOT NULL,
    to_asset text COLLATE "C" NOT NULL,
    to_scale smallint NOT NULL,
    packets bigint NOT NULL,
    amount_in numeric(39, 0) NOT NULL, -- in units of the account that paid
    amount_out numeric(39, 0) NOT NULL, -- in units of the account that was paid
    PRIMARY KEY (node, hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale)
);
