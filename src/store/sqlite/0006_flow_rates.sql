-- What flows are worth at the mid rates of their time. Earlier rows have neither.
ALTER TABLE flow ADD COLUMN amount_at_mid TEXT; -- the incoming amounts, in units of the account that was paid
ALTER TABLE flow ADD COLUMN spread TEXT; -- the part of them that the spreads keep
