//! Where traces of tests are written: it can be slow, and full.

use crate::cli::trace::{Form, Sink};
use crate::thread::lock;
use crossbeam_channel::Receiver;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Keeps what is written, and fails where it is to.
#[derive(Clone, Default)]
pub(super) struct Paper {
    pub(super) text: Arc<Mutex<Vec<u8>>>,
    pub(super) fails: bool,
    /// How often somebody has tried to write.
    pub(super) tries: Arc<AtomicUsize>,
    pub(super) may_write: Option<Receiver<()>>,
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        // It ends when the sender is dropped.
        self.may_write.as_ref().inspect(|gate| _ = gate.recv());
        if self.fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        lock(&self.text).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    pub(super) fn sink(&self, form: Form) -> Sink {
        Sink { name: "paper".to_owned(), form, out: Box::new(self.clone()) }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(lock(&self.text).clone()).unwrap()
    }
}
