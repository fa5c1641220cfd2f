-- What happened, for webhooks and for operators.
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- rises
    id TEXT NOT NULL UNIQUE, -- the webhook-id of each delivery
    at INTEGER NOT NULL, -- milliseconds since 1970, UTC
    level TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    peer TEXT,
    fields TEXT NOT NULL -- a JSON object of texts
) STRICT;

-- How far the delivery of an event to a webhook is.
CREATE TABLE delivery (
    hook TEXT NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL, -- pending, delivered, givenUp
    attempts INTEGER NOT NULL,
    since INTEGER NOT NULL, -- milliseconds since 1970, UTC
    due INTEGER NOT NULL, -- the next attempt, or the last one
    error TEXT, -- of the last attempt
    PRIMARY KEY (hook, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (hook, state, due);
CREATE INDEX delivery_event ON delivery (event);

-- The part of a payment that events have announced.
ALTER TABLE payment ADD COLUMN announced TEXT NOT NULL DEFAULT '0';
UPDATE payment SET announced = amount;
