//! What users of wget, curl, aria2, Transmission and mktorrent type by habit.
//!
//! An option that means the same as ours is taken, and the help does not mention it. One that means nearly the same,
//! such as a limit where 0 stands for none, is answered with ours. To take it would do what nobody asked for.

use clap::{Arg, Command};

/// The commands, our option (its identifier), and its names elsewhere: long ones, then single letters. Blanks separate
/// words.
type Same = (&'static str, &'static str, &'static str, &'static str);

const SAME: &[Same] = &[
    // wget -P, transmission-cli -w, rqbit --output-folder.
    ("get doctor", "output_dir", "directory-prefix download-dir output-folder", "Pw"),
    // wget and curl, aria2, webtorrent.
    ("get", "down_limit", "limit-rate max-download-limit max-overall-download-limit download-limit", ""),
    ("get", "timeout", "bt-stop-timeout", ""),
    ("get seed", "max_peers", "bt-max-peers", ""),
    ("get seed doctor", "map_port", "portmap", ""),
    ("get seed doctor", "no_map_port", "no-portmap", "M"),
    ("get seed show doctor", "port", "listen-port", "p"),
    ("get seed show doctor", "dht_nodes", "dht-entry-point", ""),
    ("get seed show doctor", "bind", "interface bind-address", ""),
    // mktorrent and transmission-create.
    ("create", "trackers", "announce", "at"),
    ("create", "comment", "", "c"),
    ("create", "private", "", "p"),
    ("create", "web_seeds", "webseed", "w"),
    ("create", "output", "outfile", ""),
    ("create", "overwrite", "force", "f"),
];

const ALL: &str = "get seed create verify show doctor demo";
const NETWORK: &str = "get seed show doctor";
const TRANSFER: &str = "get seed";

