-- What happened, for webhooks and for operators.
CREATE TABLE ilp_connector.event (
    node text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY, -- rises
    id text COLLATE "C" NOT NULL, -- the webhook-id of each delivery
    at bigint NOT NULL, -- milliseconds since 1970, UTC
    level text NOT NULL,
    kind text NOT NULL,
    text text NOT NULL,
    peer text,
    fields text NOT NULL, -- a JSON object of texts
    PRIMARY KEY (node, id)
);
CREATE INDEX event_number ON ilp_connector.event (node, number);

-- How far the delivery of an event to a webhook is.
CREATE TABLE ilp_connector.delivery (
    node text COLLATE "C" NOT NULL,
    hook text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL, -- pending, delivered, givenUp
    attempts bigint NOT NULL,
    since bigint NOT NULL, -- milliseconds since 1970, UTC
    due bigint NOT NULL, -- the next attempt, or the last one
    error text, -- of the last attempt
    PRIMARY KEY (node, hook, event)
);
CREATE INDEX delivery_due ON ilp_connector.delivery (node, hook, state, due);
CREATE INDEX delivery_event ON ilp_connector.delivery (node, event);

-- The part of a payment that events have announced.
ALTER TABLE ilp_connector.payment ADD COLUMN announced numeric(39, 0) NOT NULL DEFAULT 0;
UPDATE ilp_connector.payment SET announced = amount;
