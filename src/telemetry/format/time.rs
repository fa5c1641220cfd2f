//! Times as they stand in lines, without the formatting machinery: a packet line has two of them.

use std::time::SystemTime;

use crate::wire::Timestamp;

/// The time of a line: `2017-12-24T16:14:32.279123Z`.
pub(in crate::telemetry) type LineTime = [u8; 27];

/// The present time of day.
pub(super) fn time_now() -> LineTime {
    let micros = micros_now().unsigned_abs();
    rfc3339_micros(Timestamp::from_millis(micros / 1000), micros % 1000)
}

/// Microseconds since 1970; 0 if the clock is set to an earlier time.
pub(in crate::telemetry) fn micros_now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// A time and the microseconds of its last millisecond.
pub(in crate::telemetry) fn rfc3339_micros(time: Timestamp, micros: u64) -> LineTime {
    let mut text = [b'Z'; 27];
    let (millis, rest) = text.split_at_mut(23);
    millis.copy_from_slice(rfc3339(time).get(..23).unwrap_or_default());
    for (digit, unit) in rest.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(micros / unit % 10).unwrap_or(0);
    }
    text
}

/// `2017-12-24T16:14:32.279Z`
pub(in crate::telemetry) fn rfc3339(time: Timestamp) -> [u8; 24] {
    let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, f0, f1, f2] = time.to_17();
    [
        y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'.',
        f0, f1, f2, b'Z',
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_same_text_as_timestamps() {
        for millis in [0, 1, 951_782_400_000, 1_514_132_072_279, Timestamp::MAX.as_millis()] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(std::str::from_utf8(&rfc3339(time)), Ok(time.to_string().as_str()));
            let with_micros = time.to_string().replace('Z', "047Z");
            assert_eq!(std::str::from_utf8(&rfc3339_micros(time, 47)), Ok(with_micros.as_str()));
        }
    }
}
