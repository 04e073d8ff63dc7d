//! `show --scrape`: how many peers seed and download a torrent, as its trackers say.
//!
//! Runs on the main thread, which waits until each tracker has answered or its time has run out.

use crate::metainfo::Metainfo;
use crate::net::Outlet;
use crate::text::{grouped, printable};
use crate::tracker::{Scrape, TrackerAddress, TrackerError, scrape_all};
use serde_json::{Value, json};

/// The answers of the trackers of a torrent, in the torrent's order.
pub struct Scraped<'a>(Vec<(&'a str, Result<Scrape, TrackerError>)>);

impl<'a> Scraped<'a> {
    /// Asks the trackers of the torrent (if `own` is true) and the `others`, all at once.
    pub fn ask(torrent: &'a Metainfo, own: bool, others: &'a [String], outlet: &Outlet) -> Scraped<'a> {
        let own = torrent.trackers.iter().flatten().filter(|_| own);
        let trackers: Vec<&str> = own.chain(others).map(String::as_str).collect();
        let typed = |tracker: &str| others.iter().any(|other| other == tracker);
        let addresses = trackers.iter().map(|tracker| match typed(tracker) {
            true => TrackerAddress::typed(tracker),
            false => TrackerAddress::new(tracker),
        });
        let said = scrape_all(&addresses.collect::<Vec<_>>(), torrent.info_hash, outlet);
        Scraped(trackers.into_iter().zip(said).collect())
    }

    /// Why there is no answer, if no tracker has answered.
    pub fn trouble(&self) -> Option<&'static str> {
        match self.0.is_empty() {
            true => Some("there is no tracker to ask (name one with --tracker)"),
            false if !self.0.iter().any(|(_, said)| said.is_ok()) => {
                Some("no tracker of the torrent has answered")
            }
            false => None,
        }
    }

    /// The answers as JSON, for programs.
    pub fn json(&self) -> Value {
        let value = |(tracker, said): &(&str, Result<Scrape, TrackerError>)| match said {
            Ok(Scrape { complete, incomplete, downloaded }) => {
                json!({"tracker": tracker, "seeders": complete, "leechers": incomplete, "downloads": downloaded})
            }
            Err(error) => json!({"tracker": tracker, "error": error.to_string()}),
        };
        self.0.iter().map(value).collect()
    }

    /// The answers as text, one line for each tracker.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(tracker, said)| {
            let tracker = printable(tracker);
            match said {
                Ok(scrape) => format!("{tracker}  {}", in_words(scrape)),
                Err(error) => format!("{tracker}  {error}"),
            }
        })
    }
}

fn in_words(scrape: &Scrape) -> String {
    let counts =
        [("seeders", scrape.complete), ("leechers", scrape.incomplete), ("downloads", scrape.downloaded)];
    let word = |(name, count): (&str, Option<u64>)| match count {
        Some(count) => format!("{name} {}", grouped(count)),
        None => format!("{name} unknown"),
    };
    counts.map(word).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_and_an_error_are_shown_for_each_tracker() {
        let numbers = Scrape { complete: Some(1_234), incomplete: Some(0), downloaded: None };
        let scraped = Scraped(vec![("http://a\u{1b}", Ok(numbers)), ("b", Err(TrackerError::NoScrape))]);
        assert_eq!(scraped.trouble(), None);
        let lines: Vec<String> = scraped.lines().collect();
        assert_eq!(lines[0], "http://a\u{fffd}  seeders 1,234, leechers 0, downloads unknown");
        assert!(lines[1].starts_with("b  cannot be scraped: its address has no /announce"), "{}", lines[1]);
        let json = scraped.json();
        assert_eq!((&json[0]["seeders"], &json[0]["downloads"]), (&json!(1_234), &Value::Null));
        assert_eq!(json[1]["tracker"], "b");
        assert!(json[1]["error"].is_string() && json[1].get("seeders").is_none());
        let silent = Scraped(vec![("b", Err(TrackerError::NoScrape))]);
        assert_eq!(silent.trouble(), Some("no tracker of the torrent has answered"));
        assert!(Scraped(Vec::new()).trouble().is_some_and(|trouble| trouble.contains("--tracker")));
    }
}
