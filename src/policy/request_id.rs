//! `policies.NAME.request_id`: a name for each request, which all who see it can write down.

use super::{Filter, Refused};
use crate::message::exchange::Exchange;
use crate::message::head::{Head, Known};

/// Keeps the request's x-request-id, or makes one.
pub struct RequestId;

impl Filter for RequestId {
    fn on_request(&self, x: &mut Exchange, random: &dyn Fn() -> u64) -> Result<(), Refused> {
        let kept = x.head.fields.iter().find(|f| f.known == Known::XRequestId && !f.removed);
        let kept = kept.map(|field| field.value).filter(|id| is_sound(x.head.slice(*id)));
        // One request has one id.
        for field in x.head.fields.iter_mut().filter(|f| f.known == Known::XRequestId) {
            field.removed |= kept != Some(field.value);
        }
        if let Some(id) = kept {
            x.request_id = id;
            return Ok(());
        }
        x.request_id = add(&mut x.head, u128::from(random()) << 64 | u128::from(random()));
        Ok(())
    }
}

fn add(head: &mut Head, id: u128) -> crate::message::head::Span {
    let mut digits = [0; 32];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(id >> (124 - 4 * at) & 15) as usize];
    }
    head.add(Known::XRequestId, "x-request-id", std::str::from_utf8(&digits).unwrap_or_default());
    head.fields.last().map_or_else(Default::default, |field| field.value)
}

/// Whether a client's own may be kept: it goes into the logs of others.
fn is_sound(id: &[u8]) -> bool {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:+/=@".contains(b);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(is_letter)
}

/// Bytes of an id.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_one_is_kept_and_another_made_anew() {
        let id = |given: &[&str]| {
            let mut head = Head::default();
            for given in given {
                head.add(Known::XRequestId, "X-Request-ID", given);
            }
            let mut x = Exchange::bare(head);
            RequestId.on_request(&mut x, &|| 0x0123_4567_89ab_cdef).unwrap();
            let fields = x.head.fields.iter().filter(|field| !field.removed);
            let sent: Vec<_> = fields.map(|field| x.head.slice(field.value).to_vec()).collect();
            assert_eq!(sent, [x.head.slice(x.request_id)], "what is logged is what is sent");
            String::from_utf8(sent[0].clone()).unwrap()
        };
        let made = "0123456789abcdef0123456789abcdef";
        assert_eq!(id(&[]), made);
        assert_eq!(id(&["01JD-9:x"]), "01JD-9:x");
        assert_eq!(id(&["a", "b \"c"]), "a");
        for wrong in ["", "a b", "a\"b", &"a".repeat(129)] {
            assert_eq!(id(&[wrong]), made);
        }
    }
}
