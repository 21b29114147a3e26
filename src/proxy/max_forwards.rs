//! `Max-Forwards`: how many proxies an OPTIONS or a TRACE may still pass (RFC 9110, 7.6.2).

use crate::message::body::Body;
use crate::message::head::{Head, Known, Method};
use crate::message::reply::Reply;

/// Counts this hop. Some: it was the last, so weir answers.
pub fn settle(head: &mut Head, spare: impl FnOnce() -> Head) -> Option<Reply> {
    if !matches!(head.method, Method::Options | Method::Trace) {
        return None;
    }
    let is_it = |name: &[u8]| name.eq_ignore_ascii_case(NAME.as_bytes());
    let said = head.fields.iter().find(|field| !field.removed && is_it(head.slice(field.name)))?;
    let said = head.text(said.value);
    // What is no number is not for weir to understand.
    let left =
        said.parse::<u64>().ok().filter(|_| said.bytes().all(|byte| byte.is_ascii_digit()))?;
    let Some(left) = left.checked_sub(1) else {
        return Some(last(head.method, spare()));
    };
    for field in &mut head.fields {
        field.removed |= is_it(&head.bytes[field.name.range()]);
    }
    head.add(Known::Other, NAME, itoa::Buffer::new().format(left));
    None
}

fn last(method: Method, head: Head) -> Reply {
    if method == Method::Options {
        return Reply::with(head, 204, "", Body::Empty);
    }
    // A TRACE would show what proxies before have added, credentials among it.
    let mut reply = Reply::own(head, 405, "weir: TRACE is not answered here.\n");
    reply.head.add(Known::Other, "allow", "OPTIONS");
    reply
}

const NAME: &str = "max-forwards";
