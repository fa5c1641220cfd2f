//! The work that the bytes of a connection cause: one unit for each HTTP/2 frame that begins in them, or for each read
//! of HTTP/1.1. Only lengths are read here; the library checks the frames.

/// The connection preface of an HTTP/2 client (RFC 9113 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header (RFC 9113 4.1).
const HEADER_BYTES: usize = 9;

/// Counts one direction of one connection.
#[derive(Debug)]
pub(crate) struct FrameCounter(State);

#[derive(Debug)]
enum State {
    /// Bytes of the preface that were received.
    Preface(usize),
    Http1,
    /// Bytes of a payload that were not received yet.
    Payload(usize),
    /// Bytes of a frame's header that were received, and the length of the payload as far as it is known.
    Header {
        bytes: usize,
        len: usize,
    },
}

impl FrameCounter {
    /// For the bytes of a client.
    pub(crate) fn of_client() -> Self {
        Self(State::Preface(0))
    }

    /// For the bytes of a server.
    pub(crate) fn of_server(is_http2: bool) -> Self {
        Self(if is_http2 { State::Payload(0) } else { State::Http1 })
    }

    /// The work of the next bytes.
    pub(crate) fn count(&mut self, mut data: &[u8]) -> u32 {
        let mut count: u32 = 0;
        if let State::Preface(matched) = self.0 {
            let rest = PREFACE.get(matched..).expect("a longer match is no longer `Preface`");
            let len = rest.len().min(data.len());
            let (now, after) = data.split_at(len);
            self.0 = match rest.starts_with(now) {
                false => State::Http1,
                true if len == rest.len() => State::Payload(0),
                true => State::Preface(matched + len),
            };
            if !matches!(self.0, State::Payload(_)) {
                return 1;
            }
            data = after;
            count = 1;
        }
        if matches!(self.0, State::Http1) {
            return u32::from(!data.is_empty());
        }
        while !data.is_empty() {
            match &mut self.0 {
                State::Header { bytes, len } => {
                    let taken = (HEADER_BYTES - *bytes).min(data.len());
                    let (now, after) = data.split_at(taken);
                    for byte in now {
                        // The first three bytes are the length.
                        if *bytes < 3 {
                            *len = *len << 8 | usize::from(*byte);
                        }
                        *bytes += 1;
                    }
                    data = after;
                    if *bytes == HEADER_BYTES {
                        count = count.saturating_add(1);
                        self.0 = State::Payload(*len);
                    }
                }
                State::Payload(0) => self.0 = State::Header { bytes: 0, len: 0 },
                State::Payload(left) => {
                    let taken = (*left).min(data.len());
                    *left -= taken;
                    data = data.split_at(taken).1;
                }
                State::Preface(_) | State::Http1 => break,
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Vec<u8> {
        let mut frame = len.to_be_bytes()[5..].to_vec();
        frame.extend([6, 0, 0, 0, 0, 0]);
        frame.resize(HEADER_BYTES + len, 0xff);
        frame
    }

    #[test]
    fn frames_are_counted_in_pieces_of_any_size() {
        let frames = [frame(0), frame(8), frame(300), frame(0), frame(70_000), frame(1)].concat();
        let all = [&PREFACE[..], &frames].concat();
        for cut in [1, 2, 5, 9, 10, 23, 24, 25, 1000, all.len()] {
            let mut counter = FrameCounter::of_client();
            let count: u32 = all.chunks(cut).map(|chunk| counter.count(chunk)).sum();
            let of_preface = u32::try_from(24_usize.div_ceil(cut)).unwrap();
            assert_eq!(count, 6 + of_preface, "in pieces of {cut}");
        }
        let mut counter = FrameCounter::of_server(true);
        assert_eq!(counter.count(&frames), 6);
    }

    #[test]
    fn http_1_counts_reads() {
        let mut counter = FrameCounter::of_client();
        assert_eq!(counter.count(b"P"), 1);
        assert_eq!(counter.count(b"OST /ilp HTTP/1.1\r\n\r\n"), 1);
        assert_eq!(counter.count(PREFACE), 1, "it is a body now");
        assert_eq!(FrameCounter::of_server(false).count(b"HTTP/1.1 100\r\n\r\n"), 1);
    }
}
