#!/bin/sh
# Makes the certificates of the tests anew, beside this script. They are committed, so that the tests need no
# openssl: an authority, servers on loopback that it has signed, and servers that have signed themselves. One key
# serves for all. They are good from 2020 to 2120, but for those that have expired.
set -e
cd "$(dirname "$0")"
new=$(mktemp -d)
trap 'rm -r "$new"' EXIT

openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out key.pem
chmod 644 key.pem
mkdir "$new/signed"
: > "$new/index"
cat > "$new/config" <<END
[ca]
default_ca = small
[small]
database = $new/index
new_certs_dir = $new/signed
unique_subject = no
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
END

# certificate NAME END SIGNER EXTENSION...
certificate() {
    name=$1 end=$2 signer=$3
    shift 3
    printf '%s\n' "$@" > "$new/extensions"
    openssl req -new -key key.pem -subj "/CN=$name" -out "$new/request"
    openssl ca -batch -config "$new/config" -notext $signer -in "$new/request" -extfile "$new/extensions" \
        -startdate 20200101000000Z -enddate "$end" -out "$name.pem"
}

itself='-selfsign -keyfile key.pem'
authority='-cert authority.pem -keyfile key.pem'
leaf='basicConstraints=critical,CA:FALSE'
ca='basicConstraints=critical,CA:TRUE'
here='subjectAltName=DNS:localhost,IP:127.0.0.1'

certificate authority 21200101000000Z "$itself" "$ca"
certificate good 21200101000000Z "$authority" "$leaf" "$here"
certificate other-host 21200101000000Z "$authority" "$leaf" 'subjectAltName=DNS:other.example,DNS:www.other.example'
certificate expired 20200201000000Z "$authority" "$leaf" "$here"
# As `openssl req -x509` makes it: signed by itself, and in name an authority.
certificate self-signed 21200101000000Z "$itself" "$ca" "$here"
certificate self-signed-other-host 21200101000000Z "$itself" "$ca" 'subjectAltName=DNS:other.example'
certificate self-signed-expired 20200201000000Z "$itself" "$ca" "$here"
