#!/bin/bash
# Asks RustSec's database of advisories about every crate in Cargo.lock: advisories.sh [DIR], DIR a clone of
# the database for machines without a network, of whatever age; its date is printed.
# FORMAT=json: cargo-deny's own lines, on stderr, for scripts/vex.py.
# Exit: 0 nothing is known · 1 something is, or the database could not be had
set -euo pipefail
cd "$(dirname "$0")/.."
database=https://github.com/rustsec/advisory-db
if [ $# = 0 ]; then
  exec ${CARGO:-cargo} deny ${FORMAT:+--format $FORMAT} check advisories
fi
git -C "$1" cat-file -e HEAD:crates 2>/dev/null || { echo "advisories: $1 is no clone of $database: it has no folder \`crates\`"; exit 1; }
own=$(mktemp -d); trap 'rm -rf "$own"' EXIT
cat > "$own/deny.toml" <<END
[advisories]
db-path = "$own/db"
db-urls = ["$database"]
maximum-db-staleness = "P3650D"
yanked = "allow"
END
# Where cargo-deny looks for a clone of that address, which it says itself.
place=$({ ${CARGO:-cargo} deny --offline --config "$own/deny.toml" check advisories 2>&1 || true; } | grep -oE "$own/db/advisory-db-[0-9a-f]+" | head -1)
[ -n "$place" ] || { echo "advisories: this cargo-deny does not say where it keeps its database"; exit 1; }
git clone --quiet "$1" "$place" && touch "$place/.git/FETCH_HEAD"
echo "advisories: as of $(git -C "$place" log -1 --format=%cs)"
${CARGO:-cargo} deny --offline ${FORMAT:+--format $FORMAT} --config "$own/deny.toml" check advisories
