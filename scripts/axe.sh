#!/bin/sh
# Fetches the checker of a page's accessibility (axe-core, MPL-2.0) into target/axe, for tests/page. It is no part
# of the product, and larger than what we keep in the repository.
set -eu
version=4.14.1
to=target/axe
if [ -e "$to/package/axe.min.js" ] && grep -q "\"version\": \"$version\"" "$to/package/package.json"; then exit 0; fi
if ! command -v npm >/dev/null; then
    echo "axe-core $version is not here, and there is no npm to fetch it with (apt install npm): nobody looks" >&2
    echo "for barriers on the page" >&2
    exit 1
fi
rm -rf "$to"
mkdir -p "$to"
if ! (cd "$to" && timeout 120 npm pack --silent "axe-core@$version" >/dev/null && tar xzf "axe-core-$version.tgz" && rm "axe-core-$version.tgz"); then
    echo "axe-core $version cannot be fetched by npm from here: nobody looks for barriers on the page" >&2
    exit 1
fi
echo "axe-core $version: $to"
