//! Floats as text: the shortest digits that read back as the same number, always with a point or an exponent.
//!
//! From 1e16 and below 1e-5 there is an exponent; in between all digits are written out.

use ryu::Buffer;

/// Powers of ten of the first digit that are written without an exponent.
const PLAIN: std::ops::Range<i32> = -5..16;

/// Appends a float of 64 bits.
pub fn push_f64(out: &mut String, value: f64) {
    match special(value) {
        Some(name) => out.push_str(name),
        // Ryu has the same limits.
        None => out.push_str(Buffer::new().format_finite(value)),
    }
}

/// Appends a float of 32 bits: shorter digits, the same limits.
pub fn push_f32(out: &mut String, value: f32) {
    match special(f64::from(value)) {
        Some(name) => out.push_str(name),
        None => push_decimal(out, Buffer::new().format_finite(value)),
    }
}

fn special(value: f64) -> Option<&'static str> {
    match () {
        _ if value.is_finite() => None,
        _ if value.is_nan() => Some("NaN"),
        _ if value > 0.0 => Some("inf"),
        _ => Some("-inf"),
    }
}

/// Appends a number like `-12.5`, `3e20` or `1.5e-9` within our own limits for exponents.
fn push_decimal(out: &mut String, text: &str) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let magnitude = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.bytes().take_while(|&byte| byte == b'0').count();
    let digits = all[leading..].trim_end_matches('0');
    if magnitude.len() < mantissa.len() {
        out.push('-');
    }
    if digits.is_empty() {
        return out.push_str("0.0");
    }
    push_digits(
        out,
        digits,
        exponent + whole.len() as i32 - 1 - leading as i32,
    );
}

/// Appends digits of which the first stands for `10^power`; the first and last are not zero.
fn push_digits(out: &mut String, digits: &str, power: i32) {
    let zeros = |count: i32| "0".repeat(count.max(0) as usize);
    let before_point = power + 1;
    if !PLAIN.contains(&power) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        out.push_str(&format!("{first}{point}{rest}e{power}"));
    } else if before_point <= 0 {
        out.push_str(&format!("0.{}{digits}", zeros(-before_point)));
    } else if digits.len() as i32 <= before_point {
        out.push_str(&format!(
            "{digits}{}.0",
            zeros(before_point - digits.len() as i32)
        ));
    } else {
        let (whole, fraction) = digits.split_at(before_point as usize);
        out.push_str(&format!("{whole}.{fraction}"));
    }
}
