//! Packets, field by field.

use rand::{Rng as _, RngExt as _};

use crate::differential::loose::Loose;

const DATA_MAX: usize = 32_768;

impl Loose<'_> {
    /// A primitive after the octet that names it.
    pub(super) fn primitive(&mut self) -> Vec<u8> {
        let kind = self.random.random_range(0..6);
        let (mut out, value) = (vec![kind], self.number().to_be_bytes());
        match kind {
            0 => out.extend(&value[7..]),
            1 => out.extend(&value[6..]),
            2 => out.extend(&value[4..]),
            3 => out.extend(&value),
            4 => {
                let octets = self.any(70_000);
                self.octets(&octets, &mut out);
            }
            _ => self.integer(u64::from_be_bytes(value), &mut out),
        }
        out
    }

    pub(super) fn ilp(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        let kind = self.random.random_range(12..15);
        match kind {
            12 => {
                content.extend(self.number().to_be_bytes());
                content.extend(self.date());
                content.extend(self.hash());
                let destination = self.address();
                self.octets(&destination, &mut content);
            }
            13 => content.extend(self.hash()),
            _ => {
                let mut code = self.ascii(&["F00", "F08", "T01", "R99", "X\0~"]);
                code.resize(3, b'0');
                content.extend(code);
                let triggered_by = if self.one_in(4) { Vec::new() } else { self.address() };
                self.octets(&triggered_by, &mut content);
                let message = self.text(8192);
                self.octets(&message, &mut content);
            }
        }
        let data = self.any(DATA_MAX);
        self.octets(&data, &mut content);
        self.envelope(&[kind], content)
    }

    pub(super) fn btp(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        let kind = self.pick(&[1, 2, 6, 6, 7]);
        match kind {
            7 => content.extend(self.number().to_be_bytes()),
            2 => {
                let mut code = self.ascii(&["F00", "T00", "L13"]);
                code.resize(3, b'0');
                content.extend(code);
                let name = self.ascii(&["NotAcceptedError", "errorName", ""]);
                self.octets(&name, &mut content);
                let time = self.generalized();
                self.octets(&time, &mut content);
                let data = self.text(8192);
                self.octets(&data, &mut content);
            }
            _ => {}
        }
        let count = if self.one_in(50) { 300 } else { self.random.random_range(0..4) };
        let claimed = if self.odd() { self.number() } else { count };
        self.integer(claimed, &mut content);
        for _ in 0..count {
            let name = self.ascii(&["ilp", "auth", "auth_token", "", "info"]);
            self.octets(&name, &mut content);
            content.push(self.pick(&[0, 0, 1, 2, 3, 255]));
            let data = if count > 4 { vec![1] } else { self.any(2000) };
            self.octets(&data, &mut content);
        }
        let id = self.number().to_be_bytes();
        let kind = if self.odd() { self.random.random_range(0..9) } else { kind };
        self.envelope(&[&[kind], &id[4..]].concat(), content)
    }

    pub(super) fn ildcp(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        let address = self.address();
        self.octets(&address, &mut data);
        data.push(self.random.random());
        let code = self.text(100);
        self.octets(&code, &mut data);
        if self.odd() {
            data.resize(DATA_MAX + self.random.random_range(0..2), 7);
        }
        let mut content = vec![0; 32];
        if self.odd() {
            content[self.random.random_range(0..32)] = 1;
        }
        self.octets(&data, &mut content);
        self.envelope(&[13], content)
    }

    /// The head, the length and the content, of which a few bytes may be lost or changed.
    fn envelope(&mut self, head: &[u8], mut content: Vec<u8>) -> Vec<u8> {
        if self.odd() && !content.is_empty() {
            let at = self.random.random_range(0..content.len());
            match self.random.random_range(0..4) {
                0 => content.truncate(at),
                1 => content.insert(at, self.random.random()),
                2 => content.push(0),
                _ => content[at] = self.random.random(),
            }
        }
        let mut out = head.to_vec();
        self.octets(&content, &mut out);
        out
    }

    pub(super) fn hash(&mut self) -> [u8; 32] {
        let mut hash = [0; 32];
        self.random.fill_bytes(&mut hash);
        hash
    }
}
