//! What an endpoint says of itself in the head of an answer.

use crate::message::head::Head;

/// Whether it asks for no new requests; heard with 503 only.
pub fn drains(head: &Head) -> bool {
    says(head, b"x-weir-drain", b"1")
}

/// Whether it says that it is not well.
pub fn fails(head: &Head) -> bool {
    says(head, b"x-weir-health", b"fail")
}

fn says(head: &Head, name: &[u8], value: &[u8]) -> bool {
    head.fields.iter().any(|field| {
        head.slice(field.name).eq_ignore_ascii_case(name)
            && head.slice(field.value).eq_ignore_ascii_case(value)
    })
}
