//! One attempt to connect to a peer: over TCP, and where that does not get through, over uTP beside it.

use super::{Wanted, Way};
use crate::net::half_open::{Bell, ConnectError, HalfOpen};
use crate::net::proxy::ProxyError;
use crate::net::{PeerStream, UtpAttempt};
use crate::strategy::UtpAnswers;
use crate::thread::lock;
use std::io::{self, ErrorKind};
use std::sync::Weak;
use std::time::Instant;

/// An attempt that is being made.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) wanted: Wanted,
    tcp: Tcp,
    utp: Utp,
    /// Something came of TCP.
    came: bool,
    /// How it ended.
    end: Option<Result<PeerStream, ConnectError>>,
}

#[derive(Debug)]
enum Tcp {
    /// It is to be begun then, or when uTP has failed.
    Later(Instant),
    HalfOpen(HalfOpen),
    /// There will be no connection, for this reason. uTP has until then.
    Failed(Option<ConnectError>, Instant),
    Over,
}

#[derive(Debug)]
enum Utp {
    /// It is to be tried at this time.
    Later(Instant),
    HalfOpen(UtpAttempt),
    /// It is not to be tried, or was in vain.
    Not,
}

impl Attempt {
    /// Begins it. It has ended at once where the system knows that there will be no connection.
    pub(super) fn begin(way: &Way, wanted: Wanted, now: Instant) -> Attempt {
        let (utp, is_utp_first) = {
            let answers = lock(&way.utp_answers);
            let when = way.utp.as_ref().and_then(|_| answers.when(wanted.address, now));
            (when.map_or(Utp::Not, Utp::Later), when.is_some() && answers.is_utp_first(wanted.address))
        };
        if is_utp_first {
            let tcp = Tcp::Later(now + UtpAnswers::patience(wanted.address));
            return Attempt { wanted, tcp, utp, came: false, end: None };
        }
        match way.begin(wanted.address) {
            Ok(tcp) => Attempt { wanted, tcp: Tcp::HalfOpen(tcp), utp, came: false, end: None },
            Err(error) => Attempt { wanted, tcp: Tcp::Over, utp, came: false, end: Some(Err(error)) },
        }
    }

    /// The half that is waited for in `poll`.
    pub(super) fn tcp(&self) -> Option<&HalfOpen> {
        if let Tcp::HalfOpen(tcp) = &self.tcp { Some(tcp) } else { None }
    }

    /// Something came of it.
    pub(super) fn came(&mut self) {
        self.came = true;
    }

    /// When there is something to do if nothing comes before.
    pub(super) fn due(&self) -> Option<Instant> {
        match (&self.tcp, &self.utp) {
            (Tcp::HalfOpen(_), Utp::Later(at)) => Some(*at),
            (Tcp::Later(_), Utp::Later(at)) => Some(*at),
            (Tcp::Failed(_, until) | Tcp::Later(until), _) => Some(*until),
            _ => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// What came of it.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub(super) fn finish(self) -> (Wanted, Result<PeerStream, ConnectError>) {
        let nothing = || Err(ConnectError::Direct(ErrorKind::TimedOut.into()));
        (self.wanted, self.end.unwrap_or_else(nothing))
    }

    /// Does what is to be done now.
    pub(super) fn go_on(&mut self, way: &Way, bell: &Weak<Bell>, now: Instant) {
        if std::mem::take(&mut self.came)
            && let Tcp::HalfOpen(tcp) = &mut self.tcp
            && let Some(outcome) = tcp.go_on()
        {
            self.tcp_ended(outcome, now);
        }
        let is_refused = matches!(self.tcp, Tcp::Failed(..));
        if let Utp::Later(at) = self.utp
            && (is_refused || at <= now)
            && self.end.is_none()
        {
            let begun = way.utp.as_ref().and_then(|utp| utp.connect(self.wanted.address, bell.clone()).ok());
            self.utp = begun.map_or(Utp::Not, Utp::HalfOpen);
        }
        match &self.utp {
            Utp::HalfOpen(attempt) if self.end.is_none() => {
                if let Some(outcome) = attempt.outcome() {
                    self.utp_ended(way, outcome, now);
                }
            }
            _ => {}
        }
        if let Tcp::Later(at) = self.tcp
            && self.end.is_none()
            && (at <= now || matches!(self.utp, Utp::Not))
        {
            match way.begin(self.wanted.address) {
                Ok(tcp) => self.tcp = Tcp::HalfOpen(tcp),
                Err(error) => self.end = Some(Err(error)),
            }
        }
        let is_late = matches!(&self.tcp, Tcp::Failed(_, until) if *until <= now);
        if self.end.is_none() && (is_late || matches!(self.utp, Utp::Not)) {
            self.give_up(way, now);
        }
    }

    /// TCP has led to a connection, or will not.
    fn tcp_ended(&mut self, outcome: Result<(), ConnectError>, now: Instant) {
        let Tcp::HalfOpen(tcp) = std::mem::replace(&mut self.tcp, Tcp::Over) else { return };
        match outcome.and_then(|()| tcp.finish().map_err(ConnectError::Direct)) {
            Err(error) if !matches!(self.utp, Utp::Not) && may_be_there(&error) => {
                self.tcp = Tcp::Failed(Some(error), now + UtpAnswers::patience(self.wanted.address));
            }
            end => self.end = Some(end),
        }
    }

    fn utp_ended(&mut self, way: &Way, outcome: io::Result<()>, now: Instant) {
        let Utp::HalfOpen(attempt) = std::mem::replace(&mut self.utp, Utp::Not) else { return };
        let stream = outcome.ok().and_then(|()| attempt.finish());
        match stream {
            Some(stream) => {
                lock(&way.utp_answers).speaks(self.wanted.address);
                self.end = Some(Ok(stream));
            }
            None => lock(&way.utp_answers).silent(self.wanted.address, now),
        }
    }

    /// uTP is in vain, or its time is over. Where TCP has failed too, that is the end.
    fn give_up(&mut self, way: &Way, now: Instant) {
        if let Tcp::Failed(error, _) = &mut self.tcp
            && let Some(error) = error.take()
        {
            self.end = Some(Err(error));
            self.note_silence(way, now);
        }
    }

    /// The time of the whole attempt is over. Why it did not come about, if that is the fault of a proxy.
    pub(super) fn timed_out(&self, way: &Way, now: Instant) -> Option<ProxyError> {
        self.note_silence(way, now);
        self.tcp().and_then(HalfOpen::timed_out)
    }

    fn note_silence(&self, way: &Way, now: Instant) {
        if matches!(self.utp, Utp::HalfOpen(_)) {
            lock(&way.utp_answers).silent(self.wanted.address, now);
        }
    }
}

/// Whether an address to which TCP has failed may still answer over UDP: packets get there.
fn may_be_there(error: &ConnectError) -> bool {
    match error {
        ConnectError::Direct(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::TimedOut
        ),
        ConnectError::Detour(_) => false,
    }
}
