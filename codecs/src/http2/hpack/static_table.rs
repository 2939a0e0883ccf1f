//! The static table (RFC 7541 appendix A).

use super::equal::same;

/// A name and a value.
type Pair = (&'static [u8], &'static [u8]);

/// Entries of the static table; the dynamic table's indices begin behind them (§2.3.3).
pub const STATIC_LEN: u32 = 61;

/// Indices of names that others have to recognise: the first of their entries.
pub const AUTHORITY: u8 = 1;
pub const METHOD: u8 = 2;
pub const PATH: u8 = 4;
pub const SCHEME: u8 = 6;
pub const STATUS: u8 = 8;
pub const CONTENT_LENGTH: u8 = 28;
pub const COOKIE: u8 = 32;
pub const HOST: u8 = 38;

/// The entry of an index from 1 to 61.
pub(crate) fn entry(index: u32) -> Option<Pair> {
    let at = index.checked_sub(1)?;
    ENTRIES.get(at as usize).copied()
}

/// The name of an index from 1 to 61, else nothing.
pub(crate) fn name(index: u8) -> &'static [u8] {
    entry(u32::from(index)).map_or(b"", |(name, _)| name)
}

/// The first index of the name that the entry of `index` (1 to 61) has.
pub(crate) const fn first_of(index: u32) -> u8 {
    match index as u8 {
        METHOD..PATH => METHOD,
        PATH..SCHEME => PATH,
        SCHEME..STATUS => SCHEME,
        STATUS..15 => STATUS,
        other => other,
    }
}

/// The index of the entry that has this value; `first` is the first index of its name.
pub(crate) fn find_value(first: u8, value: &[u8]) -> Option<u8> {
    let behind = match first {
        METHOD => PATH,
        PATH => SCHEME,
        SCHEME => STATUS,
        STATUS => 15,
        other => other + 1,
    };
    let is = |index: &u8| entry(u32::from(*index)).is_some_and(|(_, other)| same(other, value));
    (first..behind).find(is)
}

pub(super) static ENTRIES: [Pair; STATIC_LEN as usize] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_several_values_have_one_index() {
        for index in 1..=STATIC_LEN {
            let (name, value) = entry(index).unwrap();
            let first = first_of(index);
            assert_eq!(super::name(first), name);
            let earlier = (1..u32::from(first)).filter_map(entry);
            assert!(
                earlier.into_iter().all(|(other, _)| other != name),
                "{index}"
            );
            assert_eq!(find_value(first, value).map(u32::from), Some(index));
        }
        assert_eq!((entry(0), entry(STATIC_LEN + 1)), (None, None));
        assert_eq!(find_value(METHOD, b"/"), None);
    }
}
