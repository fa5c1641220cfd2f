//! One frame: a type, and content of known length.

use std::fmt;

use oer_codec::{Reader, put_u8, put_var_octet_string, put_var_uint};

use crate::wire::error::encoding;
use crate::wire::{Amount, Error};

/// A stream of a connection: odd ones were opened by the client, even ones by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Why a stream or a connection was closed. Codes that RFC 29 does not list are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u8);

impl CloseCode {
    /// Done, as planned.
    pub const NO_ERROR: Self = Self(1);
    /// Something failed that should not.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// Too much to do; try later.
    pub const ENDPOINT_BUSY: Self = Self(3);
    /// More was sent than the other side allowed.
    pub const FLOW_CONTROL_ERROR: Self = Self(4);
    /// A stream was opened whose number is too high.
    pub const STREAM_ID_ERROR: Self = Self(5);
    /// Something was sent on a stream that is closed.
    pub const STREAM_STATE_ERROR: Self = Self(6);
    /// A frame does not parse.
    pub const FRAME_FORMAT_ERROR: Self = Self(7);
    /// Any other breach of the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(8);
    /// The application's, see the message.
    pub const APPLICATION_ERROR: Self = Self(9);
}

/// Texts are bytes here: they are the peer's, for people, and often not what the protocol says they are. Numbers of
/// bytes count from the beginning of a stream or connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StreamFrame<'a> {
    /// `01`: nothing more is sent.
    ConnectionClose {
        /// Why.
        code: CloseCode,
        /// Why, for people.
        message: &'a [u8],
    },
    /// `02`: the sender's own address. Not checked: who only sends says whatever it likes.
    NewAddress {
        /// An ILP address, as a rule.
        source: &'a [u8],
    },
    /// `03`: so many bytes may be sent on the connection.
    MaxData {
        /// The limit.
        offset: u64,
    },
    /// `04`: the limit of the connection holds up the sender.
    DataBlocked {
        /// How many bytes it wants to send.
        offset: u64,
    },
    /// `05`: streams up to this one may be opened.
    MaxStreamId {
        /// The limit.
        stream: StreamId,
    },
    /// `06`: the limit of streams holds up the sender.
    StreamIdBlocked {
        /// The stream that it wants to open.
        stream: StreamId,
    },
    /// `07`: what the amounts of who sends this frame are counted in.
    AssetDetails {
        /// The asset, such as `USD`.
        code: &'a [u8],
        /// Decimal places: one unit is 10^-scale.
        scale: u8,
    },
    /// `10`: nothing more is sent on this stream.
    StreamClose {
        /// Which stream.
        stream: StreamId,
        /// Why.
        code: CloseCode,
        /// Why, for people.
        message: &'a [u8],
    },
    /// `11`: this stream's part of the packet's money.
    StreamMoney {
        /// Which stream.
        stream: StreamId,
        /// Its part, relative to the shares of the packet's other streams.
        shares: u64,
    },
    /// `12`: how much this stream may receive.
    StreamMaxMoney {
        /// Which stream.
        stream: StreamId,
        /// The limit, in the receiver's units. What does not fit 64 bits is read as the most that does.
        receive_max: Amount,
        /// What the stream has received so far.
        total_received: Amount,
    },
    /// `13`: the limit of the stream holds up the sender.
    StreamMoneyBlocked {
        /// Which stream.
        stream: StreamId,
        /// How much it wants to send, in the sender's units. What does not fit 64 bits is read as the most that does.
        send_max: Amount,
        /// What it has sent so far.
        total_sent: Amount,
    },
    /// `14`: bytes of a stream.
    StreamData {
        /// Which stream.
        stream: StreamId,
        /// Where they belong.
        offset: u64,
        /// The bytes.
        data: &'a [u8],
    },
    /// `15`: so many bytes may be sent on this stream.
    StreamMaxData {
        /// Which stream.
        stream: StreamId,
        /// The limit.
        offset: u64,
    },
    /// `16`: the limit of the stream holds up the sender.
    StreamDataBlocked {
        /// Which stream.
        stream: StreamId,
        /// How many bytes it wants to send.
        offset: u64,
    },
    /// `17`: a proof of what was received, for a third party (RFC 39, deprecated).
    StreamReceipt {
        /// Which stream.
        stream: StreamId,
        /// The proof.
        receipt: &'a [u8],
    },
}

impl<'a> StreamFrame<'a> {
    /// Reads one frame; `None` for one of an unknown type, which is to be ignored. Bytes after the last known field are
    /// ignored (RFC 30 "Extensibility").
    pub(super) fn read(packet: &mut Reader<'a>) -> Result<Option<Self>, Error> {
        let type_byte = packet.u8().map_err(encoding("STREAM frame type"))?;
        let content = packet.var_octet_string().map_err(encoding("STREAM frame"))?;
        let mut content = Content(Reader::new(content));
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

/// Type and numbers, but no texts and data: they may be private.
impl fmt::Debug for StreamFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut content = Vec::new();
        self.encode_content(&mut content);
        write!(f, "frame {:02x} ({} bytes)", self.type_byte(), content.len())
    }
}

/// The fields of frames. One place in errors is enough: who made the frame can count.
struct Content<'a>(Reader<'a>);

const PLACE: &str = "STREAM frame content";

impl<'a> Content<'a> {
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

    /// A limit that an implementation with larger numbers may set beyond 64 bits: no limit then, as far as we can count.
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
