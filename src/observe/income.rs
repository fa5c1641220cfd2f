//! The income of a node, as the API and the commands write it.

use super::model::{AccountIncomeBody, EarnedBody, FlowBody, FlowEndBody, IncomeBody, LossBody};
use crate::books::{Earned, FlowEnd, FlowSums, Income, mid_rate};

/// An income as an object of the API.
pub fn income_body(income: &Income) -> IncomeBody {
    let by_account = income.by_account.iter().map(|(account, earned)| AccountIncomeBody {
        account: account.to_string(),
        earned: earned_body(earned),
    });
    let losses = income.losses.iter().map(|(account, Earned { asset, amount, .. })| LossBody {
        account: account.to_string(),
        asset_code: asset.code.to_string(),
        asset_scale: asset.scale,
        amount: amount.to_string(),
    });
    IncomeBody {
        flows: income.flows.iter().map(flow_body).collect(),
        by_account: by_account.collect(),
        total: income.total.iter().map(earned_body).collect(),
        losses: losses.collect(),
        unattributed: income.unattributed.iter().map(earned_body).collect(),
    }
}

fn flow_body((from, to, sums): &(FlowEnd, FlowEnd, FlowSums)) -> FlowBody {
    FlowBody {
        from: end_body(from),
        to: end_body(to),
        packets: sums.packets.to_string(),
        amount_in: sums.amount_in.to_string(),
        amount_out: sums.amount_out.to_string(),
        amount_at_mid: sums.amount_at_mid.to_string(),
        spread: sums.spread.to_string(),
        rounding: sums.rounding().to_string(),
        mid_rate: mid_rate(&from.asset, &to.asset, *sums).map(|rate| rate.to_string()),
    }
}

fn end_body(end: &FlowEnd) -> FlowEndBody {
    FlowEndBody {
        account: end.name.to_string(),
        asset_code: end.asset.code.to_string(),
        asset_scale: end.asset.scale,
    }
}

fn earned_body(Earned { asset, amount, parts }: &Earned) -> EarnedBody {
    EarnedBody {
        asset_code: asset.code.to_string(),
        asset_scale: asset.scale,
        amount: amount.to_string(),
        spread: parts.spread.to_string(),
        rounding: parts.rounding.to_string(),
        exchange: parts.exchange.to_string(),
        own: parts.own.to_string(),
    }
}
