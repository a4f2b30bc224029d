//! Apache's combined access log, one request a line:
//! `host ident user [time] "request" status bytes "referer" "agent"`, whatever follows ignored.
//!
//! Bytes, not text: a request line holds what a client sent, and servers escape quotes only.

use jiff::Timestamp;

use super::malformed::{Malformed, quote};
use super::time;
use crate::pipeline::Request;

pub(crate) fn parse(line: &[u8]) -> Result<(Timestamp, Request), Malformed> {
    let mut rest = Rest(line);
    for field in ["client address", "identity", "user"] {
        rest.word(field)?;
    }
    let at = time::parse_log(rest.enclosed(b'[', b']', "[time]")?)?;
    let request = rest.enclosed(b'"', b'"', "quoted request")?;
    let status = response_status(rest.word("response status")?)?;
    let bytes = size(rest.word("size")?)?;
    rest.enclosed(b'"', b'"', "quoted referer")?;
    rest.enclosed(b'"', b'"', "quoted user agent")?;
    Ok((at, Request { at, path: path(request), status, bytes }))
}

/// What of the line is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn word(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let line = self.0.trim_ascii_start();
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        if end == 0 {
            return Err(Malformed::Missing(what));
        }
        self.0 = &line[end..];
        Ok(&line[..end])
    }

    /// What stands between `open` and the next `close` that no backslash precedes.
    fn enclosed(&mut self, open: u8, close: u8, what: &'static str) -> Result<&'a [u8], Malformed> {
        let missing = Malformed::Missing(what);
        let line = self.0.trim_ascii_start();
        let Some(line) = line.strip_prefix(&[open]) else {
            return Err(missing);
        };
        let mut escaped = false;
        let end = line.iter().position(|byte| {
            let closes = *byte == close && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes
        });
        let Some(end) = end else { return Err(missing) };
        self.0 = &line[end + 1..];
        Ok(&line[..end])
    }
}

/// `GET /path?query HTTP/1.1` is `/path`; what is no such request (scans send anything) stands for
/// itself.
fn path(request: &[u8]) -> String {
    let mut words = request.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let target = words.nth(1).unwrap_or(request);
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    String::from_utf8_lossy(&target[..end]).into_owned()
}

fn response_status(word: &[u8]) -> Result<u16, Malformed> {
    let status = str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    let status = status.filter(|status| (100..600).contains(status));
    status.ok_or_else(|| Malformed::ResponseStatus(quote(word)))
}

fn size(word: &[u8]) -> Result<u64, Malformed> {
    if word == b"-" {
        return Ok(0);
    }
    let size = str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    size.ok_or_else(|| Malformed::Size(quote(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "192.0.2.7 - eve [17/May/2015:10:05:03 +0000]";

    fn request(rest: &str) -> Request {
        parse(format!("{HEAD} {rest}").as_bytes()).expect(rest).1
    }

    fn reason(line: &str) -> String {
        parse(line.as_bytes()).expect_err(line).to_string()
    }

    #[test]
    fn a_request_is_its_path_answer_and_size() {
        let plain = request(r#""GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8""#);
        assert_eq!((plain.path.as_str(), plain.status, plain.bytes), ("/a", 200, 512));
        assert_eq!(request(r#""GET /a HTTP/1.1" 304 - "-" "-""#).bytes, 0);
        assert_eq!(request(r#""GET /\"q\" HTTP/1.1" 200 1 "-" "a \"b\" c" 0.3"#).path, r#"/\"q\""#);
    }

    #[test]
    fn what_is_no_request_stands_for_itself() {
        assert_eq!(request(r#""-" 408 - "-" "-""#).path, "-");
        assert_eq!(request(r#""\x16\x03" 400 226 "-" "-""#).path, r"\x16\x03");
    }

    #[test]
    fn a_malformed_line_says_what_is_missing() {
        assert_eq!(reason(""), "no client address");
        assert_eq!(reason("192.0.2.7 - -"), "no [time]");
        assert_eq!(reason("a b c [today] x"), "`today` is not a timestamp");
        assert_eq!(reason(&format!("{HEAD} GET / 200 1")), "no quoted request");
        assert_eq!(reason(&format!("{HEAD} \"GET /")), "no quoted request");
        assert_eq!(reason(&format!("{HEAD} \"-\" 2x0 1")), "`2x0` is not a response status");
        assert_eq!(reason(&format!("{HEAD} \"-\" 200 -1")), "`-1` is not a size");
        assert_eq!(reason(&format!("{HEAD} \"-\" 200 1 \"-\"")), "no quoted user agent");
    }
}
