#!/bin/sh
# Prints packaging/changelog, the one source of what changed by release, as Markdown (CHANGELOG.md of a release).
set -eu
cd "$(dirname "$0")/.."
echo "# Changes"
sed -nE \
    -e 's/^courtside \(([^)-]+)[^)]*\) [a-z]+;.*/\n## \1/p' \
    -e 's/^  \* (.*)/- \1/p' \
    -e 's/^    (.*)/  \1/p' \
    -e 's/^ -- .*>  [A-Za-z]+, ([0-9]+ [A-Za-z]+ [0-9]+) .*/\n\1/p' packaging/changelog
