//! Writes random OER and parts of packets, some of them invalid.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _};

pub(super) struct Loose<'a> {
    pub(super) random: &'a mut StdRng,
    /// How many of a thousand values are odd.
    pub(super) oddity: u32,
}

impl Loose<'_> {
    pub(super) fn odd(&mut self) -> bool {
        self.random.random_range(0..1000) < self.oddity
    }

    /// More often odd, for values with many ways to be odd.
    fn quite_odd(&mut self) -> bool {
        self.random.random_range(0..1000) < 4 * self.oddity
    }

    pub(super) fn one_in(&mut self, times: u32) -> bool {
        self.random.random_range(0..times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, some: &[T]) -> T {
        *some.choose(self.random).unwrap()
    }

    /// A length determinant.
    fn length(&mut self, length: usize, out: &mut Vec<u8>) {
        let bytes = length.to_be_bytes();
        let least = bytes.len() - length.leading_zeros() as usize / 8;
        if self.odd() {
            let octets = self.random.random_range(0..=9);
            let lie = if self.one_in(3) { self.number() } else { length as u64 };
            out.push(0x80 | octets);
            let octets = usize::from(octets);
            out.extend([&[0; 8], lie.to_be_bytes().as_slice()].concat().split_off(16 - octets));
        } else if length < 128 {
            out.push(bytes[7]);
        } else {
            out.push(0x80 | u8::try_from(least).unwrap());
            out.extend(&bytes[8 - least..]);
        }
    }

    pub(super) fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.length(octets.len(), out);
        out.extend(octets);
    }

    pub(super) fn integer(&mut self, value: u64, out: &mut Vec<u8>) {
        let bytes = value.to_be_bytes();
        let mut length = usize::max(1, bytes.len() - value.leading_zeros() as usize / 8);
        if self.odd() {
            length = self.random.random_range(0..=10);
        }
        let wide = [&[0; 8], bytes.as_slice()].concat().split_off(16 - length);
        self.octets(&wide, out);
    }

    /// A number, often near a limit.
    pub(super) fn number(&mut self) -> u64 {
        match self.random.random_range(0..4) {
            0 => self.random.random_range(0..300),
            1 => u64::MAX - self.random.random_range(0..3),
            2 => (1 << self.random.random_range(0..64)) - self.random.random_range(0..2),
            _ => self.random.next_u64(),
        }
    }

    /// Any octets, rarely more than some dozens.
    pub(super) fn any(&mut self, maximum: usize) -> Vec<u8> {
        let length = match self.random.random_range(0..200) {
            0 => self.random.random_range(0..=maximum),
            1 if self.odd() => maximum + self.random.random_range(1..3),
            1 => maximum,
            2..10 => self.random.random_range(120..140).min(maximum),
            10..14 => self.random.random_range(250..260).min(maximum),
            _ => self.random.random_range(0..40).min(maximum),
        };
        let mut octets = vec![0; length];
        self.random.fill_bytes(&mut octets);
        octets
    }

    /// UTF-8, or nearly.
    pub(super) fn text(&mut self, maximum: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.random.random_range(0..12) {
            let some =
                self.pick(&["", "a", "insufficient ", "é", "€", "𝄞", "\0", "\u{feff}", "\n"]);
            text.extend(some.bytes());
        }
        if self.odd() {
            text.extend(self.pick(&[
                &b"\xff"[..],
                b"\xc3",
                b"\xe2\x82",
                b"\xed\xa0\x80",
                b"\xf0\x9d",
            ]));
            text.push(b'x');
        }
        if self.quite_odd() && self.one_in(6) {
            let more = self.random.random_range(0..2);
            text.resize(maximum + more, b'm');
        }
        text
    }

    /// Octets of seven bits, or nearly.
    pub(super) fn ascii(&mut self, names: &[&str]) -> Vec<u8> {
        let mut name = self.pick(names).as_bytes().to_vec();
        if self.one_in(10) {
            name = (0..self.random.random_range(0..150))
                .map(|_| self.random.random_range(0..0x80))
                .collect();
        }
        self.spoil(&mut name);
        name
    }

    /// Sets the highest bit of an octet.
    fn spoil(&mut self, octets: &mut [u8]) {
        if self.odd() && !octets.is_empty() {
            let at = self.random.random_range(0..octets.len());
            octets[at] |= 0x80;
        }
    }

    pub(super) fn address(&mut self) -> Vec<u8> {
        let schemes =
            ["g", "private", "example", "peer", "self", "test", "test1", "test2", "test3", "local"];
        let mut address = self.pick(&schemes).as_bytes().to_vec();
        for _ in 0..self.random.random_range(1..5) {
            address.push(b'.');
            address.extend(
                self.pick(&["a", "bob", "Alice_~-9", "config", "route", "x".repeat(90).as_str()])
                    .bytes(),
            );
        }
        if self.one_in(100) {
            address.resize(1023, b'z');
        }
        self.spoil(&mut address);
        if self.odd() {
            match self.random.random_range(0..6) {
                0 => address.push(b'.'),
                1 => address.extend(b"..a"),
                2 => address.resize(1024, b'z'),
                3 => address = b"g".to_vec(),
                4 => address = b"test4.a".to_vec(),
                _ => address.push(self.pick(b"\n $/:")),
            }
        }
        address
    }

    /// Fourteen digits for the seconds, three for the milliseconds.
    pub(super) fn date(&mut self) -> Vec<u8> {
        let year = match self.random.random_range(0..20) {
            // A date before 1970, which we write as 1970.
            0 if self.quite_odd() => self.random.random_range(0..100),
            1 if self.quite_odd() => self.pick(&[0, 70, 99, 100, 1969]),
            2 if self.quite_odd() => self.random.random_range(100..1970),
            3 => self.random.random_range(2100..10_000),
            4 => self.pick(&[1970, 1999, 2000, 2100, 9999]),
            _ => self.random.random_range(1970..2100),
        };
        let month = self.random.random_range(1..=12);
        let day = self.random.random_range(1..=28);
        let time = self.random.random_range(0..86_400);
        let mut fields = [month, day, time / 3600, time / 60 % 60, time % 60];
        if self.one_in(8) {
            fields = self.pick(&[[1, 1, 0, 0, 0], [12, 31, 23, 59, 59], [2, 28, 24, 0, 0]]);
            fields[2] %= if self.quite_odd() { 25 } else { 24 };
        }
        if self.quite_odd() {
            let field = self.random.random_range(0..fields.len());
            fields[field] = self.pick(&[0, 13, 24, 29, 30, 31, 32, 59, 60, 61, 99]);
        }
        let [month, day, hour, minute, second] = fields;
        let millis = if self.one_in(3) { 0 } else { self.random.random_range(0..1000) };
        if self.quite_odd() && self.one_in(8) {
            let edges = [
                b"19700101000000000",
                b"00700101000000000",
                b"20230229000000000",
                b"20230431123456789",
                b"20241231240000000",
                b"99991231235960000",
            ];
            return self.pick(&edges).to_vec();
        }
        let mut date =
            format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}{millis:03}")
                .into_bytes();
        if self.quite_odd() {
            for _ in 0..self.random.random_range(1..4) {
                let at = self.random.random_range(0..date.len());
                date[at] = self.pick(b"0123456789 +-.exXo\t\n\xb1\xa0Zb");
            }
        }
        date
    }

    /// A GeneralizedTime.
    pub(super) fn generalized(&mut self) -> Vec<u8> {
        let mut date = self.date();
        if self.quite_odd() {
            let second = self.pick(&[b"60", b"61", b"24"]);
            date[12..14].copy_from_slice(second);
        }
        let (odd, digits) = (self.quite_odd(), self.random.random_range(0..4));
        let digits = if self.one_in(4) || odd { digits } else { 3 };
        date.truncate(14 + digits);
        if digits > 0 {
            date.insert(14, b'.');
        }
        if odd && self.one_in(3) {
            date.extend(self.pick(&[&b"0Z"[..], b"z", b"+00", b"Z ", b""]));
        } else {
            date.push(b'Z');
        }
        date
    }
}