/// The commands, options that they do not have, and what to say.
type Answer = (&'static str, &'static str, &'static str);

const ANSWERS: &[Answer] = &[
    (
        "get",
        "--output-document --out --output --remote-name --index-out",
        "-o takes the folder, and -O (--output-name) the name of the file or folder in it",
    ),
    (
        "get",
        "-C --continue-at --resume",
        "the same command goes on where it stopped; --continue takes over what another program has begun",
    ),
    ("doctor", "-i --input-file", "it looks at one torrent at a time"),
    (
        "doctor",
        "--seed --seed-ratio --seed-time --select --exclude --order --down-limit --up-limit --no-upload --max-peers --memory \
         --stdout --continue --overwrite --allocate --check --part --on-complete -q --quiet",
        "leave it out, since nothing is kept",
    ),
    ("get", "--select-file", "use --select, whose numbers are those of `show` and begin with 0"),
    ("get", "-S --show-files", "`femtotorrent show TORRENT` lists the files"),
    ("get", "--allow-overwrite --force", "use --overwrite"),
    (
        "get",
        "-f --fail",
        "a failure has an exit code in any case; --overwrite replaces files, --on-complete runs a program",
    ),
    ("get", "--create-dirs", "folders are created in any case"),
    ("get", "-L --location", "redirects are followed in any case"),
    ("get", "-s --silent --no-progress-meter -nv --no-verbose", "use -q"),
    ("get", "-# --progress-bar --show-progress --progress", "the progress is shown unless -q is given"),
    ("get", "-nc -N --no-clobber --timestamping", "files are overwritten only with --overwrite"),
    ("get", "--max-connection-per-server --split --min-split-size --lowest-speed-limit", SEVERAL_PEERS),
    ("get", "-T --connect-timeout --read-timeout --stop --max-time", WITHOUT_DATA),
    ("get", "-t --retry-connrefused", "it tries until all is there, or for --timeout TIME without data"),
    (
        "get",
        "--follow-torrent --follow-metalink",
        "a .torrent from the web is always followed, and not stored",
    ),
    (
        "get show",
        "--bt-metadata-only --bt-save-metadata",
        "`femtotorrent show MAGNET --save FILE` stores the torrent of a link",
    ),
    (TRANSFER, "--bt-exclude-tracker", "--no-trackers asks none of those in the torrent"),
    ("get", "--bt-prioritize-piece --sequential-download", "use --sequential, or --first FILES"),
    (
        "get seed",
        "--disable-ipv6 -4 -6 --ipv4 --ipv6 --inet4-only --inet6-only",
        "use --bind ADDRESS, which chooses",
    ),
    ("get", "--no-seed", "it ends when all is there, unless --seed is given"),
    ("get", "--file-allocation", "use --allocate sparse or --allocate full"),
    ("get seed", "--check-integrity --verify", "use --check always"),
    ("get", "--downlimit --speed-limit", "use --down-limit, in bytes a second (500K, 1.5M)"),
    (
        TRANSFER,
        "--max-upload-limit --max-overall-upload-limit --upload-limit --uplimit -u",
        "use --up-limit, in bytes a second (500K, 1.5M); 0 means no upload, leave it out for no limit",
    ),
    #[cfg(not(feature = "trace"))]
    (TRANSFER, "--trace --pcap", "this build writes down no messages (use the full build)"),
    (TRANSFER, "--bt-tracker", "use --tracker, once for each"),
    (TRANSFER, "--enable-peer-exchange", "it is on, and --no-pex turns it off"),
    (TRANSFER, "--bt-require-crypto --encryption-required -er", "use --encryption require"),
    (TRANSFER, "--encryption-preferred -ep", "use --encryption prefer"),
    (TRANSFER, "--encryption-tolerated -et", "use --encryption allow"),
    (TRANSFER, "-b --background -D --daemon", "let the shell do it: nohup femtotorrent … &"),
    ("get", "-j --max-concurrent-downloads", "all torrents are downloaded at the same time"),
    ("get", "--summary-interval", "without a terminal a line is printed when something changes"),
    (
        "get",
        "--spider --dry-run",
        "`femtotorrent show TORRENT` downloads nothing, `femtotorrent doctor TORRENT` tries it",
    ),
    (
        "get",
        "--tries --retry --max-tries --retry-wait --waitretry",
        "it tries until all is there, or for --timeout SECONDS without data",
    ),
    (TRANSFER, "-l -a --log --append-output --output-file", "let the shell do it: 2> FILE"),
    (
        "get",
        "--on-download-complete --on-bt-download-complete --on-done --finish --torrent-done-script",
        "use --on-complete PROGRAM, which gets variables (FEMTOTORRENT_NAME, _PATH) and no arguments",
    ),
    (
        ALL,
        "--conf-path --config --config-dir --config-file --execute -K -g",
        "the settings file is $XDG_CONFIG_HOME/femtotorrent/config (femtotorrent config)",
    ),
    (NETWORK, "--enable-dht --enable-dht6", "the DHT is on, and --no-dht turns it off"),
    (NETWORK, "--dht-listen-port", "use --port, which is for peers and the DHT alike"),
    (NETWORK, "--bt-enable-lpd", "local discovery is on, and --no-lan turns it off"),
    (
        "get seed show verify",
        "-x --all-proxy --http-proxy --https-proxy --socks5 --socks5-hostname --preproxy",
        "--proxy URL sends everything through a proxy; set all_proxy for web addresses alone",
    ),
    (
        "get seed show",
        "-U",
        "use --user-agent for trackers, or put USER:PASSWORD@ in front of the host in --proxy",
    ),
    ("get seed doctor", "-m", "use --map-port"),
    ("get", "-H --header", "no header can be added; a password stands in http://USER:PASSWORD@HOST/"),
    (
        "get seed show verify",
        "--proxy-user --proxy-password --proxy-passwd --all-proxy-user --all-proxy-passwd",
        "put USER:PASSWORD@ in front of the host in --proxy",
    ),
    ("get seed show verify", "--no-proxy", "use --proxy none"),
    (
        "get seed show verify",
        "-k --insecure --no-check-certificate --check-certificate",
        "certificates are always verified (--ca-file FILE adds an authority, or the certificate of one server)",
    ),
    (
        "get seed show verify",
        "--cacert --ca-certificate",
        "use --ca-file, which adds to the built-in authorities",
    ),
    ("create", "-l", "use --piece-length in bytes: -l 18 is --piece-length 256K"),
    ("create", "-s --piecesize", "use --piece-length with a unit, such as 256K"),
    ("create", "--no-date", "no date is stored unless --date is given"),
    ("create", "-n --name", "a torrent has the name of its file or folder"),
    ("create", "--threads", "all cores are used"),
    ("create", "--source -x --cross-seed", "leave it out: the same files and options make the same torrent"),
    ("create", "-e --exclude", "all of the folder goes in: put the files into one of their own"),
    ("create", "-v --verbose", "all is said unless -q is given"),
    ("show", "-d --dir -o --output-dir", "it looks at no files; `femtotorrent verify TORRENT -d DIR` does"),
    ("show verify", "--info", "`femtotorrent show TORRENT` prints it"),
    (ALL, "-V --version", "use femtotorrent --version"),
];

const SEVERAL_PEERS: &str = "pieces come from many peers at once in any case (--max-peers N sets how many)";

const WITHOUT_DATA: &str =
    "--timeout TIME ends it after so long without data, `timeout 1h femtotorrent …` in any case";

/// Letters that mean something else with a number behind them: aria2's, and one of curl. They are looked up first.
const WITH_A_NUMBER: &[Answer] = &[("get", "-x -s -k", SEVERAL_PEERS), ("get", "-m", WITHOUT_DATA)];

/// What wget and transmission-cli write with two letters, of which `clap` names the first.
const TWO_LETTERS: [&str; 5] = ["-nv", "-nc", "-er", "-ep", "-et"];

/// The option of two letters that these may be.
pub fn whole<'a>(option: &'a str, value: &str) -> &'a str {
    let mut all = TWO_LETTERS.into_iter();
    all.find(|two| two.strip_prefix(option) == Some(value)).unwrap_or(option)
}

