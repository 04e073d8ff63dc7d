//! Which of the words that we know was meant by one that we do not know.

use crate::metainfo::spelling_steps;

/// The most characters that are compared.
const MOST_CHARACTERS: usize = 40;

/// The word that comes next to the one that was typed, if it is near enough for a slip: another case, a letter too
/// many, too few or wrong, letters in another order, or an end that is missing.
pub fn nearest<'words>(typed: &str, words: impl Iterator<Item = &'words str>) -> Option<&'words str> {
    let letters = |text: &str| text.to_lowercase().chars().take(MOST_CHARACTERS).collect::<Vec<char>>();
    let count = |text: &[char], letter: &char| text.iter().filter(|one| *one == letter).count();
    let typed = letters(typed);
    let distance = |word: &'words str| {
        let known = letters(word);
        let steps = spelling_steps(&typed, &known);
        // A part of the shorter one: of four letters, two are no slip.
        let is_a_slip = steps == 0 || 3 * steps <= typed.len().min(known.len()) + 1;
        let has_the_same_letters = typed.len() == known.len()
            && typed.iter().all(|letter| count(&typed, letter) == count(&known, letter));
        let is_the_start = typed.len() >= 3 && known.starts_with(&typed);
        (is_a_slip || has_the_same_letters || is_the_start).then_some((steps, word))
    };
    words.filter_map(distance).min_by_key(|(steps, _)| *steps).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let words = ["get", "seed", "create", "verify", "show", "list", "ls", "output-dir", "no-pex"];
        for (typed, expected) in [
            ("verfy", Some("verify")),
            ("Get", Some("get")),
            ("gte", Some("get")),
            ("sed", Some("seed")),
            ("craete", Some("create")),
            ("lst", Some("list")),
            ("output", Some("output-dir")),
            ("no-px", Some("no-pex")),
            ("cat", None),
            ("nope", None),
            ("x", None),
            ("", None),
            ("album", None),
            ("é", None),
        ] {
            assert_eq!(nearest(typed, words.into_iter()), expected, "{typed}");
        }
    }
}
