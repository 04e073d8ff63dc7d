//! What goes through which proxy.
//!
//! With `--proxy` it is all or nothing: what cannot go through the proxy does not go at all. Proxies in the
//! environment are another matter. They are there for the web, set up by somebody who thought of curl and not of peers,
//! so they get what curl would give them: web addresses, by curl's rules.

use super::no_proxy::NoProxy;
use super::{Proxy, ProxyKind};
use std::fmt;
use std::sync::Arc;

/// What goes through which proxy.
#[derive(Clone, Debug, Default)]
pub enum Proxies {
    /// Nothing goes through a proxy.
    #[default]
    None,
    /// Everything goes through this one, or does not go.
    All(Arc<Proxy>),
    /// Web addresses go through these, and nothing else does.
    Web(Arc<WebProxies>),
}

/// The proxies for web addresses.
#[derive(Debug)]
pub struct WebProxies {
    http: Option<Arc<Proxy>>,
    https: Option<Arc<Proxy>>,
    except: NoProxy,
}

impl Proxies {
    /// The proxies that these variables name. `http_proxy` counts in small letters alone: in capitals a web server sets
    /// it for its programs, with what a stranger has sent. An empty variable counts as none.
    ///
    /// # Errors
    ///
    /// One of them names what is no proxy of ours, in words for the user.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Proxies, String> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, variable(name).filter(|value| !value.is_empty())?)))
        };
        let proxy = |names: &[&'static str]| match first(names) {
            None => Ok(None),
            Some((name, value)) => match Proxy::parse(value.trim()) {
                Ok(proxy) => Ok(Some(Arc::new(proxy))),
                Err(why) => {
                    Err(format!("the variable {name} names a proxy: {why} (--proxy none ignores it)"))
                }
            },
        };
        let http = proxy(&["http_proxy", "all_proxy", "ALL_PROXY"])?;
        let https = proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?;
        if http.is_none() && https.is_none() {
            return Ok(Proxies::None);
        }
        let except = first(&["no_proxy", "NO_PROXY"]).map(|(_, list)| NoProxy::parse(&list));
        Ok(Proxies::Web(Arc::new(WebProxies { http, https, except: except.unwrap_or_default() })))
    }

    /// The proxy for everything, if there is one. Where there is, no packet may go anywhere else.
    pub fn for_all(&self) -> Option<&Arc<Proxy>> {
        if let Proxies::All(proxy) = self { Some(proxy) } else { None }
    }

    /// The proxy for a web address, if it goes through one. `host` may have brackets.
    pub fn for_web(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<&Arc<Proxy>> {
        let is_https = scheme.eq_ignore_ascii_case("https");
        match self {
            Proxies::None => None,
            Proxies::All(proxy) => Some(proxy),
            Proxies::Web(proxies) => {
                let WebProxies { http, https, except } = &**proxies;
                let port = port.unwrap_or(if is_https { 443 } else { 80 });
                let is_excepted = except.has(host.trim_matches(['[', ']']), port);
                let proxy = if is_https { https } else { http };
                proxy.as_ref().filter(|_| !is_excepted)
            }
        }
    }
}

/// What goes where, for the log.
impl fmt::Display for Proxies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proxies::None => write!(out, "nothing goes through a proxy"),
            Proxies::All(proxy) => {
                write!(
                    out,
                    "everything goes through the proxy {proxy}, which looks up all names; incoming connections, the \
                     DHT, local discovery and UDP trackers are off"
                )?;
                match proxy.kind() {
                    ProxyKind::Socks5 => Ok(()),
                    ProxyKind::Http => write!(out, " (it must allow any port, or no peer can be reached)"),
                }
            }
            Proxies::Web(proxies) => {
                let WebProxies { http, https, .. } = &**proxies;
                let named = [("http", http), ("https", https)];
                for (scheme, proxy) in
                    named.iter().filter_map(|(scheme, proxy)| Some((scheme, proxy.as_ref()?)))
                {
                    write!(out, "{scheme}:// addresses go through the proxy {proxy}, ")?;
                }
                write!(
                    out,
                    "as the environment says; peers, the DHT and UDP trackers do not (use --proxy for everything)"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        Proxies::from_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// Through which proxy an address goes.
    fn through(proxies: &Proxies, scheme: &str, host: &str) -> Option<String> {
        proxies.for_web(scheme, host, None).map(|proxy| proxy.name())
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        for (variables, http, https) in [
            (&[("http_proxy", "h:1")][..], Some("h:1"), None),
            (&[("HTTP_PROXY", "h:1")], None, None),
            (&[("https_proxy", "s:1"), ("HTTPS_PROXY", "t:1")], None, Some("s:1")),
            (&[("HTTPS_PROXY", "t:1"), ("ALL_PROXY", "b:1")], Some("b:1"), Some("t:1")),
            (&[("all_proxy", "socks5h://a:1"), ("ALL_PROXY", "b:1")], Some("a:1"), Some("a:1")),
            (&[("http_proxy", ""), ("all_proxy", "http://a")], Some("a:1080"), Some("a:1080")),
            (&[("no_proxy", "*")], None, None),
            (&[("all_proxy", "a:1"), ("no_proxy", "x.example")], Some("a:1"), Some("a:1")),
            (&[("all_proxy", "a:1"), ("no_proxy", ""), ("NO_PROXY", "example.com")], None, None),
        ] {
            let proxies = with(variables).unwrap();
            assert_eq!(through(&proxies, "http", "www.example.com").as_deref(), http, "{variables:?}");
            assert_eq!(through(&proxies, "HTTPS", "www.example.com").as_deref(), https, "{variables:?}");
            assert!(proxies.for_all().is_none());
        }
        let proxies = with(&[("all_proxy", "a:1"), ("no_proxy", "::1,h.example:8080")]).unwrap();
        assert!(proxies.for_web("http", "[::1]", None).is_none());
        assert!(proxies.for_web("http", "h.example", Some(8080)).is_none());
        assert!(proxies.for_web("http", "h.example", None).is_some());
    }

    #[test]
    fn a_variable_that_names_no_proxy_of_ours_is_an_error_without_its_password() {
        for (name, value) in
            [("all_proxy", "socks4://me:secret@h:1"), ("https_proxy", "https://me:secret@h:1")]
        {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(
                error.contains(name) && error.contains("--proxy none") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
