//! Drives the reading of configurations over any bytes.
//!
//! What must hold: no text panics, every problem has a reason and a place within the text, and a
//! configuration that was accepted is the same configuration after it was written as JSON.

use super::load;

/// The fuzz target.
///
/// # Panics
/// If any of that does not hold.
pub fn fuzz_config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match load(&text) {
        Ok(loaded) => {
            let json = xds::to_json(&loaded.bootstrap, "envoy.config.bootstrap.v3.Bootstrap");
            let again = load(&json.expect("a configuration has a JSON form"));
            let again = again.expect("what was accepted is accepted again");
            assert_eq!(again.bootstrap, loaded.bootstrap);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            // YAML ends a line with LF, CR or both.
            let lines = text.matches(['\n', '\r']).count() as u64 + 1;
            for problem in problems {
                assert!(!problem.reason.is_empty());
                let line = problem.place.map_or(1, |place| place.line);
                assert!((1..=lines).contains(&line), "{problem}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;
    use engines::Rng;

    #[test]
    fn the_corpus_holds() {
        let corpus = corpus::of("config");
        corpus.iter().for_each(|bytes| fuzz_config(bytes));
    }

    #[test]
    fn the_corpus_holds_however_it_is_damaged() {
        let (corpus, mut rng) = (corpus::of("config"), Rng::seeded(1));
        for _ in 0..400 {
            fuzz_config(&corpus::damaged(&corpus, b" \n:{}[]-,\"'&*!|>#0", &mut rng));
        }
    }
}
