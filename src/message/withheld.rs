//! Names of headers that a policy sets, adds or removes: a trailer must not bring them back.
//!
//! A peer may merge trailers into the head (RFC 9110, 6.5.1), so what was taken out of that stays out.

use std::sync::Arc;

use super::header_name::HeaderName;

/// The names, in whatever case; mostly none.
#[derive(Clone, Debug, Default)]
pub struct Withheld(Option<Arc<[HeaderName]>>);

impl Withheld {
    /// These names.
    pub fn new(names: Vec<HeaderName>) -> Self {
        Self((!names.is_empty()).then(|| names.into()))
    }

    /// The lines of a trailer section that are left.
    pub fn without(&self, section: Vec<u8>) -> Vec<u8> {
        let Some(names) = self.0.as_ref().filter(|_| !section.is_empty()) else { return section };
        let is_withheld = |line: &[u8]| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            names.iter().any(|withheld| withheld.names(name))
        };
        section
            .split_inclusive(|b| *b == b'\n')
            .filter(|line| !is_withheld(line))
            .flatten()
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_these_names_are_left_out() {
        let section = b"X-User: root\r\nx-a: b\r\nx-USER:x\r\n".to_vec();
        let names = vec![HeaderName::new("x-user").unwrap()];
        assert_eq!(Withheld::new(names).without(section.clone()), b"x-a: b\r\n");
        assert_eq!(Withheld::default().without(section.clone()), section);
    }
}
