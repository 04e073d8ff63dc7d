# Completions of femtotorrent for fish, made from its options by `make pages`; not to be edited.

function __femtotorrent_command
    set -l words (commandline -opc)
    switch "$words[2]"
        case get download
            echo get
        case seed share
            echo seed
        case create make
            echo create
        case verify check
            echo verify
        case show info list ls
            echo show
        case doctor
            echo doctor
        case config
            echo config
        case demo
            echo demo
        case '*'
            echo get
    end
end

function __femtotorrent_is
    contains -- (__femtotorrent_command) $argv
end

complete -c femtotorrent -f
complete -c femtotorrent -s h -l help -d 'Print the help'
complete -c femtotorrent -n __fish_use_subcommand -a get -d 'Download torrents (the default command)'
complete -c femtotorrent -n __fish_use_subcommand -a download -d 'Download torrents (the default command)'
complete -c femtotorrent -n __fish_use_subcommand -a seed -d 'Seed torrents from files you already have (read-only)'
complete -c femtotorrent -n __fish_use_subcommand -a share -d 'Seed torrents from files you already have (read-only)'
complete -c femtotorrent -n __fish_use_subcommand -a create -d 'Create a .torrent from a file or folder'
complete -c femtotorrent -n __fish_use_subcommand -a make -d 'Create a .torrent from a file or folder'
complete -c femtotorrent -n __fish_use_subcommand -a verify -d 'Check files on disk against a torrent (changes nothing)'
complete -c femtotorrent -n __fish_use_subcommand -a check -d 'Check files on disk against a torrent (changes nothing)'
complete -c femtotorrent -n __fish_use_subcommand -a show -d 'List what is in a torrent or magnet link, without downloading it'
complete -c femtotorrent -n __fish_use_subcommand -a info -d 'List what is in a torrent or magnet link, without downloading it'
complete -c femtotorrent -n __fish_use_subcommand -a list -d 'List what is in a torrent or magnet link, without downloading it'
complete -c femtotorrent -n __fish_use_subcommand -a ls -d 'List what is in a torrent or magnet link, without downloading it'
complete -c femtotorrent -n __fish_use_subcommand -a doctor -d 'Say why a torrent does not download, and what to do'
complete -c femtotorrent -n __fish_use_subcommand -a config -d 'List the settings of the settings file and the environment'
complete -c femtotorrent -n __fish_use_subcommand -a demo -d 'Run a small download entirely on this machine, to see how it works'
complete -c femtotorrent -n '__femtotorrent_is get seed verify show' -s i -l input-file -x -a '(__fish_complete_path)' -d 'Take more torrents from this list, one per line'
complete -c femtotorrent -n '__femtotorrent_is get' -s o -s d -l output-dir -l dir -x -a '(__fish_complete_directories)' -d 'Download into this folder'
complete -c femtotorrent -n '__femtotorrent_is get' -l memory -x -d 'Limit memory for pieces not yet written, over all torrents'
complete -c femtotorrent -n '__femtotorrent_is get' -l allocate -x -a 'sparse full' -d 'Allocate disk space as pieces arrive (sparse) or up front (full)'
complete -c femtotorrent -n '__femtotorrent_is get' -s c -l continue -d 'Complete files that another program began or damaged'
complete -c femtotorrent -n '__femtotorrent_is get' -l overwrite -d 'Overwrite existing files that differ from the torrent'
complete -c femtotorrent -n '__femtotorrent_is get' -l part -d 'Name each file NAME.part until it is complete'
complete -c femtotorrent -n '__femtotorrent_is get show' -l timeout -x -d 'Give up after this long without progress (exit code 2)'
complete -c femtotorrent -n '__femtotorrent_is get' -l down-limit -x -d 'Limit the total download rate, in bytes/s (500K, 1.5M)'
complete -c femtotorrent -n '__femtotorrent_is get' -l seed -d 'Keep seeding after the download finishes, until Ctrl-C'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l seed-ratio -x -d 'Stop seeding at this ratio, such as 1.5'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l seed-time -x -d 'Stop seeding after this many minutes (or 90s, 1.5h)'
complete -c femtotorrent -n '__femtotorrent_is get seed verify' -s O -l output-name -x -d 'Name the downloaded file or folder NAME'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l no-sandbox -d 'Keep all rights to files'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l check -x -a 'always changed never' -d 'How much existing data to read at the start'
complete -c femtotorrent -n '__femtotorrent_is get seed demo' -l json -d 'Print what happens as JSON, one object a line'
complete -c femtotorrent -n '__femtotorrent_is get seed demo' -s q -l quiet -d 'Print only errors'
complete -c femtotorrent -n '__femtotorrent_is get seed demo' -s v -l verbose -d 'Log what peers and trackers do (-vv: each message)'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l trace -x -a '(__fish_complete_path)' -d 'Write each message, its meaning, and why we sent it to this file'
complete -c femtotorrent -n '__femtotorrent_is get seed demo' -l pcap -x -a '(__fish_complete_path)' -d 'Write what is said, decrypted, to this file for Wireshark'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l watch -d 'Show peers, pieces, sources, files and messages on a full screen'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l peer -x -d 'Also connect to this peer'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l tracker -x -d 'Also announce to this tracker'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l no-trackers -d 'Ignore the torrent\'s own trackers'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l no-dht -d 'Disable the DHT'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l dht-node -x -d 'Extra DHT bootstrap node'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l no-lan -d 'Disable local peer discovery'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l port -x -d 'Listen on this port [default: one of 61000-65535]'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l no-listen -d 'Do not accept incoming connections'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l bind -x -d 'Use only this local address or network interface, such as tun0'
complete -c femtotorrent -n '__femtotorrent_is get seed verify show doctor' -l ca-file -x -a '(__fish_complete_path)' -d 'Also trust the certificate authorities in this file (PEM)'
complete -c femtotorrent -n '__femtotorrent_is get seed verify show doctor' -l proxy -x -d 'Send everything through this proxy (socks5h:// or http://)'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l encryption -x -a 'off allow prefer require' -d 'When to encrypt connections to peers'
complete -c femtotorrent -n '__femtotorrent_is get seed show doctor' -l no-utp -d 'Use TCP only, and no uTP (which goes over UDP)'
complete -c femtotorrent -n '__femtotorrent_is get seed doctor' -l map-port -d 'Ask the router to forward a port, even without seeding'
complete -c femtotorrent -n '__femtotorrent_is get seed doctor' -l no-map-port -d 'Do not ask the router to forward a port'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l max-peers -x -d 'Maximum number of peers per torrent'
complete -c femtotorrent -n '__femtotorrent_is get seed doctor' -l no-pex -d 'Disable peer exchange (PEX)'
complete -c femtotorrent -n '__femtotorrent_is get seed doctor' -l peer-id-prefix -x -d 'Begin the peer ID with this [default: -FM0100-]'
complete -c femtotorrent -n '__femtotorrent_is get seed doctor' -l user-agent -x -d 'Identify as this to HTTP trackers [default: femtotorrent/VERSION]'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l up-limit -x -d 'Limit the total upload rate'
complete -c femtotorrent -n '__femtotorrent_is get seed' -l no-upload -d 'Do not upload, as with --up-limit 0'
complete -c femtotorrent -n '__femtotorrent_is get doctor' -l web-seed -x -d 'Also download from this web server'
complete -c femtotorrent -n '__femtotorrent_is get doctor' -l no-web-seeds -d 'Ignore the torrent\'s own web seeds'
complete -c femtotorrent -n '__femtotorrent_is get verify show' -l select -x -d 'Only these files: \'*.mkv\', Extras/, 0, 3-5'
complete -c femtotorrent -n '__femtotorrent_is get verify show' -l iselect -x -d 'As --select, ignoring case'
complete -c femtotorrent -n '__femtotorrent_is get verify show' -l exclude -x -d 'Not these files, of the selected ones or of all'
complete -c femtotorrent -n '__femtotorrent_is get verify show' -l iexclude -x -d 'As --exclude, ignoring case'
complete -c femtotorrent -n '__femtotorrent_is get' -l first -x -d 'These files before the others, in this order'
complete -c femtotorrent -n '__femtotorrent_is get' -l sequential -d 'Fetch pieces in the order of the files'
complete -c femtotorrent -n '__femtotorrent_is get' -l stdout -d 'Write one file to standard output, none to the disk'
complete -c femtotorrent -n '__femtotorrent_is get' -l on-complete -x -a '(__fish_complete_path)' -d 'Run this program once a torrent is complete'
complete -c femtotorrent -n '__femtotorrent_is get seed create verify show doctor config demo' -l no-config -d 'Ignore the settings file and FEMTOTORRENT_* variables'
complete -c femtotorrent -n '__femtotorrent_is get seed verify show doctor' -a '(__fish_complete_suffix .torrent)'
complete -c femtotorrent -n '__femtotorrent_is seed verify' -s d -s o -l dir -l output-dir -x -a '(__fish_complete_directories)' -d 'Where the torrent\'s file or folder is'
complete -c femtotorrent -n '__femtotorrent_is seed' -l super -d 'Super-seed: reveal one piece at a time to each peer'
complete -c femtotorrent -n '__femtotorrent_is create' -l tracker -x -d 'Tracker URL'
complete -c femtotorrent -n '__femtotorrent_is create' -l piece-length -x -d 'Piece length, a power of two from 16K to 128M [default: for about 1500 pieces]'
complete -c femtotorrent -n '__femtotorrent_is create' -l private -d 'Private: peers only from the torrent\'s own trackers'
complete -c femtotorrent -n '__femtotorrent_is create' -l comment -x -d 'Comment to store in the torrent'
complete -c femtotorrent -n '__femtotorrent_is create' -l web-seed -x -d 'Web seed URL (BEP 19)'
complete -c femtotorrent -n '__femtotorrent_is create' -s o -l output -x -a '(__fish_complete_path)' -d 'Write to this file or folder, `-` for stdout [default: NAME.torrent]'
complete -c femtotorrent -n '__femtotorrent_is create' -s d -l dir -x -a '(__fish_complete_directories)' -d 'Write it into this folder'
complete -c femtotorrent -n '__femtotorrent_is create' -l overwrite -d 'Replace an existing .torrent'
complete -c femtotorrent -n '__femtotorrent_is create' -l date -x -d 'Creation date: `now` or a Unix time [default: none]'
complete -c femtotorrent -n '__femtotorrent_is create' -l json -d 'Print JSON instead of the info-hash and the path'
complete -c femtotorrent -n '__femtotorrent_is create' -s q -l quiet -d 'Print only the result and errors'
complete -c femtotorrent -n '__femtotorrent_is create' -a '(__fish_complete_path)'
complete -c femtotorrent -n '__femtotorrent_is verify show' -l json -d 'Print JSON'
complete -c femtotorrent -n '__femtotorrent_is verify' -s q -l quiet -d 'Print only errors (and JSON); the exit code is the result'
complete -c femtotorrent -n '__femtotorrent_is show' -l scrape -d 'Ask the trackers how many seeders and leechers there are'
complete -c femtotorrent -n '__femtotorrent_is show' -l save -x -a '(__fish_complete_path)' -d 'Write the torrent to this file'
complete -c femtotorrent -n '__femtotorrent_is show' -s q -l quiet -d 'Print only errors and the result'
complete -c femtotorrent -n '__femtotorrent_is show doctor' -s v -l verbose -d 'Log what peers and trackers do'
complete -c femtotorrent -n '__femtotorrent_is doctor' -s o -s d -l output-dir -l dir -x -a '(__fish_complete_directories)' -d 'The folder that it is to be downloaded into'
complete -c femtotorrent -n '__femtotorrent_is doctor' -l timeout -x -d 'Try for this long'
complete -c femtotorrent -n '__femtotorrent_is doctor' -l json -d 'Print one JSON object'
complete -c femtotorrent -n '__femtotorrent_is config' -l all -d 'Print the options that are not set, too, with their defaults'
complete -c femtotorrent -n '__femtotorrent_is config' -a 'get seed create verify show doctor'
complete -c femtotorrent -n '__femtotorrent_is demo' -l trace -x -a '(__fish_complete_path)' -d 'Print each message, or write them to this file'
complete -c femtotorrent -n '__femtotorrent_is demo' -l liar -d 'With a seeder that sends a wrong byte'
complete -c femtotorrent -n '__femtotorrent_is demo' -l slow -d 'With a slow seeder beside a fast one'
complete -c femtotorrent -n '__femtotorrent_is demo' -l choke -d 'With a seeder that chokes us for a while'
complete -c femtotorrent -n '__femtotorrent_is demo' -l serve -x -d 'Seed for a client of your own, and say what it does wrong'
complete -c femtotorrent -n '__femtotorrent_is demo' -l once -d 'With --serve: end after one client took everything'
complete -c femtotorrent -n '__femtotorrent_is demo' -l with -x -d 'Download from a seeder of your own, and say what it does wrong'
complete -c femtotorrent -n '__femtotorrent_is demo' -s o -s d -l output-dir -l dir -x -a '(__fish_complete_directories)' -d 'Keep the files in this folder'
complete -c femtotorrent -n '__femtotorrent_is demo' -l watch -d 'Show it on a full screen, and let it last five times as long'
