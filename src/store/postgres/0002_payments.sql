-- What receivers got, by STREAM connection.
CREATE TABLE ilp_connector.payment (
    node text COLLATE "C" NOT NULL,
    receiver text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    scale smallint NOT NULL,
    connection text COLLATE "C" NOT NULL, -- empty: the sum of those that are not kept one by one
    packets bigint NOT NULL,
    amount numeric(39, 0) NOT NULL,
    last_at bigint NOT NULL, -- milliseconds since 1970, UTC
    PRIMARY KEY (node, receiver, asset, scale, connection)
);
