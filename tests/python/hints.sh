#!/bin/sh
# hints.sh PACKAGE - mypy finds nothing wrong with the type hints of the package.
set -eu
command -v mypy >/dev/null || {
    echo "skipped: mypy is not there"
    exit 77
}
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
mypy --cache-dir "$cache" --enable-incomplete-feature=Unpack --ignore-missing-imports "$1"
