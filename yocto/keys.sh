#!/bin/sh
# Makes what updates are signed by and held to, for COURTSIDE_UPDATE_KEYS of the layer, in a folder outside every layer:
#   yocto/keys.sh DIR UPDATE.PUB [DAYS]
#   DIR/keyring.pem      into the image: RAUC's authority             DIR/update.pub  into the image: a copy of UPDATE.PUB
#   DIR/bundle.cert.pem, DIR/bundle.key.pem   sign bundles            DIR/authority.key.pem  signs the former; keep it elsewhere
# UPDATE.PUB: the public half of the daemon's own signing key (minisign; `courtside models keygen` makes one). DAYS: how
# long they last, 30 years if not said: a box that cannot check a signature any more cannot be updated either.
# Nothing that is there is made anew. Exit: 0 made · 1 not
set -eu
dir=${1:?which folder? yocto/keys.sh DIR UPDATE.PUB}
pub=${2:?which public key? the public half of the key that signs updates, as minisign writes it}
days=${3:-10950}
umask 077
mkdir -p "$dir"
[ ! -e "$dir/keyring.pem" ] || { echo "keys: $dir/keyring.pem is there: nothing was made" >&2; exit 1; }
grep -qE '^RW[A-Za-z0-9+/]{54}$' "$pub" || { echo "keys: $pub holds no public key of minisign" >&2; exit 1; }
# Moved into place last, when all is there.
new=$(mktemp -d "$dir/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
openssl req -x509 -newkey rsa:3072 -nodes -days "$days" -subj "/O=Courtside/CN=updates: authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$new/authority.key.pem" -out "$new/keyring.pem" 2>"$new/log" || { cat "$new/log" >&2; exit 1; }
openssl req -newkey rsa:3072 -nodes -subj "/O=Courtside/CN=updates: bundles" \
    -keyout "$new/bundle.key.pem" -out "$new/bundle.csr.pem" 2>"$new/log" || { cat "$new/log" >&2; exit 1; }
printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
    "extendedKeyUsage=emailProtection,codeSigning" >"$new/extensions"
openssl x509 -req -in "$new/bundle.csr.pem" -CA "$new/keyring.pem" -CAkey "$new/authority.key.pem" -days "$days" \
    -extfile "$new/extensions" -set_serial 1 -out "$new/bundle.cert.pem" 2>"$new/log" || { cat "$new/log" >&2; exit 1; }
grep -E '^RW' "$pub" >"$new/update.pub"
chmod 644 "$new/keyring.pem" "$new/bundle.cert.pem" "$new/update.pub"
for file in authority.key.pem bundle.key.pem bundle.cert.pem update.pub keyring.pem; do mv "$new/$file" "$dir/$file"; done
chmod 755 "$dir"
echo "keys: made in $dir; move authority.key.pem to where no builder reads it"
