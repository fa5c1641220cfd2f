//! Writes a cut: one statement, which is one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::{Client, Statement};

use super::error::PostgresError;
use super::events::{Deliveries, Events};
use super::reconciliations::Reconciliations;
use crate::books::{
    AccountRow, Adjustment, Cut, EVENTS_SAVED_MAX, FlowRow, PaymentKey, Settlement,
};

/// Rows are written only if the row of the books still has the epoch of this process: the update of it comes first,
/// and waits for a process that is taking the books.
pub(super) const SAVE: &str = "\
WITH lease AS ( \
    UPDATE ilp_connector.books SET cut = $3, cut_at = $4, clean = $5, \
        owner = CASE WHEN $5 THEN NULL ELSE owner END, \
        lease_until = CASE WHEN $5 THEN NULL ELSE clock_timestamp() + make_interval(secs => $6) END \
    WHERE node = $1 AND epoch = $2 RETURNING node \
), saved AS ( \
    INSERT INTO ilp_connector.account (node, name, asset, scale, kind, balance, fulfilled_in, fulfilled_out, \
        adjusted, held_out, uncertain, uncertain_since, cut, settled_in, settled_out) \
    SELECT lease.node, new.name, new.asset, new.scale, new.kind, new.balance::numeric, new.fulfilled_in::numeric, \
        new.fulfilled_out::numeric, new.adjusted::numeric, new.held_out::numeric, new.uncertain::numeric, \
        new.uncertain_since, $3, new.settled_in::numeric, new.settled_out::numeric \
    FROM lease, unnest($7::text[], $8::text[], $9::int2[], $10::text[], $11::text[], $12::text[], $13::text[], \
        $14::text[], $15::text[], $16::text[], $27::int8[], $49::text[], $50::text[]) AS new (name, asset, scale, \
        kind, balance, fulfilled_in, fulfilled_out, adjusted, held_out, uncertain, uncertain_since, settled_in, \
        settled_out) \
    ON CONFLICT (node, name, asset, scale) DO UPDATE SET kind = excluded.kind, balance = excluded.balance, \
        fulfilled_in = excluded.fulfilled_in, fulfilled_out = excluded.fulfilled_out, \
        adjusted = excluded.adjusted, held_out = excluded.held_out, uncertain = excluded.uncertain, \
        uncertain_since = excluded.uncertain_since, cut = excluded.cut, settled_in = excluded.settled_in, \
        settled_out = excluded.settled_out \
), made AS ( \
    INSERT INTO ilp_connector.adjustment (node, id, at, account, asset, scale, kind, amount, balance, reason, \
        made_by) \
    SELECT lease.node, new.id, new.at, new.account, new.asset, new.scale, new.kind, new.amount::numeric, \
        new.balance::numeric, new.reason, new.made_by \
    FROM lease, unnest($17::text[], $18::int8[], $19::text[], $20::text[], $21::int2[], $22::text[], $23::text[], \
        $24::text[], $25::text[], $26::text[]) WITH ORDINALITY AS new (id, at, account, asset, scale, kind, amount, \
        balance, reason, made_by, place) \
    ORDER BY new.place ON CONFLICT (node, id) DO NOTHING \
), summed_up AS ( \
    DELETE FROM ilp_connector.payment AS old USING lease, unnest($28::text[], $29::text[], $30::int2[], $31::text[]) \
        AS gone (receiver, asset, scale, connection) \
    WHERE old.node = lease.node AND old.receiver = gone.receiver AND old.asset = gone.asset \
        AND old.scale = gone.scale AND old.connection = gone.connection \
), received AS ( \
    INSERT INTO ilp_connector.payment (node, receiver, asset, scale, connection, packets, amount, last_at, \
        announced) \
    SELECT lease.node, new.receiver, new.asset, new.scale, new.connection, new.packets, new.amount::numeric, \
        new.last_at, new.announced::numeric \
    FROM lease, unnest($32::text[], $33::text[], $34::int2[], $35::text[], $36::int8[], $37::text[], $38::int8[], \
        $66::text[]) AS new (receiver, asset, scale, connection, packets, amount, last_at, announced) \
    ON CONFLICT (node, receiver, asset, scale, connection) DO UPDATE SET packets = excluded.packets, \
        amount = excluded.amount, last_at = excluded.last_at, announced = excluded.announced \
), paid AS ( \
    INSERT INTO ilp_connector.flow (node, hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale, \
        packets, amount_in, amount_out, amount_at_mid, spread) \
    SELECT lease.node, new.hour, new.from_name, new.from_asset, new.from_scale, new.to_name, new.to_asset, \
        new.to_scale, new.packets, new.amount_in::numeric, new.amount_out::numeric, \
        new.amount_at_mid::numeric, new.spread::numeric \
    FROM lease, unnest($39::int8[], $40::text[], $41::text[], $42::int2[], $43::text[], $44::text[], $45::int2[], \
        $46::int8[], $47::text[], $48::text[], $83::text[], $84::text[]) AS new (hour, from_name, from_asset, \
        from_scale, to_name, to_asset, to_scale, packets, amount_in, amount_out, amount_at_mid, spread) \
    ON CONFLICT (node, hour, from_name, from_asset, from_scale, to_name, to_asset, to_scale) \
    DO UPDATE SET packets = excluded.packets, amount_in = excluded.amount_in, amount_out = excluded.amount_out, \
        amount_at_mid = excluded.amount_at_mid, spread = excluded.spread \
), settled AS ( \
    INSERT INTO ilp_connector.settlement (node, direction, account, key, asset, scale, amount, amount_scale, units, \
        leftover, state, attempts, created_at, updated_at, reference, made_by) \
    SELECT lease.node, new.direction, new.account, new.key, new.asset, new.scale, new.amount, new.amount_scale, \
        new.units::numeric, new.leftover, new.state, new.attempts, new.created_at, new.updated_at, new.reference, \
        new.made_by \
    FROM lease, unnest($51::text[], $52::text[], $53::text[], $54::text[], $55::int2[], $56::text[], $57::int2[], \
        $58::text[], $59::text[], $60::text[], $61::int8[], $62::int8[], $63::int8[], $64::text[], $65::text[]) \
        WITH ORDINALITY AS new (direction, account, key, asset, scale, amount, amount_scale, units, leftover, state, \
        attempts, created_at, updated_at, reference, made_by, place) \
    ORDER BY new.place ON CONFLICT (node, direction, account, key) DO UPDATE SET state = excluded.state, \
        attempts = excluded.attempts, updated_at = excluded.updated_at \
), happened AS ( \
    INSERT INTO ilp_connector.event (node, id, at, level, kind, text, peer, fields) \
    SELECT lease.node, new.id, new.at, new.level, new.kind, new.text, new.peer, new.fields \
    FROM lease, unnest($67::text[], $68::int8[], $69::text[], $70::text[], $71::text[], $72::text[], $73::text[]) \
        WITH ORDINALITY AS new (id, at, level, kind, text, peer, fields, place) \
    ORDER BY new.place ON CONFLICT (node, id) DO NOTHING \
), tried AS ( \
    INSERT INTO ilp_connector.delivery (node, hook, event, state, attempts, since, due, error) \
    SELECT lease.node, new.hook, new.event, new.state, new.attempts, new.since, new.due, new.error \
    FROM lease, unnest($74::text[], $75::text[], $76::text[], $77::int8[], $78::int8[], $79::int8[], $80::text[]) \
        AS new (hook, event, state, attempts, since, due, error) \
    ON CONFLICT (node, hook, event) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, \
        since = excluded.since, due = excluded.due, error = excluded.error \
), forgotten AS ( \
    DELETE FROM ilp_connector.event AS old USING lease \
    WHERE $81::int8 IS NOT NULL AND old.node = lease.node AND (old.at < $81 OR old.id IN ( \
        SELECT one.id FROM ilp_connector.event AS one WHERE one.node = $1 \
        ORDER BY EXISTS (SELECT FROM ilp_connector.delivery AS waits WHERE waits.node = one.node \
            AND waits.event = one.id AND waits.state = 'pending') DESC, one.number DESC OFFSET $82::int8)) \
    RETURNING old.node, old.id \
), forgotten_deliveries AS ( \
    DELETE FROM ilp_connector.delivery AS old USING forgotten \
    WHERE old.node = forgotten.node AND old.event = forgotten.id \
), compared AS ( \
    INSERT INTO ilp_connector.reconciliation (node, account, asset, scale, at, verdict, difference, state) \
    SELECT lease.node, new.account, new.asset, new.scale, new.at, new.verdict, new.difference::numeric, new.state \
    FROM lease, unnest($85::text[], $86::text[], $87::int2[], $88::int8[], $89::text[], $90::text[], $91::text[]) \
        AS new (account, asset, scale, at, verdict, difference, state) \
    ON CONFLICT (node, account, asset, scale) DO UPDATE SET at = excluded.at, verdict = excluded.verdict, \
        difference = excluded.difference, state = excluded.state \
) SELECT 1 FROM lease";