/// The program with the names that its options have elsewhere.
pub fn taught(program: Command) -> Command {
    program.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        command.mut_args(|option| with_other_names(option, &name))
    })
}

fn with_other_names(option: Arg, command: &str) -> Arg {
    let rows = SAME.iter().filter(|(commands, ..)| has(commands, command));
    rows.fold(option, |option, (_, id, long, short)| match option.get_id() == id {
        true => option.aliases(long.split_whitespace()).short_aliases(short.chars()),
        false => option,
    })
}

/// What to say to an option that this command does not have. `value` is the word behind it.
pub fn answer(command: &str, option: &str, value: &str) -> Option<&'static str> {
    let is_number = value.starts_with(|first: char| first.is_ascii_digit());
    let mut rows = WITH_A_NUMBER.iter().filter(|_| is_number).chain(ANSWERS);
    rows.find(|(commands, words, _)| has(commands, command) && has(words, option)).map(|(.., answer)| *answer)
}

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

#[cfg(test)]
mod tests {
    use super::super::arguments::program;
    use super::super::first_word::ABSENT;
    use super::*;

    #[test]
    fn each_row_names_an_option_of_each_of_its_commands() {
        let program = program();
        for (commands, id, ..) in SAME {
            for command in commands.split_whitespace().filter(|name| !ABSENT.contains(name)) {
                let command = program.find_subcommand(command).unwrap();
                assert!(command.get_arguments().any(|option| option.get_id() == id), "{id}");
            }
        }
    }

    #[test]
    fn a_letter_of_two_programs_is_told_apart_by_what_is_behind_it() {
        assert_eq!(answer("get", "-x", "16"), Some(SEVERAL_PEERS));
        assert!(answer("get", "-x", "socks5://127.0.0.1:1").unwrap().contains("--proxy"));
        assert_eq!(answer("get", "-k", "1M"), Some(SEVERAL_PEERS));
        assert!(answer("get", "-k", "x.torrent").unwrap().contains("certificates"));
    }

    #[test]
    fn no_word_is_answered_that_the_command_takes() {
        for (commands, words, _) in ANSWERS.iter().chain(WITH_A_NUMBER) {
            for command in commands.split_whitespace().filter(|name| !ABSENT.contains(name)) {
                let program = program();
                let command = program.find_subcommand(command).unwrap();
                let options = || command.get_arguments();
                let known = |word: &str| match word.strip_prefix("--") {
                    Some(long) => options().any(|it| {
                        it.get_long_and_visible_aliases().unwrap_or_default().contains(&long)
                            || it.get_all_aliases().unwrap_or_default().contains(&long)
                    }),
                    None => options().any(|it| {
                        let letter = word.chars().nth(1).unwrap();
                        it.get_short() == Some(letter)
                            || it.get_all_short_aliases().unwrap_or_default().contains(&letter)
                    }),
                };
                for word in words.split_whitespace() {
                    assert!(!known(word), "{} {word}", command.get_name());
                }
            }
        }
    }
}
