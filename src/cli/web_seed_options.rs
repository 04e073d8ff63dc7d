//! The options of `get` for web seeds: servers of the web that have the files of a torrent (BEP 19).

use super::help::headings::PEERS;
use clap::Args;

/// Which web seeds are asked.
#[derive(Args, Debug)]
pub struct WebSeedOptions {
    /// Also download from this web server
    ///
    /// The address of the file, or, with a slash at its end, of the folder that contains the torrent's file or folder
    /// (BEP 19).
    #[arg(long = "web-seed", value_name = "URL", value_parser = web_seed, help_heading = PEERS)]
    pub web_seeds: Vec<String>,
    /// Ignore the torrent's own web seeds
    #[arg(long, help_heading = PEERS)]
    pub no_web_seeds: bool,
}

fn web_seed(text: &str) -> Result<String, String> {
    let parts = text.split_once("://").filter(|(_, rest)| !rest.starts_with('/') && !rest.is_empty());
    let is_web = |scheme: &str| ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    match parts {
        Some((scheme, rest)) if is_web(scheme) && !rest.chars().any(|letter| letter.is_whitespace()) => {
            Ok(text.to_owned())
        }
        _ => Err("an address that begins with http:// or https:// is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        for good in ["http://a/", "HTTPS://a.example/b c%20d.iso".replace(' ', "%20").as_str()] {
            assert_eq!(web_seed(good), Ok(good.to_owned()));
        }
        for bad in ["", "a", "ftp://a/", "http://", "http:///a", "http://a/b c", "udp://a/"] {
            assert!(web_seed(bad).is_err(), "{bad}");
        }
    }
}
