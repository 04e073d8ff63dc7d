//! A map that is a list, sorted by key.
//!
//! The coordinator goes through its tables far more often than it changes them, and always in the same order,
//! so that the same events lead to the same decisions. The tables are short: they have an entry for each peer
//! or each open piece. For that a sorted list is as fast as a tree, and a tenth of its code in the binary.

/// Values with their keys.
#[derive(Debug)]
pub struct OrderedList<Key, Value> {
    entries: Vec<(Key, Value)>,
}

impl<Key: Ord + Copy, Value> OrderedList<Key, Value> {
    /// An empty list.
    pub fn new() -> OrderedList<Key, Value> {
        OrderedList { entries: Vec::new() }
    }

    /// The value of this key.
    pub fn get(&self, key: Key) -> Option<&Value> {
        self.entries.get(self.place(key).ok()?).map(|(_, value)| value)
    }

    /// The value of this key, to change it.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Value> {
        let at = self.place(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Puts a value under this key. It replaces a value that was there.
    pub fn insert(&mut self, key: Key, value: Value) {
        self.remove(key);
        // New keys are mostly the greatest, so this is mostly the end.
        let at = self.place(key).unwrap_or_else(|at| at);
        self.entries.insert(at, (key, value));
    }

    /// Takes the value of this key out.
    pub fn remove(&mut self, key: Key) -> Option<Value> {
        let at = self.place(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// Takes every value out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Value)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    /// The same, to change the values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut Value)> {
        self.entries.iter_mut().map(|(key, value)| (*key, value))
    }

    fn place(&self, key: Key) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_key_and_are_sorted_by_key() {
        let mut list = OrderedList::new();
        for key in [5, 1, 9, 3, 5] {
            list.insert(key, key * 10);
        }
        assert_eq!(list.iter().collect::<Vec<_>>(), [(1, &10), (3, &30), (5, &50), (9, &90)]);
        assert_eq!((list.get(3), list.get(4)), (Some(&30), None));
        assert_eq!((list.remove(1), list.remove(1)), (Some(10), None));
        *list.get_mut(9).unwrap() = 7;
        list.iter_mut().for_each(|(_, value)| *value += 1);
        assert_eq!((list.get(9), list.len()), (Some(&8), 3));
        list.clear();
        assert_eq!(list.len(), 0);
    }
}
