//! HTTP/1.1 headers (RFC 9112) of an opening handshake: reads them within bounds, and combines field lines of one
//! name into one list (RFC 9110 5.3).

use std::io::ErrorKind;

use tokio::io::AsyncReadExt;

use super::byte_stream::ByteStream;
use super::socket::READ_BYTES_BEFORE_LOGIN;
use super::upgrade::UpgradeError;

/// The longest HTTP header, in bytes.
pub(super) const HEADER_BYTES_MAX: usize = 8 * 1024;
/// Field lines of a header.
pub(super) const FIELDS_MAX: usize = 100;

/// Reads until the empty line, and returns the header and the bytes after it. `header`: bytes that were read before.
pub(super) async fn read_header(
    stream: &mut ByteStream,
    mut header: Vec<u8>,
) -> Result<(Vec<u8>, Vec<u8>), UpgradeError> {
    const END: &[u8] = b"\r\n\r\n";
    let mut searched = 0;
    loop {
        let unsearched = header.get(searched..).unwrap_or_default();
        if let Some(at) = unsearched.windows(END.len()).position(|window| window == END) {
            let unread = header.split_off(searched + at + END.len());
            return Ok((header, unread));
        }
        if header.len() > HEADER_BYTES_MAX {
            return Err(UpgradeError::TooLong);
        }
        searched = header.len().saturating_sub(END.len() - 1);
        header.reserve(READ_BYTES_BEFORE_LOGIN);
        // Usually a TLS record. To wait for the end of a header would only hide the mistake.
        if header.first().is_some_and(|first| !first.is_ascii_graphic() && !b"\r\n".contains(first))
        {
            return Err(UpgradeError::NotHttp);
        }
        match (&mut *stream).take(READ_BYTES_BEFORE_LOGIN as u64).read_buf(&mut header).await {
            Ok(0) if header.is_empty() => return Err(UpgradeError::Silent),
            Ok(0) => return Err(UpgradeError::Closed),
            Ok(_) => {}
            Err(error) if header.is_empty() && error.kind() == ErrorKind::ConnectionReset => {
                return Err(UpgradeError::Silent);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The fields of a header.
#[derive(Clone, Copy)]
pub(super) struct HeaderFields<'a>(pub(super) &'a [httparse::Header<'a>]);

impl<'a> HeaderFields<'a> {
    /// The values of all field lines with this name.
    pub(super) fn lines(self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    }

    /// The elements of the combined list of a name. RFC 9110 5.6.1: empty elements do not count.
    pub(super) fn elements(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.lines(name)
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Whether the list of a name has this element, in upper or lower case.
    pub(super) fn has_element(self, name: &str, element: &str) -> bool {
        self.elements(name).any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// The value of the only field line with this name; `None` if there are more.
    pub(super) fn single_line(self, name: &str) -> Option<&'a [u8]> {
        let mut lines = self.lines(name);
        lines.next().filter(|_| lines.next().is_none())
    }
}
