//! Patterns for paths, as shells have them. Pure.
//!
//! `*` stands for any characters and `?` for one, but for `/`; `[a-z]` and `[!a-z]` for one that is, or is not, among
//! these; `**/` for any number of folders, and `**` at the end for all that is below. A backslash takes the next
//! character as it is. A torrent chooses its paths, so matching takes steps in proportion to the pattern and the path
//! multiplied, whatever they are: only the last `*` and the last `**/` are ever tried at another place.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    One(char),
    AnyOne,
    Among(Vec<(char, char)>, bool),
    /// `*`
    Any,
    /// `**/`
    Folders,
    /// `**` at the end.
    Below,
}

impl Glob {
    /// The pattern that this text writes. A `[` that nothing closes stands for itself.
    pub fn new(text: &str) -> Glob {
        let mut tokens = Vec::new();
        let mut rest = text;
        let mut at_start = true;
        while let Some(first) = rest.chars().next() {
            let (token, length) = match first {
                '*' if at_start && rest.starts_with("**/") => (Token::Folders, 3),
                '*' if at_start && rest == "**" => (Token::Below, 2),
                '*' => (Token::Any, 1),
                '?' => (Token::AnyOne, 1),
                '[' => among(rest).unwrap_or((Token::One('['), 1)),
                '\\' => match rest.chars().nth(1) {
                    Some(next) => (Token::One(next), 1 + next.len_utf8()),
                    None => (Token::One('\\'), 1),
                },
                other => (Token::One(other), other.len_utf8()),
            };
            at_start = token == Token::Folders || token == Token::One('/');
            // Several in a row are as good as one.
            if !(token == Token::Any && tokens.last() == Some(&Token::Any)) {
                tokens.push(token);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Glob { tokens }
    }

    /// Whether the whole of this path fits the pattern.
    pub fn fits(&self, path: &[char]) -> bool {
        let (mut token, mut at) = (0, 0);
        // What follows the last `*`, and the last `**/`, and up to where they reach.
        let mut star: Option<(usize, usize)> = None;
        let mut folders: Option<(usize, usize)> = None;
        loop {
            match (self.tokens.get(token), path.get(at)) {
                (Some(Token::Below), _) | (None, None) => return true,
                (Some(Token::Folders), _) => {
                    token += 1;
                    (folders, star) = (Some((token, at)), None);
                }
                (Some(Token::Any), _) => {
                    token += 1;
                    star = Some((token, at));
                }
                (Some(one), Some(character)) if one.is(*character) => (token, at) = (token + 1, at + 1),
                _ => {
                    let longer = |(next, reach): (usize, usize)| {
                        path.get(reach).filter(|character| **character != '/').map(|_| (next, reach + 1))
                    };
                    let deeper = |(next, reach): (usize, usize)| {
                        let rest = path.get(reach..)?;
                        rest.iter().position(|one| *one == '/').map(|slash| (next, reach + slash + 1))
                    };
                    star = star.and_then(longer);
                    if star.is_none() {
                        folders = folders.and_then(deeper);
                    }
                    let Some(back) = star.or(folders) else { return false };
                    (token, at) = back;
                }
            }
        }
    }
}

impl Token {
    fn is(&self, character: char) -> bool {
        match self {
            Token::One(one) => *one == character,
            Token::AnyOne => character != '/',
            Token::Among(ranges, is_among) => {
                let among = ranges.iter().any(|(first, last)| (*first..=*last).contains(&character));
                among == *is_among && character != '/'
            }
            Token::Any | Token::Folders | Token::Below => false,
        }
    }
}

/// A class of characters at the start of the text, and how many bytes it takes.
fn among(text: &str) -> Option<(Token, usize)> {
    let (is_among, start) =
        if text.starts_with("[!") || text.starts_with("[^") { (false, 2) } else { (true, 1) };
    let inside = text.get(start..)?;
    // A `]` that comes first is one of the characters.
    let (end, _) = inside.char_indices().skip(1).find(|(_, character)| *character == ']')?;
    let mut characters = inside.get(..end)?.chars().peekable();
    let mut ranges = Vec::new();
    while let Some(first) = characters.next() {
        let mut ahead = characters.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                ranges.push((first, last));
                characters = ahead;
            }
            _ => ranges.push((first, first)),
        }
    }
    Some((Token::Among(ranges, is_among), start + end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).fits(&path.chars().collect::<Vec<char>>())
    }

    #[test]
    fn a_pattern_fits_what_a_shell_would_find() {
        for (pattern, good, bad) in [
            ("a", &["a"][..], &["b", "", "aa"][..]),
            ("*.mkv", &["x.mkv", ".mkv", "a.b.mkv"], &["x.mkv.part", "a/x.mkv", "mkv"]),
            ("a*b*c", &["abc", "aXbXbc", "abbbcc"], &["ab", "a/bc", "abcd"]),
            ("?", &["é", "a"], &["", "ab", "/"]),
            ("a/*/c", &["a/b/c", "a//c"], &["a/c", "a/b/b/c"]),
            ("a/**/c", &["a/c", "a/b/c", "a/b/b/c"], &["ac", "a/bc", "a/c/d"]),
            ("**/*.txt", &["x.txt", "a/b/x.txt"], &["x.txt/y", "txt"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
            ("**", &["a", "a/b", ""], &[]),
            ("a**b", &["ab", "aXXb"], &["a/b"]),
            ("[a-cx]1", &["a1", "b1", "x1"], &["d1", "A1", "1"]),
            ("[!a-c]", &["d", "é"], &["a", "/", ""]),
            ("[]]", &["]"], &["["]),
            ("[-a]", &["-", "a"], &["b"]),
            ("a[", &["a["], &["a"]),
            ("[3]", &["3"], &["[3]"]),
            (r"\*\[", &["*["], &["a["]),
            (r"a\", &[r"a\"], &["a"]),
            ("", &[""], &["a"]),
        ] {
            for path in good {
                assert!(fits(pattern, path), "{pattern} {path}");
            }
            for path in bad {
                assert!(!fits(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn no_pattern_and_no_path_take_long_together() {
        // With more than one place to go back to, each of these would outlast the universe.
        let path = "a".repeat(4000);
        assert!(!fits(&"*a".repeat(300), &format!("{path}b")));
        assert!(!fits(&format!("{}b", "**/*a".repeat(40)), &path));
        let deep = "a/".repeat(2000);
        assert!(!fits(&format!("{}b", "**/a*/".repeat(300)), &deep));
        assert!(!fits("**/*.mkv", &format!("{deep}{path}")));
    }
}
