//! The option that says whether peers are also tried over uTP.

use super::help::headings::NETWORK;
use crate::net::{Outlet, Utp};
use clap::Args;

/// Whether peers are also tried over uTP.
#[derive(Args, Clone, Copy, Debug)]
pub struct UtpOption {
    /// Use TCP only, and no uTP (which goes over UDP)
    ///
    /// Otherwise peers that TCP does not get through to are tried over uTP, and peers may come in by it, at the UDP port
    /// of the same number. uTP gives way to other traffic.
    #[arg(long, help_heading = NETWORK)]
    pub no_utp: bool,
}

impl UtpOption {
    /// uTP, if there is to be any: not through a proxy, and not where there are no threads for it. `port` is the one at
    /// which we listen.
    pub fn utp(self, outlet: &Outlet, port: Option<u16>, has_threads: bool) -> Option<Utp> {
        let wanted = !self.no_utp && has_threads && outlet.proxies.for_all().is_none();
        wanted.then(|| Utp::new(outlet.bind_address, port.unwrap_or(0)))
    }
}
