//! Percent escapes, with which links and addresses write any byte (RFC 3986, section 2.1).

/// The bytes that a text stands for. A percent sign without two hexadecimal digits behind it stands for itself, since
/// people and programs write such ones.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after.split_at_checked(2).filter(|_| first == b'%').and_then(|(digits, after)| {
            let high = char::from(*digits.first()?).to_digit(16)?;
            let low = char::from(*digits.get(1)?).to_digit(16)?;
            Some((u8::try_from(high * 16 + low).ok()?, after))
        });
        let (byte, after) = escape.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_behind_a_percent_sign_are_a_byte_and_all_else_is_itself() {
        for (text, bytes) in [
            ("a%20b", &b"a b"[..]),
            ("%E9%e9", b"\xe9\xe9"),
            ("%00%ff", b"\0\xff"),
            ("100%", b"100%"),
            ("%2", b"%2"),
            ("%+1%1+", b"%+1%1+"),
            ("%%41", b"%A"),
            ("\u{e9}%", b"\xc3\xa9%"),
        ] {
            assert_eq!(percent_decoded(text), bytes, "{text}");
        }
    }
}
