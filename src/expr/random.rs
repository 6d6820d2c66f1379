//! What looks random: functions of 16 bytes that were drawn or made of a seed.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// 16 bytes that are a function of a seed.
pub(super) fn seeded(seed: i64) -> [u8; 16] {
    Sha256::digest(seed.to_be_bytes()).first_chunk().copied().unwrap_or_default()
}

/// An integer, at least `low` and below `high`; `low` where there is none.
pub(super) fn integer(low: i64, high: i64, draw: [u8; 16]) -> i64 {
    let width = u128::from(if high > low { high.abs_diff(low) } else { 1 });
    // 128 bits over a range of at most 64: the bias is beyond notice.
    let offset = u64::try_from(u128::from_be_bytes(draw) % width).unwrap_or_default();
    low.wrapping_add_unsigned(offset)
}

/// A UUID of version 4.
pub(super) fn uuid(draw: [u8; 16]) -> Arc<str> {
    let number = u128::from_be_bytes(draw);
    // Version 4, variant 1 (RFC 9562 §5.4).
    let number = (number & !(0xf << 76)) | (0x4 << 76);
    let number = (number & !(0x3 << 62)) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let mut out = String::with_capacity(36);
    for (position, digit) in digits.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    Arc::from(out)
}
