# Completions of femtotorrent for bash, made from its options by `make pages`; not to be edited.

_femtotorrent() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=get options= kind=
    # Bash takes `--check=always` for three words.
    if [[ $word == "=" ]]; then
        word=
    elif [[ $before == "=" ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
    case ${COMP_WORDS[1]} in
        get|download) command=get ;;
        seed|share) command=seed ;;
        create|make) command=create ;;
        verify|check) command=verify ;;
        show|info|list|ls) command=show ;;
        doctor) command=doctor ;;
        config) command=config ;;
        demo) command=demo ;;
    esac
    ((COMP_CWORD == 1)) && command=get
    case $command in
        get)
            options="-i --input-file -o -d --output-dir --dir --memory --allocate -c --continue --overwrite --part --timeout --down-limit --seed --seed-ratio --seed-time -O --output-name --no-sandbox --check --json -q --quiet -v --verbose --trace --pcap --watch --peer --tracker --no-trackers --no-dht --dht-node --no-lan --port --no-listen --bind --ca-file --proxy --encryption --no-utp --map-port --no-map-port --max-peers --no-pex --peer-id-prefix --user-agent --up-limit --no-upload --web-seed --no-web-seeds --select --iselect --exclude --iexclude --first --sequential --stdout --on-complete --no-config --help"
            case $before in
                -i|--input-file) kind=file ;;
                -o|-d|--output-dir|--dir) kind=folder ;;
                --memory) kind=none ;;
                --allocate) kind="words sparse full" ;;
                --timeout) kind=none ;;
                --down-limit) kind=none ;;
                --seed-ratio) kind=none ;;
                --seed-time) kind=none ;;
                -O|--output-name) kind=none ;;
                --check) kind="words always changed never" ;;
                --trace) kind=file ;;
                --pcap) kind=file ;;
                --peer) kind=none ;;
                --tracker) kind=none ;;
                --dht-node) kind=none ;;
                --port) kind=none ;;
                --bind) kind=none ;;
                --ca-file) kind=file ;;
                --proxy) kind=none ;;
                --encryption) kind="words off allow prefer require" ;;
                --max-peers) kind=none ;;
                --peer-id-prefix) kind=none ;;
                --user-agent) kind=none ;;
                --up-limit) kind=none ;;
                --web-seed) kind=none ;;
                --select) kind=none ;;
                --iselect) kind=none ;;
                --exclude) kind=none ;;
                --iexclude) kind=none ;;
                --first) kind=none ;;
                --on-complete) kind=file ;;
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind=torrent ;;
            esac ;;
        seed)
            options="-i --input-file -d -o --dir --output-dir --super --seed-ratio --seed-time -O --output-name --no-sandbox --check --json -q --quiet -v --verbose --trace --pcap --watch --peer --tracker --no-trackers --no-dht --dht-node --no-lan --port --no-listen --bind --ca-file --proxy --encryption --no-utp --map-port --no-map-port --max-peers --no-pex --peer-id-prefix --user-agent --up-limit --no-upload --no-config --help"
            case $before in
                -i|--input-file) kind=file ;;
                -d|-o|--dir|--output-dir) kind=folder ;;
                --seed-ratio) kind=none ;;
                --seed-time) kind=none ;;
                -O|--output-name) kind=none ;;
                --check) kind="words always changed never" ;;
                --trace) kind=file ;;
                --pcap) kind=file ;;
                --peer) kind=none ;;
                --tracker) kind=none ;;
                --dht-node) kind=none ;;
                --port) kind=none ;;
                --bind) kind=none ;;
                --ca-file) kind=file ;;
                --proxy) kind=none ;;
                --encryption) kind="words off allow prefer require" ;;
                --max-peers) kind=none ;;
                --peer-id-prefix) kind=none ;;
                --user-agent) kind=none ;;
                --up-limit) kind=none ;;
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind=torrent ;;
            esac ;;
        create)
            options="--tracker --piece-length --private --comment --web-seed -o --output -d --dir --overwrite --date --json -q --quiet --no-config --help"
            case $before in
                --tracker) kind=none ;;
                --piece-length) kind=none ;;
                --comment) kind=none ;;
                --web-seed) kind=none ;;
                -o|--output) kind=file ;;
                -d|--dir) kind=folder ;;
                --date) kind=none ;;
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind=file ;;
            esac ;;
        verify)
            options="-i --input-file -d -o --dir --output-dir -O --output-name --ca-file --proxy --json -q --quiet --select --iselect --exclude --iexclude --no-config --help"
            case $before in
                -i|--input-file) kind=file ;;
                -d|-o|--dir|--output-dir) kind=folder ;;
                -O|--output-name) kind=none ;;
                --ca-file) kind=file ;;
                --proxy) kind=none ;;
                --select) kind=none ;;
                --iselect) kind=none ;;
                --exclude) kind=none ;;
                --iexclude) kind=none ;;
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind=torrent ;;
            esac ;;
        show)
            options="-i --input-file --json --scrape --save --timeout -q --quiet -v --verbose --peer --tracker --no-trackers --no-dht --dht-node --no-lan --port --no-listen --bind --ca-file --proxy --encryption --no-utp --select --iselect --exclude --iexclude --no-config --help"
            case $before in
                -i|--input-file) kind=file ;;
                --save) kind=file ;;
                --timeout) kind=none ;;
                --peer) kind=none ;;
                --tracker) kind=none ;;
                --dht-node) kind=none ;;
                --port) kind=none ;;
                --bind) kind=none ;;
                --ca-file) kind=file ;;
                --proxy) kind=none ;;
                --encryption) kind="words off allow prefer require" ;;
                --select) kind=none ;;
                --iselect) kind=none ;;
                --exclude) kind=none ;;
                --iexclude) kind=none ;;
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind=torrent ;;
            esac ;;
        doctor)
            options="-o -d --output-dir --dir --timeout --json -v --verbose --peer --tracker --no-trackers --no-dht --dht-node --no-lan --port --no-listen --bind --ca-file --proxy --encryption --no-utp --web-seed --no-web-seeds --no-pex --peer-id-prefix --user-agent --map-port --no-map-port --no-config --help"
            case $before in
                -o|-d|--output-dir|--dir) kind=folder ;;
                --timeout) kind=none ;;
                --peer) kind=none ;;
                --tracker) kind=none ;;
                --dht-node) kind=none ;;
                --port) kind=none ;;
                --bind) kind=none ;;
                --ca-file) kind=file ;;
                --proxy) kind=none ;;
                --encryption) kind="words off allow prefer require" ;;
                --web-seed) kind=none ;;
                --peer-id-prefix) kind=none ;;
                --user-agent) kind=none ;;
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind=torrent ;;
            esac ;;
        config)
            options="--all --no-config --help"
            case $before in
                *) [[ $word == -* ]] || ((COMP_CWORD == 1)) || kind="words get seed create verify show doctor" ;;
            esac ;;
        demo)
            options="--trace --pcap --liar --slow --choke --serve --once --with -o -d --output-dir --dir --json --watch -q --quiet -v --verbose --no-config --help"
            case $before in
                --trace) kind=file ;;
                --pcap) kind=file ;;
                --serve) kind=none ;;
                --with) kind=none ;;
                -o|-d|--output-dir|--dir) kind=folder ;;
            esac ;;
    esac
    if [[ -z $kind ]]; then
        if [[ $word == -* ]]; then
            kind="words $options"
        elif ((COMP_CWORD == 1)); then
            kind="torrent get download seed share create make verify check show info list ls doctor config demo"
        fi
    fi
    case $kind in
        folder) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        torrent*)
            compopt -o filenames
            mapfile -t COMPREPLY < <(
                compgen -d -- "$word"
                compgen -f -X '!*.torrent' -- "$word"
                compgen -W "${kind#torrent}" -- "$word"
            ) ;;
        words*) mapfile -t COMPREPLY < <(compgen -W "${kind#words}" -- "$word") ;;
    esac
}

complete -F _femtotorrent femtotorrent
