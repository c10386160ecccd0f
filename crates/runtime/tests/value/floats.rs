//! Floats as text.

use crate::support::*;
use echo_abi::layout::Kind;

fn of64(value: f64) -> String {
    Value::of(float(), value).text()
}

fn of32(value: f32) -> String {
    Value::of(scalar(Kind::F32, 4, "f32"), value).text()
}

#[test]
fn table() {
    checked(|| {
        let rows = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (42.0, "42.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (9007199254740993.0, "9007199254740992.0"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e16, "1e16"),
            (1.5e16, "1.5e16"),
            (123456789012345680.0, "1.2345678901234568e17"),
            (-1e16, "-1e16"),
            (1e100, "1e100"),
            (1e-4, "0.0001"),
            (1e-5, "0.00001"),
            (1.5e-5, "0.000015"),
            (9.99e-6, "9.99e-6"),
            (1e-6, "1e-6"),
            (-1.25e-7, "-1.25e-7"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (std::f64::consts::PI, "3.141592653589793"),
        ];
        for (value, expected) in rows {
            assert_eq!(of64(value), expected);
        }
    });
}

#[test]
fn the_limits_of_short_floats_are_the_same() {
    checked(|| {
        let rows = [
            (0.0f32, "0.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (16777216.0, "16777216.0"),
            (1e13, "10000000000000.0"),
            (1e15, "1000000000000000.0"),
            (9.999999e15, "9999999000000000.0"),
            (1e16, "1e16"),
            (1.5e16, "1.5e16"),
            (1e-5, "0.00001"),
            (1.25e-5, "0.0000125"),
            (1e-6, "1e-6"),
            (9.99e-6, "9.99e-6"),
            (-2.5e-9, "-2.5e-9"),
            (123.456, "123.456"),
            (f32::MAX, "3.4028235e38"),
            (1e-45, "1e-45"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-inf"),
        ];
        for (value, expected) in rows {
            assert_eq!(of32(value), expected);
        }
    });
}

/// Whether the text keeps the rules: a point or an exponent, the exponent in its place only.
fn is_well_formed(text: &str, value: f64) -> bool {
    let magnitude = value.abs();
    let has_exponent = magnitude != 0.0 && !(1e-5..1e16).contains(&magnitude);
    text.contains('e') == has_exponent && (text.contains('.') || has_exponent)
}

#[test]
fn round_trip_of_random_doubles() {
    checked(|| {
        let mut random = Random(0x1234_5678_9abc_def1);
        for round in 0..200_000 {
            let value = match round % 3 {
                0 => f64::from_bits(random.next()),
                1 => random.next() as i64 as f64 / 1000.0,
                _ => (random.below(2_000_000) as f64 - 1e6) / 64.0,
            };
            if !value.is_finite() {
                continue;
            }
            let text = of64(value);
            assert_eq!(
                text.parse::<f64>().unwrap().to_bits(),
                value.to_bits(),
                "{text}"
            );
            assert!(is_well_formed(&text, value), "{text}");
        }
    });
}

#[test]
fn round_trip_of_random_short_floats() {
    checked(|| {
        let mut random = Random(77);
        for round in 0..200_000 {
            let bits = random.next() as u32;
            let value = match round % 2 {
                0 => f32::from_bits(bits),
                _ => (bits as i32 as f32) / 64.0,
            };
            if !value.is_finite() {
                continue;
            }
            let text = of32(value);
            assert_eq!(
                text.parse::<f32>().unwrap().to_bits(),
                value.to_bits(),
                "{text}"
            );
            // The limits are those of the decimal text, as the number itself may lie a little beside them.
            assert!(is_well_formed(&text, text.parse().unwrap()), "{text}");
        }
    });
}
