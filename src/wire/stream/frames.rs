//! The list of frames of a packet, parsed or to send.

use std::fmt;

use oer_codec::{Reader, put_var_uint};

use super::frame::StreamFrame;
use crate::wire::Error;
use crate::wire::error::read_count;

/// Bytes of the shortest frame: its type and the length of its content.
const FRAME_MIN: usize = 2;

/// The frames of one packet.
#[derive(Clone, Copy)]
pub struct Frames<'a>(FrameSource<'a>);

#[derive(Clone, Copy)]
enum FrameSource<'a> {
    /// `count` checked frames at the beginning of the bytes, unknown ones included.
    Parsed { count: usize, bytes: &'a [u8] },
    /// Frames to send.
    Built(&'a [StreamFrame<'a>]),
}

impl<'a> Frames<'a> {
    /// No frames.
    pub const NONE: Self = Self(FrameSource::Built(&[]));

    /// Frames to send.
    #[must_use]
    pub const fn from_frames(frames: &'a [StreamFrame<'a>]) -> Self {
        Self(FrameSource::Built(frames))
    }

    /// Reads the count and all frames.
    pub(super) fn parse(packet: &mut Reader<'a>) -> Result<Self, Error> {
        let count = read_count(FRAME_MIN, packet, "STREAM frames: count")?;
        let bytes = packet.rest();
        for _ in 0..count {
            StreamFrame::read(packet)?;
        }
        Ok(Self(FrameSource::Parsed { count, bytes }))
    }

    /// The frames of known types, in their order.
    pub fn iter(&self) -> impl Iterator<Item = StreamFrame<'a>> + use<'a> {
        let (built, count, bytes): (&[StreamFrame<'a>], _, _) = match self.0 {
            FrameSource::Parsed { count, bytes } => (&[], count, bytes),
            FrameSource::Built(frames) => (frames, 0, &[][..]),
        };
        let mut reader = Reader::new(bytes);
        let parsed = (0..count).filter_map(move |_| StreamFrame::read(&mut reader).ok().flatten());
        built.iter().copied().chain(parsed)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_var_uint(self.iter().count() as u64, out);
        for frame in self.iter() {
            frame.encode(out);
        }
    }
}

impl PartialEq for Frames<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Frames<'_> {}

impl fmt::Debug for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
