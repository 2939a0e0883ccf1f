//! Lists of CPUs, as they are written.

/// The CPUs of a list such as `0,2-3`.
pub(super) fn parse(list: &str) -> Result<Vec<usize>, String> {
    let wrong = || format!("`{list}` is no list of CPUs such as 0,2-3");
    let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last || last >= nix::sched::CpuSet::count() {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_numbers_and_ranges() {
        assert_eq!(parse("0"), Ok(vec![0]));
        assert_eq!(parse("3,0-2"), Ok(vec![3, 0, 1, 2]));
        for list in ["", "1,", "a", "2-1", "0-100000", "-1"] {
            assert!(parse(list).is_err(), "{list}");
        }
    }
}