/// Saves a cut and renews the lease for `lease_secs`; the last cut gives it back. Returns whether this process had it:
/// if not, nothing was written.
pub(super) async fn save(
    client: &Client,
    statement: &Statement,
    (node, epoch): (&str, i64),
    cut: &Cut,
    is_last: bool,
    lease_secs: f64,
) -> Result<bool, PostgresError> {
    let accounts = Accounts::of(&cut.accounts);
    let made = Made::of(&cut.records().adjustments);
    let gone = PaymentKeys::of(&cut.summed_up);
    let keys = PaymentKeys::of(cut.payments.iter().map(|payment| &payment.key));
    let payments = cut.payments.iter();
    let packets: Vec<i64> = payments.clone().map(|payment| signed(payment.packets)).collect();
    let amounts: Vec<String> = payments.clone().map(|payment| payment.amount.to_string()).collect();
    let times: Vec<i64> = payments.map(|payment| signed(payment.last_at.as_millis())).collect();
    let announced = cut.payments.iter().map(|payment| payment.announced.to_string());
    let announced: Vec<String> = announced.collect();
    let paid = Paid::of(&cut.flows);
    let settled = Settled::of(&cut.records().settlements);
    let events = Events::of(&cut.records().events);
    let deliveries = Deliveries::of(&cut.records().deliveries);
    let forget_before = cut.records().forget_events_before.map(|before| signed(before.as_millis()));
    let compared = Reconciliations::of(&cut.records().reconciliations);
    let row = client
        .query_opt(
            statement,
            &[
                &node,
                &epoch,
                &signed(cut.number.0),
                &signed(cut.at.as_millis()),
                &is_last,
                &lease_secs,
                &accounts.name,
                &accounts.asset,
                &accounts.scale,
                &accounts.kind,
                &accounts.balance,
                &accounts.fulfilled_in,
                &accounts.fulfilled_out,
                &accounts.adjusted,
                &accounts.held_out,
                &accounts.uncertain,
                &made.id,
                &made.at,
                &made.account,
                &made.asset,
                &made.scale,
                &made.kind,
                &made.amount,
                &made.balance,
                &made.reason,
                &made.by,
                &accounts.uncertain_since,
                &gone.receiver,
                &gone.asset,
                &gone.scale,
                &gone.connection,
                &keys.receiver,
                &keys.asset,
                &keys.scale,
                &keys.connection,
                &packets,
                &amounts,
                &times,
                &paid.hour,
                &paid.from_name,
                &paid.from_asset,
                &paid.from_scale,
                &paid.to_name,
                &paid.to_asset,
                &paid.to_scale,
                &paid.packets,
                &paid.amount_in,
                &paid.amount_out,
                &accounts.settled_in,
                &accounts.settled_out,
                &settled.direction,
                &settled.account,
                &settled.key,
                &settled.asset,
                &settled.scale,
                &settled.amount,
                &settled.amount_scale,
                &settled.units,
                &settled.leftover,
                &settled.state,
                &settled.attempts,
                &settled.created_at,
                &settled.updated_at,
                &settled.reference,
                &settled.by,
                &announced,
                &events.id,
                &events.at,
                &events.level,
                &events.kind,
                &events.text,
                &events.peer,
                &events.fields,
                &deliveries.hook,
                &deliveries.event,
                &deliveries.state,
                &deliveries.attempts,
                &deliveries.since,
                &deliveries.due,
                &deliveries.error,
                &forget_before,
                &i64::from(EVENTS_SAVED_MAX),
                &paid.amount_at_mid,
                &paid.spread,
                &compared.account,
                &compared.asset,
                &compared.scale,
                &compared.at,
                &compared.verdict,
                &compared.difference,
                &compared.state,
            ],
        )
        .await?;
    Ok(row.is_some())
}

