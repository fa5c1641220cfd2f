//! The output of `send`: a table of results, or JSON.

use std::io::Write;
use std::iter::{once, repeat};
use std::time::Duration;

use serde_json::{Value, json};

use super::load::Load;
use super::tally::{ResultKind, ResultStats, Tally};
use crate::console::{
    Cell, Failure, Table, describe_code, describe_node, format_duration, format_millis,
    format_percent, group_digits, per_second, ratio, sanitize, sanitize_json,
};
use crate::stream::PacketFailure;

pub(super) struct SendReport<'a> {
    pub(super) load: &'a Load,
    pub(super) through: &'a str,
    pub(super) tally: &'a Tally,
    pub(super) took: Duration,
}

impl SendReport<'_> {
    pub(super) fn write_table(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let SendReport { load, through, tally, took } = self;
        writeln!(
            out,
            "{} packet{} of amount {} to {} through {through}",
            group_digits(tally.sent()),
            if tally.sent() == 1 { "" } else { "s" },
            load.amount,
            load.destination,
        )?;
        let answered = tally.sent() - tally.unanswered();
        writeln!(
            out,
            "{}, {} packets/s, window {}\n",
            format_duration(*took),
            group_digits(per_second(answered, *took)),
            load.window
        )?;
        let mut table = Table::new(&["result", "packets", "share", "p50 ms", "p99 ms"]);
        let mut add_row = |name: &str, packets: u64, [p50, p99]: [String; 2]| {
            let share = Cell::right(format_percent(packets, tally.sent()));
            let packets = Cell::right(group_digits(packets));
            table.add_row([Cell::left(name), packets, share, Cell::right(p50), Cell::right(p99)]);
        };
        for (kind, stats) in tally.results() {
            let latencies = [0.5, 0.99].map(|quantile| format_millis(stats.latency(quantile)));
            add_row(&result_name(kind), stats.packets, latencies);
        }
        if tally.unanswered() > 0 {
            add_row("unanswered", tally.unanswered(), ["-", "-"].map(str::to_owned));
        }
        let examples = tally.results().map(|(_, stats)| stats.example.as_ref());
        let examples = once(None).chain(examples).chain(repeat(None));
        for (line, example) in table.lines(usize::MAX).iter().zip(examples) {
            writeln!(out, "{line}")?;
            if let Some(PacketFailure { by, message, .. }) = example {
                writeln!(out, "    {}: {}", describe_node(by), sanitize(message))?;
            }
        }
        Ok(out.flush()?)
    }

    pub(super) fn write_json(&self, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "{}", sanitize_json(self.to_json().to_string()))?;
        Ok(out.flush()?)
    }

    fn to_json(&self) -> Value {
        let SendReport { load, tally, took, .. } = self;
        let results: Vec<Value> =
            tally.results().map(|(kind, line)| result_json(kind, line, tally.sent())).collect();
        json!({
            "destination": load.destination.as_str(),
            "amount": load.amount.0.to_string(),
            "window": load.window,
            "sent": tally.sent(),
            "fulfilled": tally.fulfilled(),
            "unanswered": tally.unanswered(),
            "seconds": took.as_secs_f64(),
            "packetsPerSecond": per_second(tally.sent() - tally.unanswered(), *took),
            "results": results,
        })
    }
}

fn result_json(kind: ResultKind, line: &ResultStats, sent: u64) -> Value {
    let mut value = json!({
        "result": match kind {
            ResultKind::Fulfilled => "fulfilled".to_owned(),
            ResultKind::Rejected(code) => code.to_string(),
            ResultKind::Other => "other".to_owned(),
        },
        "packets": line.packets,
        "share": ratio(line.packets, sent),
        "p50Ms": latency_ms(line.latency(0.5)),
        "p99Ms": latency_ms(line.latency(0.99)),
    });
    if let (Some(failure), Some(object)) = (&line.example, value.as_object_mut()) {
        object.insert("triggeredBy".to_owned(), failure.by.as_str().into());
        object.insert("message".to_owned(), failure.message.as_str().into());
    }
    value
}

/// Milliseconds, with microseconds as the last digits.
fn latency_ms(latency: Duration) -> f64 {
    let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

fn result_name(kind: ResultKind) -> String {
    match kind {
        ResultKind::Fulfilled => "fulfilled".to_owned(),
        ResultKind::Rejected(code) => describe_code(code),
        ResultKind::Other => "other codes".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ilp::ErrorCode;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        (0..1000).for_each(|_| tally.add_sent());
        (0..990).for_each(|_| tally.add_answer(Ok(()), Duration::from_micros(810)));
        let rejected = PacketFailure {
            code: ErrorCode::T04,
            by: "test.b".to_owned(),
            message: "no liquidity towards\nnext hop c".to_owned(),
        };
        (0..9).for_each(|_| tally.add_answer(Err(rejected.clone()), Duration::from_micros(400)));
        tally
    }

    #[test]
    fn results_are_printed_as_a_table() {
        let (load, tally) = (Load::example(), tally());
        let through = "ws://cli:***@127.0.0.1:3000/";
        let took = Duration::from_millis(500);
        let mut out = Vec::new();
        SendReport { load: &load, through, tally: &tally, took }.write_table(&mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        1,000 packets of amount 5 to test.c through ws://cli:***@127.0.0.1:3000/
        500 ms, 1,998 packets/s, window 16

        result                      packets   share  p50 ms  p99 ms
        fulfilled                       990  99.0 %   0.810   0.810
        T04 Insufficient Liquidity        9   0.9 %   0.400   0.400
            test.b: no liquidity towards\nnext hop c
        unanswered                        1   0.1 %       -       -
        ");
    }

    #[test]
    fn results_are_printed_as_json() {
        let (load, tally) = (Load::example(), tally());
        let took = Duration::from_millis(500);
        let report = SendReport { load: &load, through: "", tally: &tally, took };
        insta::assert_snapshot!(report.to_json().to_string(), @r#"{"destination":"test.c","amount":"5","window":16,"sent":1000,"fulfilled":990,"unanswered":1,"seconds":0.5,"packetsPerSecond":1998,"results":[{"result":"fulfilled","packets":990,"share":0.99,"p50Ms":0.81,"p99Ms":0.81},{"result":"T04","packets":9,"share":0.009,"p50Ms":0.4,"p99Ms":0.4,"triggeredBy":"test.b","message":"no liquidity towards\nnext hop c"}]}"#);
    }
}
