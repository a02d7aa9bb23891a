//! Rules for the fields of a message (RFC 9113 §8): what a list has to hold before anything routes by it.

use crate::headers::HeaderList;

/// What kind of message a list of fields is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A request.
    Request,
    /// A final response.
    Response,
    /// A response with a status of 100 to 199.
    Informational,
    /// Trailers.
    Trailers,
}

/// The list breaks a rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What the connection has to know of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) part: Part,
    pub(super) content_length: Option<u64>,
    pub(super) status: u16,
}

/// Whether extended CONNECT is allowed where a request is checked.
pub(super) use super::settings::ExtendedConnect;

#[derive(Default)]
struct Pseudo<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
}

#[derive(Default)]
struct Regular<'a> {
    content_length: Option<u64>,
    host: Option<&'a [u8]>,
}

pub(super) fn check_request(list: &HeaderList, connect: ExtendedConnect) -> Result<Checked, Malformed> {
    let (pseudo, regular) = split(list)?;
    let method = pseudo.method.filter(|method| is_token(method)).ok_or(Malformed)?;
    refuse(pseudo.status.is_some())?;
    refuse(pseudo.protocol.is_some() && (connect == ExtendedConnect::Off || method != b"CONNECT"))?;
    if method == b"CONNECT" && pseudo.protocol.is_none() {
        refuse(
            pseudo.scheme.is_some() || pseudo.path.is_some() || pseudo.authority.is_none_or(<[u8]>::is_empty),
        )?;
    } else {
        let path = pseudo.path.ok_or(Malformed)?;
        refuse(pseudo.scheme.is_none_or(<[u8]>::is_empty))?;
        refuse(!(path.starts_with(b"/") || (path == b"*" && method == b"OPTIONS")))?;
        refuse(path.iter().any(|octet| *octet <= b' ' || *octet == 0x7f))?;
    }
    if let (Some(authority), Some(host)) = (pseudo.authority, regular.host) {
        refuse(!authority.eq_ignore_ascii_case(host))?;
    }
    refuse(pseudo.authority.is_some_and(|text| text.iter().any(|octet| *octet <= b' ' || *octet == 0x7f)))?;
    Ok(Checked { part: Part::Request, content_length: regular.content_length, status: 0 })
}

pub(super) fn check_response(list: &HeaderList) -> Result<Checked, Malformed> {
    let (pseudo, regular) = split(list)?;
    let others = [pseudo.method, pseudo.scheme, pseudo.path, pseudo.authority, pseudo.protocol];
    refuse(others.iter().any(Option::is_some))?;
    let Some([a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) = pseudo.status else {
        return Err(Malformed);
    };
    let status = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    // Switching protocols does not exist here.
    refuse(status == 101)?;
    let part = if status < 200 { Part::Informational } else { Part::Response };
    Ok(Checked { part, content_length: regular.content_length, status })
}

pub(super) fn check_trailers(list: &HeaderList) -> Result<Checked, Malformed> {
    refuse(list.iter().any(|header| header.name.starts_with(b":")))?;
    split(list)?;
    Ok(Checked { part: Part::Trailers, content_length: None, status: 0 })
}

fn refuse(condition: bool) -> Result<(), Malformed> {
    if condition { Err(Malformed) } else { Ok(()) }
}

fn split(list: &HeaderList) -> Result<(Pseudo<'_>, Regular<'_>), Malformed> {
    let mut pseudo = Pseudo::default();
    let mut regular = Regular::default();
    let mut in_pseudo = true;
    for header in list.iter() {
        refuse(!is_value(header.value))?;
        if header.name.first() == Some(&b':') {
            refuse(!in_pseudo)?;
            let place = match header.name {
                b":method" => &mut pseudo.method,
                b":scheme" => &mut pseudo.scheme,
                b":path" => &mut pseudo.path,
                b":authority" => &mut pseudo.authority,
                b":protocol" => &mut pseudo.protocol,
                b":status" => &mut pseudo.status,
                _ => return Err(Malformed),
            };
            refuse(place.replace(header.value).is_some())?;
            continue;
        }
        in_pseudo = false;
        refuse(!is_lower_token(header.name))?;
        match header.name {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                return Err(Malformed);
            }
            b"te" => refuse(!header.value.eq_ignore_ascii_case(b"trailers"))?,
            b"content-length" => {
                let length = parse_length(header.value).ok_or(Malformed)?;
                refuse(regular.content_length.replace(length).is_some())?;
            }
            b"host" => refuse(regular.host.replace(header.value).is_some())?,
            _ => {}
        }
    }
    Ok((pseudo, regular))
}

/// A length of digits alone that fits in 64 bits.
pub(crate) fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter()
        .try_fold(0u64, |sum, octet| octet.is_ascii_digit().then(|| sum * 10 + u64::from(octet - b'0')))
}

/// Whether the octets are a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|octet| TOKEN[usize::from(*octet)])
}

fn is_lower_token(text: &[u8]) -> bool {
    is_token(text) && !text.iter().any(u8::is_ascii_uppercase)
}

/// Whether the octets may be a field's value: no NUL, CR, LF, and no blank at either end.
pub(crate) fn is_value(text: &[u8]) -> bool {
    let blank = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    !blank(text.first())
        && !blank(text.last())
        && !text.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'))
}

static TOKEN: [bool; 256] = token();

const fn token() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 128 {
        let byte = octet as u8;
        table[octet] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        octet += 1;
    }
    table
}
