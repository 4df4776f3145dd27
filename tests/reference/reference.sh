#!/bin/sh
# reference.sh DOXYFILE HEADERS - writes the API reference into an empty folder. A warning
# fails; so does a function of the headers that is not in it.
set -eu
command -v doxygen >/dev/null || {
    echo "skipped: doxygen is not there"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cat "$1"; echo "OUTPUT_DIRECTORY = $work") | doxygen -
names=$(awk '/^TN_API/ { inside = 1 }
    inside && match($0, /tn_[a-z0-9_]+\(/) {
        print substr($0, RSTART, RLENGTH - 1)
        inside = 0
    }' "$2"/*.h)
count=0
for name in $names; do
    count=$((count + 1))
    grep -q "$name" "$work"/html/globals_func*.html || {
        echo "'$name' is not in the reference"
        exit 1
    }
done
echo "$count functions"
[ "$count" -gt 0 ]
