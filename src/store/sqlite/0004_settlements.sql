-- What was paid outside of Interledger.
ALTER TABLE account ADD COLUMN settled_in TEXT NOT NULL DEFAULT '0'; -- what the peer paid us
ALTER TABLE account ADD COLUMN settled_out TEXT NOT NULL DEFAULT '0'; -- what we paid the peer

-- One row for each settlement, for ever: a request with its key is the same settlement again.
CREATE TABLE settlement (
    number INTEGER PRIMARY KEY, -- in the order in which they were saved
    direction TEXT NOT NULL, -- in: the peer paid us; out: we pay the peer
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    asset TEXT NOT NULL,
    scale INTEGER NOT NULL,
    amount TEXT NOT NULL, -- as the request has it
    amount_scale INTEGER NOT NULL,
    units TEXT NOT NULL, -- by which the balance changed
    leftover TEXT NOT NULL, -- of all incoming settlements so far, below one unit
    state TEXT NOT NULL, -- pending: the engine has not accepted it
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL, -- milliseconds since 1970, UTC
    updated_at INTEGER NOT NULL,
    reference TEXT NOT NULL,
    made_by TEXT NOT NULL,
    UNIQUE (direction, account, key)
) STRICT;

CREATE INDEX settlement_of_account ON settlement (direction, account, asset, scale, number);
CREATE INDEX settlement_of_state ON settlement (state, number) WHERE state = 'pending';
CREATE INDEX settlement_of_time ON settlement (direction, created_at);
