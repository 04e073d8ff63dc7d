//! What is told of a student's program: what it said, what was wrong with that, and what it may be waiting for.
//!
//! Pure. A program that makes one mistake makes it often, so each is told a few times and then only counted, and so
//! much is told of one connection and no more.

/// How often a mistake is told before it is only counted.
const TOLD_EACH: u32 = 2;
/// The most lines that are told of one connection.
const MOST_LINES: usize = 2_000;

/// The section "peer protocol" of BEP 3: the handshake and the states.
pub const PROTOCOL: &str = "BEP 3, \"peer protocol\"";
/// Its section "peer messages".
pub const MESSAGES: &str = "BEP 3, \"peer messages\"";
/// Its section "metainfo files".
pub const METAINFO: &str = "BEP 3, \"metainfo files\"";
/// Its section "trackers".
pub const TRACKERS: &str = "BEP 3, \"trackers\"";

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A few words by which it is counted.
    pub title: &'static str,
    /// What was wrong, and what would be right.
    pub text: String,
    /// Where the rule stands.
    pub section: &'static str,
}

impl Fault {
    /// A fault.
    pub fn new(title: &'static str, section: &'static str, text: impl Into<String>) -> Fault {
        Fault { title, text: text.into(), section }
    }
}

/// The lines that wait to be printed, and the faults so far.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<(&'static str, String)>,
    told: usize,
    faults: Vec<(&'static str, u32)>,
}

impl Report {
    /// A line of this kind.
    pub fn tell(&mut self, what: &'static str, text: impl Into<String>) {
        self.told = self.told.saturating_add(1);
        if !self.is_full() {
            self.lines.push((what, text.into()));
        }
    }

    /// A line that is told even where too much was.
    pub fn conclude(&mut self, what: &'static str, text: impl Into<String>) {
        self.lines.push((what, text.into()));
    }

    /// Something was wrong.
    pub fn wrong(&mut self, fault: Fault) {
        let Fault { title, text, section } = fault;
        let at = self.faults.iter().position(|(known, _)| *known == title);
        let at = at.unwrap_or_else(|| {
            self.faults.push((title, 0));
            self.faults.len().saturating_sub(1)
        });
        let Some((_, count)) = self.faults.get_mut(at) else { return };
        *count = count.saturating_add(1);
        if *count <= TOLD_EACH {
            self.tell("WRONG", format!("{title}: {text} ({section})"));
        }
    }

    /// The lines since this was asked last.
    pub fn take(&mut self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.lines)
    }

    /// So much was told that no more is.
    pub fn is_full(&self) -> bool {
        self.told > MOST_LINES
    }

    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults in one sentence.
    pub fn summary(&self) -> String {
        let counted = self.faults.iter().map(|(title, count)| match count {
            1 => (*title).to_owned(),
            _ => format!("{title} ({count} times)"),
        });
        let counted: Vec<String> = counted.collect();
        if counted.is_empty() { "nothing was wrong".to_owned() } else { counted.join("; ") }
    }
}
