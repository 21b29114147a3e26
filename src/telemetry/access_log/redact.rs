//! `access_log.redact_query`: values of a query that may be secrets become "…".

/// A query without its `?`: itself, or what `changed` holds afterwards if a value was taken out.
pub fn query<'a>(query: &'a [u8], names: &[Box<[u8]>], changed: &'a mut Vec<u8>) -> &'a [u8] {
    let separates = |byte: &u8| matches!(byte, b'&' | b';');
    if !query.split(separates).any(|pair| secret(pair, names).is_some()) {
        return query;
    }
    redact(query, names, changed);
    changed
}

/// The same for a URL whose query begins at `start`; what follows a `#` is no part of it.
pub fn url<'a>(
    url: &'a [u8],
    start: usize,
    names: &[Box<[u8]>],
    changed: &'a mut Vec<u8>,
) -> &'a [u8] {
    let (front, rest) = url.split_at(start);
    let end = rest.iter().position(|byte| *byte == b'#').unwrap_or(rest.len());
    let (query, behind) = rest.split_at(end);
    changed.extend_from_slice(front);
    redact(query, names, changed);
    changed.extend_from_slice(behind);
    changed
}

fn redact(mut query: &[u8], names: &[Box<[u8]>], out: &mut Vec<u8>) {
    loop {
        let end = query.iter().position(|byte| matches!(byte, b'&' | b';'));
        let (pair, rest) = query.split_at(end.unwrap_or(query.len()));
        match secret(pair, names) {
            Some(name) => {
                out.extend_from_slice(&pair[..=name]);
                out.extend_from_slice("…".as_bytes());
            }
            None => out.extend_from_slice(pair),
        }
        let Some((separator, rest)) = rest.split_first() else { return };
        out.push(*separator);
        query = rest;
    }
}

/// Where the `=` stands in a pair whose value is a secret.
fn secret(pair: &[u8], names: &[Box<[u8]>]) -> Option<usize> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let name = &pair[..equals];
    names.iter().any(|one| is_named(name, one)).then_some(equals)
}

/// Whether a name of a query is this one, in any case and whatever of it is escaped.
fn is_named(name: &[u8], one: &[u8]) -> bool {
    if !name.contains(&b'%') {
        return name.eq_ignore_ascii_case(one);
    }
    let mut left = name;
    let matches = one.iter().all(|byte| {
        let (given, used) = match left {
            [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            [byte, ..] => (*byte, 1),
            [] => return false,
        };
        left = &left[used..];
        given.eq_ignore_ascii_case(byte)
    });
    matches && left.is_empty()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Box<[u8]>> {
        ["token", "code"].map(|name| Box::from(name.as_bytes())).into()
    }

    #[test]
    fn values_of_the_named_parameters_are_taken_out() {
        for (given, shown) in [
            ("page=2&token=abc", "page=2&token=…"),
            ("TOKEN=a;code=b&x", "TOKEN=…;code=…&x"),
            ("t%6Fken=a%20b=c", "t%6Fken=…"),
            ("tokens=a&atoken=b&token", "tokens=a&atoken=b&token"),
            ("tok%65=a&%=b&%4=c", "tok%65=a&%=b&%4=c"),
            ("", ""),
        ] {
            let mut changed = Vec::new();
            assert_eq!(query(given.as_bytes(), &names(), &mut changed), shown.as_bytes());
        }
    }

    #[test]
    fn those_of_a_url_too() {
        let mut changed = Vec::new();
        let given = b"https://a/?code=1&b=2#code=3";
        let shown = url(given, 11, &names(), &mut changed);
        assert_eq!(shown, "https://a/?code=…&b=2#code=3".as_bytes());
    }
}
