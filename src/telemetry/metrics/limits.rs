//! The limits of peers, so that an alarm can compare balances and packets in flight with them.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::account::Limits;
use crate::connector::AccountReport;

pub(super) fn encode(
    accounts: &[AccountReport],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    balance(
        encoder,
        accounts,
        "ilp_account_max_balance_units",
        "The highest balance that the account may reach (maxBalance); left out where there is none",
        |limits| limits.max_balance,
    )?;
    balance(
        encoder,
        accounts,
        "ilp_account_min_balance_units",
        "The lowest balance that the account may reach (minBalance); left out where there is none",
        |limits| limits.min_balance,
    )?;
    let mut family = encoder.encode_descriptor(
        "ilp_max_packets_in_flight",
        "Prepares without an answer that the account may have each way (maxPacketsInFlight)",
        None,
        MetricType::Gauge,
    )?;
    for account in accounts {
        let labels = [("peer", account.settings.id.as_str())];
        family
            .encode_family(&labels)?
            .encode_gauge(&account.settings.limits.max_packets_in_flight)?;
    }
    Ok(())
}

/// In floating point, as balances are.
#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
fn balance(
    encoder: &mut DescriptorEncoder<'_>,
    accounts: &[AccountReport],
    name: &str,
    help: &str,
    limit: impl Fn(&Limits) -> Option<i128>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for account in accounts {
        if let Some(limit) = limit(&account.settings.limits) {
            let labels = [("peer", account.settings.id.as_str())];
            family.encode_family(&labels)?.encode_gauge(&(limit as f64))?;
        }
    }
    Ok(())
}
