//! OER as `oer-utils` reads it.

use super::{Findings, Read, Refused};

pub(super) struct Lenient<'a> {
    rest: &'a [u8],
}

impl<'a> Lenient<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn fixed(&mut self, length: usize) -> Read<&'a [u8]> {
        let (octets, rest) = self.rest.split_at_checked(length).ok_or(Refused)?;
        self.rest = rest;
        Ok(octets)
    }

    /// At most eight octets, the highest first.
    pub(super) fn unsigned(&mut self, length: usize) -> Read<u64> {
        Ok(self.fixed(length)?.iter().fold(0, |value, &octet| value << 8 | u64::from(octet)))
    }

    pub(super) fn u8(&mut self) -> Read<u8> {
        self.fixed(1).map(|octets| octets[0])
    }

    fn length(&mut self, findings: &mut Findings) -> Read<usize> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let octets = usize::from(first & 0x7f);
        if !(1..=6).contains(&octets) {
            return Err(Refused);
        }
        let length = self.unsigned(octets)?;
        // Their bound is shifted by 32 and 40 bits, which in JavaScript is by 0 and 8.
        let (canonical, their_bound) = (1 << (8 * (octets - 1)), 1 << (8 * (octets - 1) % 32));
        if length < u64::max(128, their_bound) {
            return Err(Refused);
        }
        if length < canonical {
            findings.we_refuse("js-wide-length");
        }
        usize::try_from(length).map_err(|_| Refused)
    }

    pub(super) fn octets(&mut self, findings: &mut Findings) -> Read<&'a [u8]> {
        let length = self.length(findings)?;
        self.fixed(length)
    }

    /// A variable integer.
    pub(super) fn integer(&mut self, findings: &mut Findings) -> Read<u64> {
        let octets = self.octets(findings)?;
        if !(1..=8).contains(&octets.len()) {
            return Err(Refused);
        }
        Self::new(octets).unsigned_without_zeros(octets.len(), findings)
    }

    /// A variable integer that stands for the greatest number when it is too long.
    pub(super) fn limit(&mut self, findings: &mut Findings) -> Read<u64> {
        let start = self.rest;
        let octets = self.octets(findings)?;
        if octets.len() <= 8 {
            self.rest = start;
            return self.integer(findings);
        }
        if octets[0] == 0 {
            findings.we_refuse("js-stream-limit-zeros");
        }
        Ok(u64::MAX)
    }

    /// A variable integer where a small one belongs: its length is one octet, and at most 6.
    pub(super) fn count(&mut self, findings: &mut Findings) -> Read<u64> {
        let length = usize::from(self.u8()?);
        if !(1..=6).contains(&length) {
            return Err(Refused);
        }
        self.unsigned_without_zeros(length, findings)
    }

    fn unsigned_without_zeros(&mut self, length: usize, findings: &mut Findings) -> Read<u64> {
        if length > 1 && self.rest.first() == Some(&0) {
            findings.we_refuse("js-integer-zeros");
        }
        self.unsigned(length)
    }
}
