//! The frames of STREAM packets.

use std::fmt;

use oer_codec::{Reader, put_u8, put_var_octet_string, put_var_uint};

use crate::wire::error::encoding;
use crate::wire::{Amount, Error};

/// A stream of a connection. RFC 29 "Opening New Streams": the client opens odd ones, the server even ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Why a stream or a connection was closed. Codes that RFC 29 does not list are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u8);

impl CloseCode {
    /// A normal end.
    pub const NO_ERROR: Self = Self(1);
    /// An error of the application, see the message.
    pub const APPLICATION_ERROR: Self = Self(9);
}

/// A frame. Texts are bytes, because peers may send any. Offsets count bytes from the beginning of
/// a stream or connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StreamFrame<'a> {
    /// `01`: the connection ends.
    ConnectionClose {
        /// The reason.
        code: CloseCode,
        /// The reason, for people.
        message: &'a [u8],
    },
    /// `02`: the own address of the frame's sender.
    NewAddress {
        /// An ILP address, not checked.
        source: &'a [u8],
    },
    /// `03`: the connection's limit of bytes.
    MaxData {
        /// The limit.
        offset: u64,
    },
    /// `04`: the sender wants to exceed the connection's limit of bytes.
    DataBlocked {
        /// Bytes that it wants to send.
        offset: u64,
    },
    /// `05`: the limit of stream ids.
    MaxStreamId {
        /// The limit.
        stream: StreamId,
    },
    /// `06`: the sender wants to exceed the limit of stream ids.
    StreamIdBlocked {
        /// The stream that it wants to open.
        stream: StreamId,
    },
    /// `07`: the asset of the frame's sender.
    AssetDetails {
        /// The asset, such as `USD`.
        code: &'a [u8],
        /// Decimal places: one unit is 10^-scale.
        scale: u8,
    },
    /// `10`: the stream ends.
    StreamClose {
        /// The stream.
        stream: StreamId,
        /// The reason.
        code: CloseCode,
        /// The reason, for people.
        message: &'a [u8],
    },
    /// `11`: the stream's part of the packet's money.
    StreamMoney {
        /// The stream.
        stream: StreamId,
        /// Its part, relative to the shares of the packet's other streams.
        shares: u64,
    },
    /// `12`: the stream's limit of money.
    StreamMaxMoney {
        /// The stream.
        stream: StreamId,
        /// The limit in the receiver's units; above 64 bits it is read as the maximum.
        receive_max: Amount,
        /// The amount that the stream has received so far.
        total_received: Amount,
    },
    /// `13`: the sender wants to exceed the stream's limit of money.
    StreamMoneyBlocked {
        /// The stream.
        stream: StreamId,
        /// The amount that it wants to send, in the sender's units; above 64 bits it is read as the maximum.
        send_max: Amount,
        /// The amount that it has sent so far.
        total_sent: Amount,
    },
    /// `14`: bytes of a stream.
    StreamData {
        /// The stream.
        stream: StreamId,
        /// The position of the first byte.
        offset: u64,
        /// The bytes.
        data: &'a [u8],
    },
    /// `15`: the stream's limit of bytes.
    StreamMaxData {
        /// The stream.
        stream: StreamId,
        /// The limit.
        offset: u64,
    },
    /// `16`: the sender wants to exceed the stream's limit of bytes.
    StreamDataBlocked {
        /// The stream.
        stream: StreamId,
        /// Bytes that it wants to send.
        offset: u64,
    },
    /// `17`: proof of the received amount for a third party (RFC 39, deprecated).
    StreamReceipt {
        /// The stream.
        stream: StreamId,
        /// The receipt.
        receipt: &'a [u8],
    },
}

impl<'a> StreamFrame<'a> {
    /// Reads one frame. RFC 29 "Frames": a frame of an unknown type is ignored (`None`). [row 125]
    /// Bytes after the last known field are ignored.
    pub(super) fn read(packet: &mut Reader<'a>) -> Result<Option<Self>, Error> {
        let type_byte = packet.u8().map_err(encoding("STREAM frame type"))?;
        let content = packet.var_octet_string().map_err(encoding("STREAM frame"))?;
        let mut content = FieldReader(Reader::new(content));
        let frame = match type_byte {
            0x01 => Self::ConnectionClose { code: content.code()?, message: content.octets()? },
            0x02 => Self::NewAddress { source: content.octets()? },
            0x03 => Self::MaxData { offset: content.number()? },
            0x04 => Self::DataBlocked { offset: content.number()? },
            0x05 => Self::MaxStreamId { stream: content.stream()? },
            0x06 => Self::StreamIdBlocked { stream: content.stream()? },
            0x07 => Self::AssetDetails { code: content.octets()?, scale: content.byte()? },
            0x10 => Self::StreamClose {
                stream: content.stream()?,
                code: content.code()?,
                message: content.octets()?,
            },
            0x11 => Self::StreamMoney { stream: content.stream()?, shares: content.number()? },
            0x12 => Self::StreamMaxMoney {
                stream: content.stream()?,
                receive_max: content.limit()?,
                total_received: Amount(content.number()?),
            },
            0x13 => Self::StreamMoneyBlocked {
                stream: content.stream()?,
                send_max: content.limit()?,
                total_sent: Amount(content.number()?),
            },
            0x14 => Self::StreamData {
                stream: content.stream()?,
                offset: content.number()?,
                data: content.octets()?,
            },
            0x15 => Self::StreamMaxData { stream: content.stream()?, offset: content.number()? },
            0x16 => {
                Self::StreamDataBlocked { stream: content.stream()?, offset: content.number()? }
            }
            0x17 => Self::StreamReceipt { stream: content.stream()?, receipt: content.octets()? },
            _ => return Ok(None),
        };
        Ok(Some(frame))
    }