/// Numbers of cuts and milliseconds as PostgreSQL has them.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The columns of the accounts, in the order of their keys. Amounts are texts, because the client knows no `numeric`.
#[derive(Default)]
struct Accounts<'a> {
    name: Vec<&'a str>,
    asset: Vec<&'a str>,
    scale: Vec<i16>,
    kind: Vec<&'a str>,
    balance: Vec<String>,
    fulfilled_in: Vec<String>,
    fulfilled_out: Vec<String>,
    adjusted: Vec<String>,
    held_out: Vec<String>,
    uncertain: Vec<String>,
    uncertain_since: Vec<Option<i64>>,
    settled_in: Vec<String>,
    settled_out: Vec<String>,
}

impl<'a> Accounts<'a> {
    fn of(rows: &'a [AccountRow]) -> Self {
        // One statement changes each row once: of two states of an account in a cut, the later one counts.
        let key = |row: &'a AccountRow| (&*row.name, &*row.asset.code, row.asset.scale);
        let rows: BTreeMap<_, _> = rows.iter().map(|row| (key(row), row)).collect();
        let mut columns = Self::default();
        for ((name, asset, scale), row) in rows {
            columns.name.push(name);
            columns.asset.push(asset);
            columns.scale.push(scale.into());
            columns.kind.push(row.kind.as_str());
            columns.balance.push(row.totals.balance().to_string());
            columns.fulfilled_in.push(row.totals.fulfilled_in.to_string());
            columns.fulfilled_out.push(row.totals.fulfilled_out.to_string());
            columns.adjusted.push(row.totals.adjusted.to_string());
            columns.held_out.push(row.held_out.to_string());
            columns.uncertain.push(row.uncertain.to_string());
            columns.settled_in.push(row.totals.settled_in.to_string());
            columns.settled_out.push(row.totals.settled_out.to_string());
            columns
                .uncertain_since
                .push(row.uncertain_since.map(|since| signed(since.as_millis())));
        }
        columns
    }
}

