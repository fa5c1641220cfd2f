//! The vectors of `tests/vectors/oer.json`, boundaries, and properties.

use std::string::ToString;
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;
use serde_json::Value;

use crate::*;

fn vectors(section: &str) -> Vec<Value> {
    let text = include_str!("../../../tests/vectors/oer.json");
    let file: Value = serde_json::from_str(text).expect("the vector file is JSON");
    let entries = file[section].as_array().expect("the section is a list").clone();
    assert!(!entries.is_empty(), "{section} is empty");
    entries
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("{key} is a string in {entry}"))
}

fn bytes(entry: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(entry, key)).expect("hex")
}

/// Runs each entry of a section. `accepted` compares an accepted value and returns its encoding.
fn check<T>(
    section: &str,
    read: impl Fn(&mut Reader<'_>) -> Result<T, Error>,
    accepted: impl Fn(&Value, T, &mut Vec<u8>),
) {
    for entry in vectors(section) {
        let input = bytes(&entry, "hex");
        let mut reader = Reader::new(&input);
        let result = read(&mut reader);
        match text(&entry, "expect") {
            "accept" => {
                let value = result.unwrap_or_else(|error| panic!("{entry}: {error}"));
                let mut again = Vec::new();
                accepted(&entry, value, &mut again);
                assert_eq!(again, input[..reader.position()], "round trip of {entry}");
            }
            "reject" => assert!(result.is_err(), "accepted {entry}"),
            other => panic!("unknown expectation {other} in {entry}"),
        }
    }
}

#[test]
fn vectors_of_the_length_determinant() {
    check(
        "length_determinant",
        |reader| reader.length(),
        |entry, length, again| {
            assert_eq!(length.to_string(), text(entry, "length"));
            put_length(usize::try_from(length).expect("64-bit"), again);
            assert_eq!(again.len(), length_size(usize::try_from(length).expect("64-bit")));
        },
    );
}

#[test]
fn vectors_of_the_variable_integer() {
    check(
        "var_uint",
        |reader| reader.var_uint(),
        |entry, value, again| {
            assert_eq!(value.to_string(), text(entry, "value"));
            put_var_uint(value, again);
            assert_eq!(again.len(), var_uint_size(value));
        },
    );
}

#[test]
fn vectors_of_the_variable_octet_string() {
    let read = |reader: &mut Reader<'_>| reader.var_octet_string().map(<[u8]>::to_vec);
    check("var_octet_string", read, |entry, content, again| {
        assert_eq!(content, bytes(entry, "content_hex"));
        put_var_octet_string(&content, again);
        assert_eq!(again.len(), var_octet_string_size(content.len()));
    });
}

#[test]
fn vectors_of_the_fixed_integers() {
    for entry in vectors("fixed_uint") {
        let input = bytes(&entry, "hex");
        let mut reader = Reader::new(&input);
        let mut again = Vec::new();
        let value = match text(&entry, "type") {
            "UInt8" => reader.u8().map(|v| (put_u8(v, &mut again), u64::from(v)).1),
            "UInt16" => reader.u16().map(|v| (put_u16(v, &mut again), u64::from(v)).1),
            "UInt32" => reader.u32().map(|v| (put_u32(v, &mut again), u64::from(v)).1),
            "UInt64" => reader.u64().map(|v| (put_u64(v, &mut again), v).1),
            other => panic!("unknown type {other}"),
        };
        assert_eq!(value.expect("valid").to_string(), text(&entry, "value"));
        assert_eq!(again, input);
        assert!(reader.is_empty());
        let cut = &input[..input.len() - 1];
        let refused = match cut.len() {
            0 => Reader::new(cut).u8().is_err(),
            1 => Reader::new(cut).u16().is_err(),
            3 => Reader::new(cut).u32().is_err(),
            _ => Reader::new(cut).u64().is_err(),
        };
        assert!(refused, "{entry} cut by one byte");
    }
}

#[test]
fn errors_say_what_and_how_much() {
    fn check(input: &[u8], read: impl Fn(&mut Reader<'_>) -> Option<Error>, message: &str) {
        let error = read(&mut Reader::new(input)).expect("an error");
        assert_eq!(format!("data {error}"), message);
    }
    let string = |reader: &mut Reader<'_>| reader.var_octet_string().err();
    let integer = |reader: &mut Reader<'_>| reader.var_uint().err();
    check(b"\x05", string, "data claims 5 bytes, 0 left");
    check(b"", string, "data needs 1 bytes, 0 left");
    check(b"\x80", string, "data has an indefinite length (80)");
    check(
        b"\x81\x05hello",
        string,
        "data has a length below 128 in the long form, which is not canonical",
    );
    check(
        b"\x82\x00\x80",
        string,
        "data has a length with a leading zero byte, which is not canonical",
    );
    check(b"\x89", string, "data has a length of 9 bytes, at most 8 are allowed");
    check(b"\x00", integer, "data is an integer of zero bytes (zero is 01 00)");
    check(
        b"\x02\x00\x01",
        integer,
        "data is an integer with a leading zero byte, which is not canonical",
    );
    check(b"\x09123456789", integer, "data is an integer of 9 bytes, at most 8 are allowed");
    check(b"abc", |reader| reader.u32().err(), "data needs 4 bytes, 3 left");
    check(b"abc", |reader| reader.octets(4).err(), "data needs 4 bytes, 3 left");
}

#[test]
fn a_reader_knows_where_it_is() {
    let mut reader = Reader::new(b"\x02ab\xffz");
    assert_eq!((reader.position(), reader.remaining()), (0, 5));
    assert_eq!(reader.var_octet_string(), Ok(&b"ab"[..]));
    assert_eq!((reader.position(), reader.remaining()), (3, 2));
    assert_eq!(reader.octets(1), Ok(&b"\xff"[..]));
    assert_eq!(reader.rest(), b"z");
    assert_eq!(reader.array::<1>(), Ok(b"z"));
    assert!(reader.is_empty());
    assert_eq!(reader.octets(0), Ok(&b""[..]));
}

#[test]
fn sizes_at_the_boundaries() {
    let table: [(usize, usize); 9] = [
        (0, 1),
        (127, 1),
        (128, 2),
        (255, 2),
        (256, 3),
        (65_535, 3),
        (65_536, 4),
        (1 << 24, 5),
        (usize::MAX, 9),
    ];
    for (length, size) in table {
        assert_eq!(length_size(length), size, "{length}");
        let mut out = Vec::new();
        put_length(length, &mut out);
        assert_eq!(out.len(), size, "{length}");
    }
    assert_eq!(var_octet_string_size(usize::MAX), usize::MAX);
}

proptest! {
    #[test]
    fn integers_round_trip(value: u64, shift in 0u32..64) {
        let value = value >> shift;
        let mut out = Vec::new();
        put_var_uint(value, &mut out);
        prop_assert_eq!(out.len(), var_uint_size(value));
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.var_uint(), Ok(value));
        prop_assert!(reader.is_empty());
        for end in 0..out.len() {
            prop_assert!(Reader::new(&out[..end]).var_uint().is_err());
        }
    }

    #[test]
    fn lengths_round_trip(value: usize, shift in 0u32..64) {
        let value = value >> shift;
        let mut out = Vec::new();
        put_length(value, &mut out);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.length(), Ok(value as u64));
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn strings_round_trip(content in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut out = vec![0xaa];
        put_var_octet_string(&content, &mut out);
        prop_assert_eq!(out.len(), 1 + var_octet_string_size(content.len()));
        let mut reader = Reader::new(&out[1..]);
        prop_assert_eq!(reader.var_octet_string(), Ok(&content[..]));
        for end in 1..out.len() {
            prop_assert!(Reader::new(&out[1..end]).var_octet_string().is_err());
        }
    }

    /// Whatever is accepted is canonical: writing it again gives the same bytes.
    #[test]
    fn what_is_read_is_canonical(input in proptest::collection::vec(any::<u8>(), 0..24)) {
        let mut reader = Reader::new(&input);
        if let Ok(value) = reader.var_uint() {
            let mut out = Vec::new();
            put_var_uint(value, &mut out);
            prop_assert_eq!(&out[..], &input[..reader.position()]);
        }
        let mut reader = Reader::new(&input);
        if let Ok(length) = reader.length() {
            let mut out = Vec::new();
            put_length(usize::try_from(length).expect("64-bit"), &mut out);
            prop_assert_eq!(&out[..], &input[..reader.position()]);
        }
    }
}
