#!/bin/bash
# certificates.sh DIRECTORY: an authority (ca.pem) and what it signed for chat.example: good.pem, expired.pem; for
# another name: other-name.pem; and one for chat.example that is its own issuer: self-signed.pem. Keys are in the files.

set -euo pipefail
cd "$1"
cat >ca.conf <<'CONF'
[ca]
default_ca = here
[here]
dir = .
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
[chat]
subjectAltName = DNS:chat.example
[other]
subjectAltName = DNS:other.example
CONF
: >index.txt
echo 01 >serial

sign() { # sign NAME SUBJECT EXTENSIONS START END OPTION...
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
  openssl ca -batch -notext -config ca.conf -extensions "$3" -startdate "$4" -enddate "$5" -in "$1.csr" \
    -out "$1.crt" "${@:6}" 2>/dev/null
  cat "$1.key" "$1.crt" >"$1.pem"
}

sign ca 'Sample Authority' authority 20200101000000Z 20500101000000Z -selfsign -keyfile ca.key
signed=(-cert ca.crt -keyfile ca.key)
sign good chat.example chat 20200101000000Z 20500101000000Z "${signed[@]}"
sign expired chat.example chat 20200101000000Z 20210101000000Z "${signed[@]}"
sign other-name other.example other 20200101000000Z 20500101000000Z "${signed[@]}"
sign self-signed chat.example chat 20200101000000Z 20500101000000Z -selfsign -keyfile self-signed.key
