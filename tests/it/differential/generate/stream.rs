//! STREAM packets in clear, field by field.

use rand::RngExt as _;

use crate::differential::loose::Loose;

const PACKET_MAX: usize = 32_739;

impl Loose<'_> {
    pub(super) fn stream(&mut self) -> Vec<u8> {
        let mut out = vec![1, self.random.random_range(12..15)];
        if self.odd() {
            out[self.random.random_range(0..2)] = self.random.random();
        }
        for _ in 0..2 {
            let number = self.number();
            self.integer(number, &mut out);
        }
        let count = self.random.random_range(0..5);
        let claimed = if self.odd() && self.one_in(4) { self.number() } else { count };
        self.integer(claimed, &mut out);
        for _ in 0..count {
            self.frame(&mut out);
        }
        if self.odd() && self.one_in(4) {
            // Padding is allowed, up to a size.
            let more = self.random.random_range(0..2);
            out.resize(PACKET_MAX + more, 0);
        }
        out
    }

    fn frame(&mut self, out: &mut Vec<u8>) {
        let known = [1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
        let kind = if self.odd() { self.random.random() } else { self.pick(&known) };
        let mut content = Vec::new();
        match kind {
            1 => {
                content.push(self.random.random());
                self.put_text(&mut content);
            }
            2 => self.put_text(&mut content),
            7 => {
                self.put_text(&mut content);
                content.push(self.random.random());
            }
            16 => {
                self.put_number(&mut content);
                content.push(self.random.random());
                self.put_text(&mut content);
            }
            3..=6 => self.put_number(&mut content),
            17 | 21 | 22 => {
                self.put_number(&mut content);
                self.put_number(&mut content);
            }
            18 | 19 => {
                self.put_number(&mut content);
                if self.odd() {
                    // A limit of more than 64 bits, with or without leading zeros.
                    let mut limit = self.any(12);
                    limit.resize(self.random.random_range(8..12), 1);
                    limit[0] &= self.pick(&[0, 0xff]);
                    self.octets(&limit, &mut content);
                } else {
                    self.put_number(&mut content);
                }
                self.put_number(&mut content);
            }
            20 => {
                self.put_number(&mut content);
                self.put_number(&mut content);
                let data = self.any(2000);
                self.octets(&data, &mut content);
            }
            _ => {
                self.put_number(&mut content);
                let octets = self.any(100);
                self.octets(&octets, &mut content);
            }
        }
        if self.odd() {
            content.push(0);
        }
        out.push(kind);
        self.octets(&content, out);
    }

    fn put_number(&mut self, out: &mut Vec<u8>) {
        let number = self.number();
        self.integer(number, out);
    }

    fn put_text(&mut self, out: &mut Vec<u8>) {
        let text = self.text(300);
        self.octets(&text, out);
    }
}
