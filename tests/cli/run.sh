#!/bin/sh
# run.sh [--show] TENON CASE.t - runs the commands of a case and compares what they say.
#
#   # a comment
#   % require NAME       skip the case (visibly) where this command or file is not there
#   % when COMMAND       skip it where this fails
#   $ command            run by sh in an empty folder that the case has to itself
#   line                 a line of its stdout, in order
#   ! line               a line of its stderr
#   ? 1                  its exit status, where that is not 0
#
# In expected lines <number> stands for any number, <text> for anything, and a line
# <lines> for any number of lines. Empty lines are left out on both sides; in a case with
# a <number>, runs of blanks are one. --show prints what was said, to write a case from.
set -u
LC_ALL=C
export LC_ALL

show=no
if [ "$1" = --show ]; then
    show=yes
    shift
fi
tenon=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
case_file=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
here=$(dirname "$case_file")
: "${TENON_SHARED:=$here/../../../shared}"
TENON_MODELS=$here/../../models
export TENON_SHARED TENON_MODELS

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/home"
ln -s "$tenon" "$work/bin/tenon"
PATH=$work/bin:$PATH
export PATH

require() {
    what=$(eval "printf '%s' \"$1\"")
    if [ ! -e "$what" ] && ! command -v "$what" >/dev/null 2>&1; then
        echo "skipped: $what is not there"
        exit 77
    fi
}

when() {
    sh -c "$1" >/dev/null 2>&1 && return
    echo "skipped: fails: $1"
    exit 77
}

run() {
    printf '$ %s\n' "$1"
    (cd "$work/home" && sh -c "$1") >"$work/out" 2>"$work/err" </dev/null
    status=$?
    sed '/^$/d' "$work/out"
    sed '/^$/d; s/^/! /' "$work/err"
    [ $status -eq 0 ] || echo "? $status"
}

: >"$work/actual"
while IFS= read -r line; do
    case $line in
    '% require '*) require "${line#% require }" ;;
    '% when '*) when "${line#% when }" ;;
    '$ '*) run "${line#\$ }" >>"$work/actual" ;;
    esac
done <"$case_file"

if [ $show = yes ]; then
    cat "$work/actual"
    exit 0
fi
sed '/^#/d; /^% /d; /^$/d' "$case_file" >"$work/expected"
awk -f "$here/match.awk" "$work/expected" "$work/actual" && exit 0
echo "--- expected, +++ actual"
diff -u "$work/expected" "$work/actual" | sed 1,2d
exit 1