    const fn type_byte(&self) -> u8 {
        match self {
            Self::ConnectionClose { .. } => 0x01,
            Self::NewAddress { .. } => 0x02,
            Self::MaxData { .. } => 0x03,
            Self::DataBlocked { .. } => 0x04,
            Self::MaxStreamId { .. } => 0x05,
            Self::StreamIdBlocked { .. } => 0x06,
            Self::AssetDetails { .. } => 0x07,
            Self::StreamClose { .. } => 0x10,
            Self::StreamMoney { .. } => 0x11,
            Self::StreamMaxMoney { .. } => 0x12,
            Self::StreamMoneyBlocked { .. } => 0x13,
            Self::StreamData { .. } => 0x14,
            Self::StreamMaxData { .. } => 0x15,
            Self::StreamDataBlocked { .. } => 0x16,
            Self::StreamReceipt { .. } => 0x17,
        }
    }

    /// Appends the frame.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut content = Vec::new();
        self.encode_content(&mut content);
        put_u8(self.type_byte(), out);
        put_var_octet_string(&content, out);
    }

    fn encode_content(&self, out: &mut Vec<u8>) {
        match *self {
            Self::ConnectionClose { code, message } => {
                put_u8(code.0, out);
                put_var_octet_string(message, out);
            }
            Self::NewAddress { source } => put_var_octet_string(source, out),
            Self::MaxData { offset } | Self::DataBlocked { offset } => put_var_uint(offset, out),
            Self::MaxStreamId { stream } | Self::StreamIdBlocked { stream } => {
                put_var_uint(stream.0, out);
            }
            Self::AssetDetails { code, scale } => {
                put_var_octet_string(code, out);
                put_u8(scale, out);
            }
            Self::StreamClose { stream, code, message } => {
                put_var_uint(stream.0, out);
                put_u8(code.0, out);
                put_var_octet_string(message, out);
            }
            Self::StreamMoney { stream, shares: number }
            | Self::StreamMaxData { stream, offset: number }
            | Self::StreamDataBlocked { stream, offset: number } => {
                put_var_uint(stream.0, out);
                put_var_uint(number, out);
            }
            Self::StreamMaxMoney { stream, receive_max: limit, total_received: total }
            | Self::StreamMoneyBlocked { stream, send_max: limit, total_sent: total } => {
                put_var_uint(stream.0, out);
                put_var_uint(limit.0, out);
                put_var_uint(total.0, out);
            }
            Self::StreamData { stream, offset, data } => {
                put_var_uint(stream.0, out);
                put_var_uint(offset, out);
                put_var_octet_string(data, out);
            }
            Self::StreamReceipt { stream, receipt } => {
                put_var_uint(stream.0, out);
                put_var_octet_string(receipt, out);
            }
        }
    }
}

/// Prints no texts and data: they may be private.
impl fmt::Debug for StreamFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut content = Vec::new();
        self.encode_content(&mut content);
        write!(f, "frame {:02x} ({} bytes)", self.type_byte(), content.len())
    }
}

/// Reads the fields of a frame.
struct FieldReader<'a>(Reader<'a>);

const PLACE: &str = "STREAM frame content";

impl<'a> FieldReader<'a> {
    fn byte(&mut self) -> Result<u8, Error> {
        self.0.u8().map_err(encoding(PLACE))
    }

    fn code(&mut self) -> Result<CloseCode, Error> {
        self.byte().map(CloseCode)
    }

    fn octets(&mut self) -> Result<&'a [u8], Error> {
        self.0.var_octet_string().map_err(encoding(PLACE))
    }

    fn number(&mut self) -> Result<u64, Error> {
        self.0.var_uint().map_err(encoding(PLACE))
    }

    fn stream(&mut self) -> Result<StreamId, Error> {
        self.number().map(StreamId)
    }

    /// RFC 29 "Maximum VarUInt Size": a limit of more than 64 bits is read as the highest one.
    fn limit(&mut self) -> Result<Amount, Error> {
        let mut limit = self.0;
        self.octets()?;
        match limit.var_uint() {
            Ok(limit) => Ok(Amount(limit)),
            Err(oer_codec::Error::IntegerTooWide { .. }) => Ok(Amount::MAX),
            Err(cause) => Err(encoding(PLACE)(cause)),
        }
    }
}
