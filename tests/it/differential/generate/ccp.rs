//! CCP payloads, field by field.

use rand::{Rng as _, RngExt as _};

use crate::differential::loose::Loose;

impl Loose<'_> {
    pub(super) fn ccp_control(&mut self) -> Vec<u8> {
        let mut out = vec![self.random.random_range(0..2)];
        if self.odd() {
            out[0] = self.random.random();
        }
        out.extend(self.random.next_u64().to_be_bytes());
        out.extend(self.random.next_u64().to_be_bytes());
        out.extend(&self.number().to_be_bytes()[4..]);
        let count = self.random.random_range(0..3);
        self.list(count, Self::feature, &mut out);
        out
    }

    fn feature(&mut self) -> Vec<u8> {
        self.text(20)
    }

    pub(super) fn ccp_update(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..2 {
            out.extend(self.random.next_u64().to_be_bytes());
        }
        for _ in 0..4 {
            out.extend(&self.number().to_be_bytes()[4..]);
        }
        let speaker = self.address();
        self.octets(&speaker, &mut out);
        let count = self.random.random_range(0..4);
        self.integer(count, &mut out);
        for _ in 0..count {
            let prefix = self.prefix();
            self.octets(&prefix, &mut out);
            let hops = self.random.random_range(0..4);
            self.list(hops, Self::address, &mut out);
            out.extend(self.hash());
            self.props(&mut out);
        }
        let count = self.random.random_range(0..4);
        self.list(count, Self::prefix, &mut out);
        out
    }

    fn prefix(&mut self) -> Vec<u8> {
        let mut prefix = self.address();
        if self.one_in(4) {
            prefix.truncate(1);
        }
        if self.odd() {
            prefix.extend("é".bytes());
        }
        prefix
    }

    fn props(&mut self, out: &mut Vec<u8>) {
        let count = if self.one_in(4) { self.random.random_range(0..3) } else { 0 };
        self.integer(count, out);
        for _ in 0..count {
            let meta = self.pick(&[0x40, 0x50, 0x80, 0x90, 0xc0, 0xe0, 0xf0]);
            out.push(if self.odd() { self.random.random() } else { meta });
            out.extend(self.random.random::<[u8; 2]>());
            let value = self.text(50);
            self.octets(&value, out);
        }
    }

    /// A count, and that many items.
    fn list(&mut self, count: u64, item: impl Fn(&mut Self) -> Vec<u8>, out: &mut Vec<u8>) {
        let claimed = if self.odd() && self.one_in(4) { self.number() } else { count };
        self.integer(claimed, out);
        for _ in 0..count {
            let item = item(self);
            self.octets(&item, out);
        }
    }
}