/// The columns of the changes that operators made.
#[derive(Default)]
struct Made<'a> {
    id: Vec<&'a str>,
    at: Vec<i64>,
    account: Vec<&'a str>,
    asset: Vec<&'a str>,
    scale: Vec<i16>,
    kind: Vec<&'a str>,
    amount: Vec<String>,
    balance: Vec<String>,
    reason: Vec<String>,
    by: Vec<String>,
}

impl<'a> Made<'a> {
    fn of(adjustments: &'a [Adjustment]) -> Self {
        let mut columns = Self::default();
        for made in adjustments {
            columns.id.push(made.id.as_str());
            columns.at.push(signed(made.at.as_millis()));
            columns.account.push(&made.account);
            columns.asset.push(&made.asset.code);
            columns.scale.push(made.asset.scale.into());
            columns.kind.push(made.change.kind());
            columns.amount.push(made.change.amount().to_string());
            columns.balance.push(made.balance.to_string());
            columns.reason.push(without_zero_bytes(&made.reason));
            columns.by.push(without_zero_bytes(&made.by));
        }
        columns
    }
}

/// The columns that name payments to receivers.
#[derive(Default)]
struct PaymentKeys<'a> {
    receiver: Vec<&'a str>,
    asset: Vec<&'a str>,
    scale: Vec<i16>,
    connection: Vec<&'a str>,
}

