//! HTTP/1.1 heads (RFC 9112), for the WebSocket handshake of both ends: read from a stream within bounds, and their
//! fields as the lists that they are (RFC 9110 5.3: lines of one name are one list).

use std::io::ErrorKind;

use tokio::io::AsyncReadExt;

use super::stream::Stream;
use super::upgrade::UpgradeError;

/// The longest HTTP head that is read, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Fields of a head.
pub(super) const FIELDS_MAX: usize = 100;
/// Bytes that one read may take; what is behind the head belongs to the WebSocket.
pub(super) const READ_BYTES: usize = 1024;

/// Reads until the empty line, and returns the head and what came behind it. `head` was read before.
pub(super) async fn read_head(
    stream: &mut Stream,
    mut head: Vec<u8>,
) -> Result<(Vec<u8>, Vec<u8>), UpgradeError> {
    const END: &[u8] = b"\r\n\r\n";
    let mut searched = 0;
    loop {
        let unsearched = head.get(searched..).unwrap_or_default();
        if let Some(at) = unsearched.windows(END.len()).position(|window| window == END) {
            let unread = head.split_off(searched + at + END.len());
            return Ok((head, unread));
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(UpgradeError::TooLong);
        }
        searched = head.len().saturating_sub(END.len() - 1);
        head.reserve(READ_BYTES);
        // A TLS record, most of all: waiting for the end of a head would only hide what is wrong.
        if head.first().is_some_and(|first| !first.is_ascii_graphic() && !b"\r\n".contains(first)) {
            return Err(UpgradeError::NotHttp);
        }
        match (&mut *stream).take(READ_BYTES as u64).read_buf(&mut head).await {
            Ok(0) if head.is_empty() => return Err(UpgradeError::Silent),
            Ok(0) => return Err(UpgradeError::Closed),
            Ok(_) => {}
            Err(error) if head.is_empty() && error.kind() == ErrorKind::ConnectionReset => {
                return Err(UpgradeError::Silent);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The fields of a head.
#[derive(Clone, Copy)]
pub(super) struct HeaderFields<'a>(pub(super) &'a [httparse::Header<'a>]);

impl<'a> HeaderFields<'a> {
    /// The values of all lines of that name.
    pub(super) fn lines(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    }

    /// The elements of the list that all lines of that name are together. Empty ones do not count (RFC 9110 5.6.1).
    pub(super) fn elements(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.lines(name)
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Whether the list of that name has this element, in whatever case.
    pub(super) fn has(self, name: &str, element: &str) -> bool {
        self.elements(name).any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// The value of the only line of that name.
    pub(super) fn only(self, name: &str) -> Option<&'a [u8]> {
        let mut lines = self.lines(name);
        lines.next().filter(|_| lines.next().is_none())
    }
}
