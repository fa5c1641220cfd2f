-- What was paid outside of Interledger.
ALTER TABLE ilp_connector.account
    ADD COLUMN settled_in numeric(39, 0) NOT NULL DEFAULT 0, -- what the peer paid us
    ADD COLUMN settled_out numeric(39, 0) NOT NULL DEFAULT 0; -- what we paid the peer

-- One row for each settlement, for ever: a request with its key is the same settlement again.
CREATE TABLE ilp_connector.settlement (
    node text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY, -- in the order in which they were saved
    direction text NOT NULL, -- in: the peer paid us; out: we pay the peer
    account text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    scale smallint NOT NULL,
    amount text NOT NULL, -- as the request has it
    amount_scale smallint NOT NULL,
    units numeric(39, 0) NOT NULL, -- by which the balance changed
    leftover text NOT NULL, -- of all incoming settlements so far, below one unit
    state text NOT NULL, -- pending: the engine has not accepted it
    attempts bigint NOT NULL,
    created_at bigint NOT NULL, -- milliseconds since 1970, UTC
    updated_at bigint NOT NULL,
    reference text NOT NULL,
    made_by text NOT NULL,
    PRIMARY KEY (node, direction, account, key)
);

CREATE INDEX settlement_of_account ON ilp_connector.settlement (node, direction, account, asset, scale, number);
CREATE INDEX settlement_of_state ON ilp_connector.settlement (node, number) WHERE state = 'pending';
CREATE INDEX settlement_of_time ON ilp_connector.settlement (node, direction, created_at);
