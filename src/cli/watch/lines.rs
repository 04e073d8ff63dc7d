//! The last lines of something, in order. There is room for so many, and the oldest make room for new ones.

use std::collections::VecDeque;
use std::sync::Arc;

/// The lines.
#[derive(Debug)]
pub struct LastLines {
    most: usize,
    lines: VecDeque<Arc<str>>,
}

impl LastLines {
    /// No line yet, and room for so many.
    pub const fn new(most: usize) -> LastLines {
        LastLines { most, lines: VecDeque::new() }
    }

    /// One more.
    pub fn push(&mut self, line: Arc<str>) {
        while self.lines.len() >= self.most && self.lines.pop_front().is_some() {}
        self.lines.push_back(line);
    }

    /// All that are there, the oldest first.
    pub fn to_vec(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.as_ref().to_owned()).collect()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.lines = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut last = LastLines::new(3);
        (0..1000).for_each(|number| last.push(number.to_string().into()));
        assert_eq!(last.to_vec(), ["997", "998", "999"]);
        assert!(last.lines.capacity() <= 8);
        last.clear();
        assert!(last.to_vec().is_empty());
    }
}
