//! For tests: an address that answers no connection, and refuses none.

use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A listener whose places are taken. The system drops what else comes.
#[derive(Debug)]
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    _listener: Socket,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    /// At this address of IPv4, which nobody has.
    pub(crate) fn at(address: SocketAddr) -> Deaf {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let waiting = std::iter::from_fn(connect).collect();
        Deaf { address, _listener: listener, _waiting: waiting }
    }
}
