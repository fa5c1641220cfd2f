-- The accounts, in cuts: each row is the state of one account at the cut that it names.
-- Amounts are decimal integers in the units of the account (10^-scale of its asset).
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Changes of balances that no packet made.
CREATE TABLE adjustment (
    number INTEGER PRIMARY KEY, -- in the order in which they were saved
    id TEXT NOT NULL UNIQUE, -- a cut that repeats a change adds nothing
    at INTEGER NOT NULL, -- milliseconds since 1970, UTC
    account TEXT NOT NULL,
    asset TEXT NOT NULL,
    scale INTEGER NOT NULL,
    kind TEXT NOT NULL,
    amount TEXT NOT NULL, -- by which the balance rose
    balance TEXT NOT NULL, -- after the change
    reason TEXT NOT NULL,
    made_by TEXT NOT NULL
) STRICT;

CREATE TABLE account (
    name TEXT NOT NULL,
    asset TEXT NOT NULL,
    scale INTEGER NOT NULL,
    kind TEXT NOT NULL,
    balance TEXT NOT NULL,
    fulfilled_in TEXT NOT NULL,
    fulfilled_out TEXT NOT NULL,
    adjusted TEXT NOT NULL,
    held_out TEXT NOT NULL,
    uncertain TEXT NOT NULL,
    uncertain_since INTEGER, -- milliseconds since 1970, UTC: the restart that made it uncertain
    cut INTEGER NOT NULL,
    PRIMARY KEY (name, asset, scale)
) STRICT, WITHOUT ROWID;
