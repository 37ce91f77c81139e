//! The Redis serialisation protocol from the server's side: parsing commands, writing replies.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// What Redis takes (`proto-max-bulk-len`).
const MAX_BULK_BYTES: usize = 512 << 20;
/// What Redis takes.
const MAX_ARGUMENTS: usize = 1 << 20;
/// A header is a letter and a number; Redis looks no further than this for its end.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Takes the first whole command off `input`; `None` while it is incomplete.
///
/// # Errors
/// The text that a client is told before it is cut off.
pub(crate) fn take_command(input: &mut BytesMut) -> Result<Option<Vec<Bytes>>, String> {
    let mut parser = Parser { input, position: 0 };
    let Some(command) = parser.command()? else {
        return Ok(None);
    };
    let taken = parser.position;
    input.advance(taken);
    Ok(Some(command))
}

struct Parser<'a> {
    input: &'a [u8],
    position: usize,
}

impl Parser<'_> {
    fn command(&mut self) -> Result<Option<Vec<Bytes>>, String> {
        let Some(count) = self.header(b'*', "multibulk", MAX_ARGUMENTS)? else {
            return Ok(None);
        };
        // Not pre-allocated: a length is only a claim until the elements have come.
        let mut arguments = Vec::new();
        for _ in 0..count {
            let Some(length) = self.header(b'$', "bulk", MAX_BULK_BYTES)? else {
                return Ok(None);
            };
            let Some(bytes) = self.input.get(self.position..self.position + length + 2) else {
                return Ok(None);
            };
            // Copied: a slice would keep all that was read with it.
            arguments.push(Bytes::copy_from_slice(&bytes[..length]));
            self.position += length + 2;
        }
        Ok(Some(arguments))
    }

    fn header(&mut self, kind: u8, name: &str, limit: usize) -> Result<Option<usize>, String> {
        let rest = &self.input[self.position..];
        let Some(&first) = rest.first() else {
            return Ok(None);
        };
        if first != kind {
            let (kind, first) = (char::from(kind), first.escape_ascii());
            return Err(format!("ERR Protocol error: expected '{kind}', got '{first}'"));
        }
        let window = &rest[..rest.len().min(MAX_LINE_BYTES)];
        let invalid = || format!("ERR Protocol error: invalid {name} length");
        let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
            return if window.len() == MAX_LINE_BYTES { Err(invalid()) } else { Ok(None) };
        };
        self.position += end + 2;
        let number = std::str::from_utf8(&window[1..end]).ok().and_then(|text| text.parse().ok());
        number.filter(|length| *length <= limit).map(Some).ok_or_else(invalid)
    }
}

/// Writes replies in the version of the protocol that a connection speaks.
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) resp3: bool,
}

impl Writer<'_> {
    pub(crate) fn simple(&mut self, text: &str) {
        self.line(b'+', text);
    }

    /// `text` is one line, and begins with the code.
    pub(crate) fn error(&mut self, text: &str) {
        // A text that quotes the client must not end the line.
        self.line(b'-', &text.replace(['\r', '\n'], " "));
    }

    pub(crate) fn integer(&mut self, number: usize) {
        self.line(b':', &number.to_string());
    }

    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.line(b'$', &bytes.len().to_string());
        self.out.put_slice(bytes);
        self.out.put_slice(b"\r\n");
    }

    /// Text for people, which version 3 marks as such.
    pub(crate) fn verbatim(&mut self, text: &str) {
        if self.resp3 {
            self.line(b'=', &(text.len() + 4).to_string());
            self.out.put_slice(b"txt:");
            self.out.put_slice(text.as_bytes());
            self.out.put_slice(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    pub(crate) fn null(&mut self) {
        self.out.put_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.line(b'*', &length.to_string());
    }

    /// Followed by this many pairs.
    pub(crate) fn map(&mut self, pairs: usize) {
        if self.resp3 {
            self.line(b'%', &pairs.to_string());
        } else {
            self.array(2 * pairs);
        }
    }

    /// What the server says unasked; an array in version 2.
    pub(crate) fn push(&mut self, length: usize) {
        if self.resp3 {
            self.line(b'>', &length.to_string());
        } else {
            self.array(length);
        }
    }

    fn line(&mut self, kind: u8, text: &str) {
        self.out.put_u8(kind);
        self.out.put_slice(text.as_bytes());
        self.out.put_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All commands, or what is told, however the bytes are cut.
    fn commands(input: &[u8], cut: usize) -> (Vec<Vec<Bytes>>, Option<String>) {
        let mut buffer = BytesMut::new();
        let mut commands = Vec::new();
        for piece in input.chunks(cut) {
            buffer.extend_from_slice(piece);
            loop {
                match take_command(&mut buffer) {
                    Ok(Some(command)) => commands.push(command),
                    Ok(None) => break,
                    Err(text) => return (commands, Some(text)),
                }
            }
        }
        (commands, None)
    }

    fn plausible() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            (-1_i64..4).prop_map(|count| format!("*{count}\r\n").into_bytes()),
            (0_usize..9).prop_map(|n| format!("${n}\r\n{}\r\n", "x".repeat(n)).into_bytes()),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_understood_does_not_depend_on_how_it_arrives(
            input in plausible(),
            cut in 1_usize..10,
        ) {
            prop_assert_eq!(commands(&input, cut), commands(&input, input.len().max(1)));
        }
    }
}
