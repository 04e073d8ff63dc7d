//! The option that shows the live view at once, instead of the bars.

use super::watch::Wanted;
use clap::Args;

/// Whether the live view is shown at once.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchOption {
    /// Show peers, pieces, sources, files and messages on a full screen
    ///
    /// q goes back to the bar, and w opens it again, also without this option; ? explains the keys.
    #[cfg(feature = "watch")]
    #[arg(long, help_heading = super::help::headings::OUTPUT)]
    pub watch: bool,
}

impl WatchOption {
    /// When the view is to be shown, where there are bars or not. Never on a terminal that shows events for programs, and
    /// then the user is told.
    pub fn wanted(self, has_bars: bool, shows_events: bool) -> Wanted {
        #[cfg(feature = "watch")]
        match (self.watch, has_bars) {
            (true, _) if shows_events => {
                let why = "the events of --json are on the same terminal";
                super::terminal::say(&format!(
                    "femtotorrent: --watch shows nothing: {why}; all else goes on"
                ));
            }
            (true, _) => return Wanted::Now,
            (false, true) => return Wanted::ByKey,
            (false, false) => {}
        }
        let _ = (has_bars, shows_events);
        Wanted::Never
    }
}
