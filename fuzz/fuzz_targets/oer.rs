//! Any sequence of reads over any bytes: nothing panics, no byte is read twice, and accepted values have
//! their only canonical encoding, so that encoding them returns the bytes that were read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oer_codec::{
    Reader, length_size, put_length, put_u8, put_u16, put_u32, put_u64, put_var_octet_string,
    put_var_uint, var_octet_string_size, var_uint_size,
};

fuzz_target!(|input: &[u8]| {
    // Each byte of the input also selects the next read, so that one input is read in many ways while
    // seeds remain plain OER.
    for shift in 0..8u8 {
        read_all(input, shift);
    }
});

fn read_all(input: &[u8], shift: u8) {
    let mut reader = Reader::new(input);
    let mut choice = shift;
    let mut out = Vec::new();
    loop {
        let start = reader.position();
        out.clear();
        let written = match choice % 8 {
            0 => reader.var_octet_string().map(|content| {
                put_var_octet_string(content, &mut out);
                assert_eq!(out.len(), var_octet_string_size(content.len()));
            }),
            1 => reader.var_uint().map(|value| {
                put_var_uint(value, &mut out);
                assert_eq!(out.len(), var_uint_size(value));
            }),
            2 => reader.length().map(|length| {
                let length = usize::try_from(length).expect("a 64-bit machine");
                put_length(length, &mut out);
                assert_eq!(out.len(), length_size(length));
            }),
            3 => reader.u8().map(|value| put_u8(value, &mut out)),
            4 => reader.u16().map(|value| put_u16(value, &mut out)),
            5 => reader.u32().map(|value| put_u32(value, &mut out)),
            6 => reader.u64().map(|value| put_u64(value, &mut out)),
            _ => reader.octets(3).map(|octets| out.extend_from_slice(octets)),
        };
        if let Err(error) = written {
            assert!(!error.to_string().is_empty());
            return;
        }
        let read = &input[start..reader.position()];
        assert_eq!(read, out);
        assert_eq!(reader.position() + reader.remaining(), input.len());
        choice = read.iter().fold(choice.wrapping_add(1), |sum, byte| sum.wrapping_add(*byte));
        if reader.is_empty() {
            return;
        }
    }
}
