//! What the help says that `clap` does not know: how each command is called, which of its options are those of every
//! day, and examples.

/// What one command's help has besides its options.
pub struct Chapter {
    /// Its name. That of the program itself is empty.
    pub command: &'static str,
    /// What follows the name of the program.
    pub usage: &'static str,
    /// The options of `-h`, by their identifiers and in this order. `--help` has all.
    pub every_day: &'static [&'static str],
    /// Command lines, without the name of the program, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
}

/// One for the program and one for each command.
pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        command: "",
        usage: "[OPTIONS] TORRENT...\n       femtotorrent COMMAND [OPTIONS] ...",
        every_day: &[],
        examples: &[
            ("x.torrent -o /srv", "download to /srv, or resume"),
            ("'magnet:?xt=urn:btih:...'", "a magnet link, in quotes"),
            ("seed photos.torrent -d /srv", "seed /srv/photos"),
        ],
    },
    Chapter {
        command: "get",
        usage: "[get] [OPTIONS] TORRENT...",
        every_day: &[
            "torrents",
            "output_dir",
            "output_name",
            "select",
            "continues",
            "timeout",
            "seed",
            "seed_ratio",
            "down_limit",
            "up_limit",
            "quiet",
            "verbose",
        ],
        examples: &[
            ("x.torrent -o /srv", "download to /srv, or resume"),
            ("get x.torrent --select '*.mkv'", "some of its files"),
            ("get -i list.txt --timeout 10m", "all torrents of a list"),
        ],
    },
    Chapter {
        command: "seed",
        usage: "seed [OPTIONS] TORRENT...",
        every_day: &[
            "torrents",
            "dir",
            "seed_ratio",
            "seed_time",
            "super_seeding",
            "up_limit",
            "port",
            "trackers",
            "quiet",
            "verbose",
        ],
        examples: &[
            ("seed photos.torrent -d /srv", "seed /srv/photos"),
            ("seed *.torrent --up-limit 2M", "several, 2 MiB/s in total"),
            ("seed photos.torrent --seed-ratio 2", "upload two copies"),
        ],
    },
    Chapter {
        command: "create",
        usage: "create [OPTIONS] PATH",
        every_day: &["path", "trackers", "web_seeds", "private", "comment", "output", "overwrite", "quiet"],
        examples: &[
            ("create photos", "write photos.torrent"),
            ("create photos --tracker udp://t.eu:6969", "with a tracker"),
            ("create photos -o /srv/photos.torrent", "write it elsewhere"),
        ],
    },
    Chapter {
        command: "verify",
        usage: "verify [OPTIONS] TORRENT...",
        every_day: &["torrents", "dir", "select", "exclude", "json", "quiet"],
        examples: &[
            ("verify photos.torrent -d /srv", "check /srv/photos"),
            ("verify -q photos.torrent -d /srv", "exit code 0 or 32"),
            ("verify x.torrent --select '*.mkv'", "some of its files"),
        ],
    },
    Chapter {
        command: "show",
        usage: "show [OPTIONS] TORRENT...",
        every_day: &["torrents", "json", "scrape", "save", "select", "timeout"],
        examples: &[
            ("show x.torrent", "name, size, files, trackers"),
            ("show x.torrent --scrape", "seeders and leechers, too"),
            ("show MAGNET --save x.torrent", "magnet link to torrent"),
        ],
    },
    #[cfg(feature = "doctor")]
    Chapter {
        command: "doctor",
        usage: "doctor [OPTIONS] TORRENT",
        every_day: &["torrent", "output_dir", "timeout", "json"],
        examples: &[
            ("doctor x.torrent", "why does it not download?"),
            ("doctor MAGNET -d /srv", "also: is there room at /srv?"),
        ],
    },
    Chapter {
        command: "config",
        usage: "config [OPTIONS] [COMMAND]",
        every_day: &["command", "all"],
        examples: &[
            ("config", "what is set for each command"),
            ("config get --all", "all options of one command"),
        ],
    },
    #[cfg(feature = "demo")]
    Chapter {
        command: "demo",
        usage: "demo [OPTIONS]",
        every_day: &["trace", "liar", "slow", "choke", "serve", "once", "with", "output_dir"],
        examples: &[
            ("demo", "takes three seconds"),
            ("demo --trace", "each message, and why it is sent"),
            ("demo --liar", "what if a seeder sends wrong bytes?"),
            ("demo --serve", "a seeder for your own client"),
            ("demo --with 127.0.0.1:7000", "a client for your own seeder"),
        ],
    },
];

impl Chapter {
    /// That of a command, or of the program. One that has none gets that of the program.
    pub fn of(command: &str) -> Option<&'static Chapter> {
        CHAPTERS.iter().find(|chapter| chapter.command == command).or(CHAPTERS.first())
    }
}
