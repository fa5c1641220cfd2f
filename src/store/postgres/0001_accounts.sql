-- The books of any number of nodes, in cuts: each row is the state of one account at the cut that it names.
-- Amounts are whole numbers in the units of the account (10^-scale of its asset).
CREATE TABLE ilp_connector.meta (
    key text PRIMARY KEY,
    value text NOT NULL
);

-- One row for each node. One process writes the books of a node: the one whose epoch is the row's.
CREATE TABLE ilp_connector.books (
    node text COLLATE "C" PRIMARY KEY,
    books_id text NOT NULL,
    clean boolean NOT NULL, -- the last process stopped in order
    cut bigint NOT NULL, -- the newest one
    cut_at bigint NOT NULL, -- milliseconds since 1970, UTC
    epoch bigint NOT NULL, -- grows whenever a process takes the books
    owner text, -- random, of that process; null: no process has them
    holder text, -- describes that process
    lease_until timestamptz -- its lease ends then, unless it is renewed
);

-- Changes of balances that no packet made.
CREATE TABLE ilp_connector.adjustment (
    node text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY, -- in the order in which they were saved
    id text COLLATE "C" NOT NULL, -- a cut that repeats a change adds nothing
    at bigint NOT NULL, -- milliseconds since 1970, UTC
    account text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    scale smallint NOT NULL,
    kind text NOT NULL,
    amount numeric(39, 0) NOT NULL, -- by which the balance rose
    balance numeric(39, 0) NOT NULL, -- after the change
    reason text NOT NULL,
    made_by text NOT NULL,
    PRIMARY KEY (node, id)
);

CREATE TABLE ilp_connector.account (
    node text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    asset text COLLATE "C" NOT NULL,
    scale smallint NOT NULL,
    kind text NOT NULL,
    balance numeric(39, 0) NOT NULL,
    fulfilled_in numeric(39, 0) NOT NULL,
    fulfilled_out numeric(39, 0) NOT NULL,
    adjusted numeric(39, 0) NOT NULL,
    held_out numeric(39, 0) NOT NULL,
    uncertain numeric(39, 0) NOT NULL,
    uncertain_since bigint, -- milliseconds since 1970, UTC: the restart that made it uncertain
    cut bigint NOT NULL,
    PRIMARY KEY (node, name, asset, scale)
);
