//! Quantities as a reader wants them: three significant digits, the unit that keeps numbers short.

/// What stands where there is no figure.
pub const NONE: &str = "–";

const TIMES: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")];
const SIZES: [(f64, &str); 5] = [
    (1.0, "B"),
    (1024.0, "KiB"),
    (1_048_576.0, "MiB"),
    (1_073_741_824.0, "GiB"),
    (1_099_511_627_776.0, "TiB"),
];

/// A time in ns: `950 ns`, `12.3 µs`, `1.00 ms`, `3,600 s`.
pub fn time(ns: f64) -> String {
    scaled(ns, &TIMES, |value, _| digits(value))
}

/// A time in ns without digits that say nothing: `20 µs`, `1.5 s`; for axes.
pub fn time_short(ns: f64) -> String {
    scaled(ns, &TIMES, |value, _| trimmed(digits(value)))
}

/// A number of bytes: `512 B`, `1.50 KiB`.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, &SIZES, |value, unit| {
        if unit == "B" && value.fract() == 0.0 {
            grouped(&format!("{value:.0}"))
        } else {
            digits(value)
        }
    })
}

/// A count in groups of three digits: `1,234,567`.
pub fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// A number with at least three significant digits: `0.123`, `12.3`, `12,345`.
pub fn number(value: f64) -> String {
    if value.is_finite() {
        digits(value)
    } else {
        NONE.to_owned()
    }
}

/// Like [`number`] without zeros at the end: `0.5`, `20,000`; for axes.
pub fn number_short(value: f64) -> String {
    trimmed(number(value))
}

/// A part of a whole in percent; what is not nothing never reads as nothing, nor what is not all as all.
pub fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    if percent < 0.001 {
        "< 0.001 %".to_owned()
    } else if part < whole && percent >= 99.95 {
        "> 99.9 %".to_owned()
    } else {
        format!("{} %", digits(percent))
    }
}

/// A quantile in percent: `50 %`, `99.99 %`.
pub fn percentile(quantile: f64) -> String {
    format!("{} %", trimmed(format!("{:.8}", quantile * 100.0)))
}

fn scaled(value: f64, units: &[(f64, &str)], write: impl Fn(f64, &str) -> String) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value <= 0.0 {
        return "0".to_owned();
    }
    // What rounds up to the next unit already takes it: 999.6 µs is 1.00 ms.
    let fits = units
        .iter()
        .rev()
        .find(|(size, _)| value / size >= 0.9995)
        .unwrap_or(&units[0]);
    format!("{} {}", write(value / fits.0, fits.1), fits.1)
}

fn digits(value: f64) -> String {
    let places = match value.abs() {
        0.0 => 0,
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    grouped(&format!("{value:.places$}"))
}

fn trimmed(number: String) -> String {
    if number.contains('.') {
        number
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    } else {
        number
    }
}

fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut out = String::with_capacity(number.len() + whole.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if left.is_multiple_of(3) && out.ends_with(|last: char| last.is_ascii_digit()) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_digits_and_the_unit_that_keeps_it_short() {
        for (ns, long, short) in [
            (0.0, "0", "0"),
            (1.0, "1.00 ns", "1 ns"),
            (511.0, "511 ns", "511 ns"),
            (999.6, "1.00 µs", "1 µs"),
            (12_345.0, "12.3 µs", "12.3 µs"),
            (999_499.0, "999 µs", "999 µs"),
            (999_600.0, "1.00 ms", "1 ms"),
            (99_960_000.0, "100 ms", "100 ms"),
            (1.5e9, "1.50 s", "1.5 s"),
            (3.6e12, "3,600 s", "3,600 s"),
            (f64::NAN, "–", "–"),
            (f64::INFINITY, "–", "–"),
        ] {
            assert_eq!((time(ns).as_str(), time_short(ns).as_str()), (long, short));
        }
    }

    #[test]
    fn bytes_are_counted_in_binary_units() {
        for (size, shown) in [
            (0.0, "0"),
            (512.0, "512 B"),
            (1023.0, "1,023 B"),
            (1024.0, "1.00 KiB"),
            (1536.0, "1.50 KiB"),
            (5e9, "4.66 GiB"),
            (u64::MAX as f64, "16,777,216 TiB"),
        ] {
            assert_eq!(bytes(size), shown);
        }
    }

    #[test]
    fn counts_and_numbers_are_grouped() {
        for (n, shown) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(n), shown);
        }
        for (n, shown) in [
            (0.0, "0"),
            (0.123_4, "0.123"),
            (12.34, "12.3"),
            (99.96, "100"),
            (12_345.6, "12,346"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(n), shown);
        }
        assert_eq!(
            (number_short(0.5), number_short(200.0)),
            ("0.5".into(), "200".into())
        );
    }

    #[test]
    fn a_share_is_neither_nothing_nor_all_unless_it_is() {
        for (part, whole, shown) in [
            (0, 0, "0 %"),
            (0, 7, "0 %"),
            (1, 1_000_000_000, "< 0.001 %"),
            (1, 10_000, "0.010 %"),
            (1, 3, "33.3 %"),
            (999_999, 1_000_000, "> 99.9 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(share(part, whole), shown);
        }
    }

    #[test]
    fn a_quantile_is_told_in_percent() {
        for (quantile, shown) in [
            (0.0, "0 %"),
            (0.5, "50 %"),
            (0.999, "99.9 %"),
            (0.999_999_99, "99.999999 %"),
        ] {
            assert_eq!(percentile(quantile), shown);
        }
    }
}