impl<'a> PaymentKeys<'a> {
    fn of(keys: impl IntoIterator<Item = &'a PaymentKey>) -> Self {
        let mut columns = Self::default();
        for PaymentKey { receiver, asset, connection } in keys {
            columns.receiver.push(receiver);
            columns.asset.push(&asset.code);
            columns.scale.push(asset.scale.into());
            columns.connection.push(connection);
        }
        columns
    }
}

/// The columns of the flows.
#[derive(Default)]
struct Paid<'a> {
    hour: Vec<i64>,
    from_name: Vec<&'a str>,
    from_asset: Vec<&'a str>,
    from_scale: Vec<i16>,
    to_name: Vec<&'a str>,
    to_asset: Vec<&'a str>,
    to_scale: Vec<i16>,
    packets: Vec<i64>,
    amount_in: Vec<String>,
    amount_out: Vec<String>,
    amount_at_mid: Vec<String>,
    spread: Vec<String>,
}

impl<'a> Paid<'a> {
    fn of(flows: &'a [FlowRow]) -> Self {
        let mut columns = Self::default();
        for FlowRow { hour, from, to, sums } in flows {
            columns.hour.push(signed(hour.as_millis()));
            columns.from_name.push(&from.name);
            columns.from_asset.push(&from.asset.code);
            columns.from_scale.push(from.asset.scale.into());
            columns.to_name.push(&to.name);
            columns.to_asset.push(&to.asset.code);
            columns.to_scale.push(to.asset.scale.into());
            columns.packets.push(signed(sums.packets));
            columns.amount_in.push(sums.amount_in.to_string());
            columns.amount_out.push(sums.amount_out.to_string());
            columns.amount_at_mid.push(sums.amount_at_mid.to_string());
            columns.spread.push(sums.spread.to_string());
        }
        columns
    }
}

/// The columns of the settlements.
#[derive(Default)]
struct Settled<'a> {
    direction: Vec<&'a str>,
    account: Vec<&'a str>,
    key: Vec<&'a str>,
    asset: Vec<&'a str>,
    scale: Vec<i16>,
    amount: Vec<&'a str>,
    amount_scale: Vec<i16>,
    units: Vec<String>,
    leftover: Vec<String>,
    state: Vec<&'a str>,
    attempts: Vec<i64>,
    created_at: Vec<i64>,
    updated_at: Vec<i64>,
    reference: Vec<String>,
    by: Vec<String>,
}

impl<'a> Settled<'a> {
    fn of(settlements: &'a [Settlement]) -> Self {
        // One statement changes each row once: of two states in a cut, the later one counts. The places stay.
        let newest: HashMap<_, _> = settlements.iter().map(|one| (one.id(), one)).collect();
        let mut seen = HashSet::new();
        let mut columns = Self::default();
        for id in settlements.iter().map(Settlement::id).filter(|id| seen.insert(*id)) {
            let Some(settlement) = newest.get(&id) else { continue };
            columns.direction.push(settlement.direction.as_str());
            columns.account.push(&settlement.account);
            columns.key.push(settlement.key.as_str());
            columns.asset.push(&settlement.asset.code);
            columns.scale.push(settlement.asset.scale.into());
            columns.amount.push(settlement.quantity.amount());
            columns.amount_scale.push(settlement.quantity.scale.into());
            columns.units.push(settlement.units.to_string());
            columns.leftover.push(settlement.leftover.to_string());
            columns.state.push(settlement.state.as_str());
            columns.attempts.push(settlement.attempts.into());
            columns.created_at.push(signed(settlement.created_at.as_millis()));
            columns.updated_at.push(signed(settlement.updated_at.as_millis()));
            columns.reference.push(without_zero_bytes(&settlement.reference));
            columns.by.push(without_zero_bytes(&settlement.by));
        }
        columns
    }
}

/// No text of PostgreSQL can contain a zero byte, and a cut that cannot be saved would stop the node.
pub(super) fn without_zero_bytes(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
