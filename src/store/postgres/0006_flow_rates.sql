-- What flows are worth at the mid rates of their time. Earlier rows have neither.
-- amount_at_mid: the incoming amounts, in units of the account that was paid; spread: the part that the spreads keep.
ALTER TABLE ilp_connector.flow ADD COLUMN amount_at_mid numeric(39, 0), ADD COLUMN spread numeric(39, 0);
