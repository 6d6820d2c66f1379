//! Text in a status that nothing reads field by field: compressed JSON in Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Fast enough to be paid with every write, and most of what higher levels gain.
const COMPRESSION_LEVEL: i32 = 3;

/// Most that is decompressed, in bytes: anyone who may write a status could store a bomb.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a stored text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It is no Base64.
    #[error("it is no Base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// It cannot be decompressed, or is longer than allowed.
    #[error("it cannot be decompressed: {0}")]
    Compression(#[from] std::io::Error),
    /// It is no UTF-8.
    #[error("it is no text: {0}")]
    Text(#[from] std::string::FromUtf8Error),
    /// It is not what was to be stored.
    #[error("it is not as expected: {0}")]
    Json(#[from] serde_json::Error),
}

/// The stored form of a text.
#[must_use]
pub fn encode(text: &str) -> String {
    // Compressing memory into memory fails only where there is none.
    let compressed = zstd::bulk::compress(text.as_bytes(), COMPRESSION_LEVEL).unwrap_or_default();
    BASE64.encode(compressed)
}

/// The text behind a stored form.
///
/// # Errors
/// Where it was not made by [`encode`], or holds more than can be read.
pub fn decode(stored: &str) -> Result<String, StoredError> {
    let compressed = BASE64.decode(stored)?;
    Ok(String::from_utf8(zstd::bulk::decompress(&compressed, capacity(&compressed))?)?)
}

/// The buffer is made for what the frame says it holds: making one for the largest would cost more
/// than reading.
fn capacity(compressed: &[u8]) -> usize {
    let said = zstd::zstd_safe::get_frame_content_size(compressed).ok().flatten();
    said.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default().min(TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_garbage_is_not() {
        for text in ["", "x", &"§ü😀".repeat(10_000)] {
            assert_eq!(decode(&encode(text)).unwrap(), *text);
        }
        for garbage in ["garbage", "Z2FyYmFnZQ==", "§", "KLUv/QAA"] {
            assert!(decode(garbage).is_err() || decode(garbage).unwrap().is_empty(), "{garbage}");
        }
    }
}
