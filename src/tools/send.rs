//! `send`: sends Prepares to any destination, and counts the outcomes.

pub(super) mod load;
mod progress;
mod report;
pub(super) mod tally;

use std::io::Write;
use std::time::Duration;

use self::load::{Load, StopCondition};
use self::progress::SendProgress;
use self::report::SendReport;
use self::tally::Tally;
use super::args::{DATA_BYTES_MAX, SendArguments};
use super::interrupt::Interrupt;
use super::login::EntryLogin;
use super::session::{run_session, send_options};
use super::wait_notes::print_note;
use crate::config::Environment;
use crate::console::{Failure, exit_result};
use crate::wire::{Condition, Fulfillment};

/// Sends until all packets are answered or an interrupt.
pub async fn run(
    arguments: &SendArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let data = read_data(arguments)?;
    let login = EntryLogin::find(&arguments.login, environment)?;
    let load = Load {
        destination: arguments.destination.clone(),
        amount: arguments.amount,
        condition: execution_condition(arguments),
        data,
        expiry: arguments.expiry,
        window: usize::try_from(arguments.window).unwrap_or(usize::MAX),
        per_second: arguments.rate,
    };
    let stop = StopCondition { after_packets: Some(arguments.count), after: Duration::MAX };
    let through = login.to_string();
    let is_complete = run_session(&login, send_options(load.window), async |client| {
        let mut interrupt = Interrupt::listen(client)?;
        let mut progress = SendProgress::new(&load, arguments.count);
        let watch =
            |tally: &Tally, after| progress.next_note(tally, after).iter().for_each(print_note);
        let (tally, took) = load.send(client, stop, interrupt.wait(), watch).await;
        let report = SendReport { load: &load, through: &through, tally: &tally, took };
        match arguments.json {
            true => report.write_json(out)?,
            false => report.write_table(out)?,
        }
        Ok(tally.fulfilled() == arguments.count)
    })
    .await?;
    exit_result(is_complete)
}

fn execution_condition(arguments: &SendArguments) -> Condition {
    match (arguments.condition, arguments.fulfillment) {
        (Some(condition), _) => Condition(condition),
        (None, Some(fulfillment)) => Fulfillment(fulfillment).condition(),
        (None, None) => Condition::PING,
    }
}

fn read_data(arguments: &SendArguments) -> Result<Vec<u8>, Failure> {
    let data = match (&arguments.data, &arguments.data_hex, &arguments.data_file) {
        (Some(text), _, _) => text.as_bytes().to_vec(),
        (_, Some(bytes), _) => bytes.to_vec(),
        (_, _, Some(file)) => std::fs::read(file).map_err(|error| {
            Failure::Usage(format!("cannot read --data-file {}: {error}", file.display()))
        })?,
        (None, None, None) => Vec::new(),
    };
    if data.len() > DATA_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "the data has {} bytes; a packet carries at most {DATA_BYTES_MAX}",
            data.len()
        )));
    }
    Ok(data)
}
