//! As much of Redis's protocol (RESP2 and RESP3) as a proxy needs: where a frame ends, and whether it is a message that
//! the server sends on its own account.

use std::fmt;

/// Deeper nesting than any server sends.
const MAX_DEPTH: usize = 32;

/// Bytes that are not RESP.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the Redis protocol")
    }
}

impl std::error::Error for Malformed {}

/// The length of the first frame; `None` while it is not complete.
///
/// # Errors
/// [`Malformed`] when these bytes can never become a frame.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    value_len(bytes, MAX_DEPTH)
}

fn value_len(bytes: &[u8], depth: usize) -> Result<Option<usize>, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    let Some(&kind) = bytes.first() else { return Ok(None) };
    let Some((head, after)) = line(bytes) else { return Ok(None) };
    let children = match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => 0,
        b'$' | b'=' | b'!' => {
            let Some(length) = count(head)? else { return Ok(Some(after)) };
            let end = after.checked_add(length).and_then(|it| it.checked_add(2));
            let end = end.ok_or(Malformed)?;
            return Ok((bytes.len() >= end).then_some(end));
        }
        b'*' | b'~' | b'>' => count(head)?.unwrap_or(0),
        b'%' => count(head)?.unwrap_or(0).checked_mul(2).ok_or(Malformed)?,
        // Attributes come before the value that they are of.
        b'|' => {
            let pairs = count(head)?.unwrap_or(0);
            pairs.checked_mul(2).and_then(|it| it.checked_add(1)).ok_or(Malformed)?
        }
        _ => return Err(Malformed),
    };
    let mut end = after;
    for _ in 0..children {
        match value_len(&bytes[end..], depth)? {
            Some(length) => end += length,
            None => return Ok(None),
        }
    }
    Ok(Some(end))
}

/// The first line without its kind and its end, and where the next one begins.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[1..end], end + 2))
}

/// A length; `None` for RESP2's null.
fn count(head: &[u8]) -> Result<Option<usize>, Malformed> {
    if head == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(head).map_err(|_| Malformed)?;
    text.parse().map(Some).map_err(|_| Malformed)
}

/// What a frame from a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer to a command.
    Reply,
    /// The confirmation of a subscription: from now on, a RESP2 connection gets messages.
    Subscribed,
    /// A message of a channel, or an invalidation by `CLIENT TRACKING`.
    Pushed,
}

/// What a frame is. In RESP2 a message looks like an answer that is an array; `subscribed` says whether the connection
/// has subscribed to anything.
pub fn kind(frame: &[u8], subscribed: bool) -> Kind {
    let is_push = frame.first() == Some(&b'>');
    if !is_push && frame.first() != Some(&b'*') {
        return Kind::Reply;
    }
    match first_element(frame) {
        Some(b"subscribe" | b"psubscribe" | b"ssubscribe") => Kind::Subscribed,
        Some(b"message" | b"pmessage" | b"smessage") if is_push || subscribed => Kind::Pushed,
        Some(b"invalidate") if is_push => Kind::Pushed,
        _ => Kind::Reply,
    }
}

/// The first element of an array or a push, if it is a string.
fn first_element(frame: &[u8]) -> Option<&[u8]> {
    let (_, after) = line(frame)?;
    let element = &frame[after..];
    let (head, after) = line(element)?;
    match element.first()? {
        b'+' => Some(head),
        b'$' => element.get(after..after + count(head).ok()??),
        _ => None,
    }
}

/// A command as clients send it.
pub fn command(arguments: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend(format!("${}\r\n{argument}\r\n", argument.len()).into_bytes());
    }
    bytes
}

/// Whether the bytes contain these.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Collects bytes as they come, and yields whole frames.
#[derive(Debug, Default)]
pub struct Splitter {
    bytes: Vec<u8>,
    begin: usize,
}

impl Splitter {
    /// More bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.begin == self.bytes.len() {
            self.bytes.clear();
            self.begin = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if it is complete.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not RESP.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let rest = &self.bytes[self.begin..];
        let Some(length) = frame_len(rest)? else {
            self.bytes.drain(..self.begin);
            self.begin = 0;
            return Ok(None);
        };
        let frame = rest[..length].to_vec();
        self.begin += length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":12\r\n",
        b"_\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b"(12345678901234567890\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\na\r\nb\r\n",
        b"=5\r\ntxt:a\r\n",
        b"!3\r\nERR\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        b"~1\r\n+a\r\n",
        b"%1\r\n+a\r\n:1\r\n",
        b"|1\r\n+ttl\r\n:9\r\n$1\r\na\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
    ];

    #[test]
    fn every_kind_of_frame_is_found_whole() {
        for frame in FRAMES {
            assert_eq!(frame_len(frame), Ok(Some(frame.len())), "{}", frame.escape_ascii());
            for cut in 0..frame.len() {
                assert_eq!(frame_len(&frame[..cut]), Ok(None), "{} {cut}", frame.escape_ascii());
            }
        }
    }

    #[test]
    fn frames_are_split_wherever_the_bytes_are() {
        let stream = FRAMES.concat();
        for size in 1..40 {
            let mut splitter = Splitter::default();
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                splitter.extend(piece);
                while let Some(frame) = splitter.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, FRAMES);
        }
    }

    #[test]
    fn garbage_is_no_frame() {
        for garbage in [&b"HTTP/1.1 200 OK\r\n"[..], b"$x\r\n", b"*-2\r\n", b"$-5\r\n"] {
            assert_eq!(frame_len(garbage), Err(Malformed), "{}", garbage.escape_ascii());
        }
        assert_eq!(frame_len(&b"*1\r\n".repeat(MAX_DEPTH + 1)), Err(Malformed));
        assert_eq!(frame_len(b"$18446744073709551615\r\n"), Err(Malformed));
    }

    #[test]
    fn what_a_server_sends_by_itself_is_told_from_answers() {
        let invalidation = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
        assert_eq!(kind(invalidation, false), Kind::Pushed);
        assert_eq!(kind(b">2\r\n$10\r\ninvalidate\r\n_\r\n", false), Kind::Pushed);
        assert_eq!(kind(b">3\r\n+message\r\n+c\r\n+x\r\n", false), Kind::Pushed);
        assert_eq!(kind(b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", false), Kind::Subscribed);
        assert_eq!(kind(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", false), Kind::Subscribed);
        let message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n";
        assert_eq!(kind(message, true), Kind::Pushed);
        // A list of three, of which the first happens to be that word.
        assert_eq!(kind(message, false), Kind::Reply);
        assert_eq!(kind(b"*2\r\n$4\r\npong\r\n$1\r\nt\r\n", true), Kind::Reply);
        assert_eq!(kind(b"$7\r\nmessage\r\n", true), Kind::Reply);
        assert_eq!(kind(b"*0\r\n", true), Kind::Reply);
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        assert_eq!(
            command(&["SET", "k", "ä"]),
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nä\r\n".as_bytes()
        );
        assert!(contains(b"abc", b"bc") && !contains(b"abc", b"cb"));
    }
}
