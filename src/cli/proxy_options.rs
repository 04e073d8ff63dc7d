//! The option `--proxy`, and the proxies of the environment.

use super::exit::{CommandFailure, Exit};
use super::help::headings::NETWORK;
use crate::net::proxy::{Proxies, Proxy};
use clap::Args;
use log::{debug, warn};
use std::sync::Arc;

/// Through which proxy we go.
#[derive(Args, Debug)]
pub struct ProxyOptions {
    /// Send everything through this proxy (socks5h:// or http://)
    ///
    /// The rest is `[USER:PASSWORD@]HOST:PORT`. What cannot go through it does not go. Without this option, http_proxy
    /// and the like are used for web addresses only; `none` ignores them.
    #[arg(long, value_name = "URL", value_parser = choice, help_heading = NETWORK)]
    proxy: Option<Choice>,
}

/// What the user wants.
#[derive(Clone, Debug)]
enum Choice {
    /// No proxy, whatever the environment says.
    Direct,
    /// This one for everything.
    All(Arc<Proxy>),
}

fn choice(text: &str) -> Result<Choice, String> {
    match text {
        "none" => Ok(Choice::Direct),
        text => Ok(Choice::All(Arc::new(Proxy::typed(text)?))),
    }
}

impl ProxyOptions {
    /// What goes through which proxy.
    ///
    /// # Errors
    ///
    /// The environment names what is no proxy of ours.
    pub fn proxies(&self) -> Result<Proxies, CommandFailure> {
        match &self.proxy {
            Some(Choice::Direct) => Ok(Proxies::None),
            Some(Choice::All(proxy)) => Ok(Proxies::All(Arc::clone(proxy))),
            None => Proxies::from_environment(|name| std::env::var(name).ok())
                .map_err(|why| (Exit::BAD_OPTION, why)),
        }
    }
}

/// Says in one line what goes through a proxy, and what is off for it.
pub fn say(proxies: &Proxies) {
    match proxies {
        Proxies::None => {}
        Proxies::All(_) => warn!("{proxies}"),
        Proxies::Web(_) => debug!("{proxies}"),
    }
}

/// Whether the router may be asked for a port, with these proxies.
///
/// # Errors
///
/// One of them is for everything, and it was to be asked all the same.
pub fn check_map_port(map_port: bool, proxies: &Proxies) -> Result<(), CommandFailure> {
    match map_port && proxies.for_all().is_some() {
        true => {
            let why = "--map-port cannot be used with --proxy: nobody can connect to us through a proxy";
            Err((Exit::BAD_OPTION, why.to_owned()))
        }
        false => Ok(()),
    }
}
