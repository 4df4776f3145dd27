#!/bin/sh
# examples.sh BUILD SOURCE - installs BUILD into an empty folder and uses what is there:
# the examples built through pkg-config, statically and through CMake, the Python package,
# manual pages and completions.
set -eu
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/usr

cmake --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name tenon.pc)
lib=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc") LD_LIBRARY_PATH=$lib PATH=$prefix/bin:$PATH
export PKG_CONFIG_PATH LD_LIBRARY_PATH PATH
flags=$(pkg-config --cflags --libs tenon)
models=$source/models

echo "from C++, through pkg-config"
# shellcheck disable=SC2086
c++ -std=c++20 -Wall -Wextra -Wno-missing-field-initializers -Werror "$source/examples/tour.cc" $flags -o "$work/tour++"
"$work/tour++" "$models/fashion-mlp-a.onnx"

echo "from C, linked statically"
static=$(pkg-config --static --cflags --libs tenon |
    sed 's/-ltenon/-l:libtenon.a/')
# shellcheck disable=SC2086
cc -std=c11 -Wall -Wextra -Werror "$source/examples/tour.c" $static -lstdc++ \
    -o "$work/tour"
ldd "$work/tour" | grep -q libtenon && { echo "not static"; exit 1; }
(cd "$work" && ./tour "$models/fashion-mlp-a.onnx" "$models/fashion-mlp-b.onnx" \
    random:1x28x28,limit=256 fused.onnx >/dev/null 2>&1)

echo "internals are hidden"
for file in "$lib/libtenon.a" "$lib/libtenon.so"; do
    case $file in *.so) dynamic=-D ;; *) dynamic= ;; esac
    # shellcheck disable=SC2086
    if nm -g $dynamic --defined-only "$file" | grep -E ' [A-Z] tn__'; then
        echo "$file shows them"
        exit 1
    fi
done

echo "through CMake"
mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(tour LANGUAGES C)
find_package(tenon 0.1 REQUIRED)
add_executable(tour tour.c)
target_link_libraries(tour PRIVATE tenon::tenon)
EOF
cp "$source/examples/tour.c" "$work/project"
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/project/build" >/dev/null
test -x "$work/project/build/tour"

echo "from Python"
packages=$(find "$prefix/lib" -type d -name dist-packages)
if [ -n "$packages" ] && "$PYTHON" -c 'import numpy' 2>/dev/null; then
    (cd "$work" && LD_LIBRARY_PATH= PYTHONPATH=$packages "$PYTHON" -B -c '
import sys, tenon
assert tenon.load(sys.argv[1]).output_shape == (10,)' "$models/fashion-mlp-a.onnx")
else
    echo "skipped: python3 with numpy is not there"
fi

echo "the command, its manual and completions"
tenon --version
for page in "$prefix"/share/man/man1/tenon*.1; do
    if command -v groff >/dev/null; then
        test -z "$(groff -ww -man -Tutf8 "$page" 2>&1 >/dev/null)"
    fi
    grep -q '^.SH NAME' "$page"
done
test "$(find "$prefix/share/man/man1" -name 'tenon-*.1' | wc -l)" -eq \
    "$(tenon | grep -c '^  [a-z]\{2,\}  ')"
bash -c '. "$0"; COMP_WORDS=(tenon fuse --supp); COMP_CWORD=2; _tenon
         test "${COMPREPLY[*]}" = --support
         COMP_WORDS=(tenon fuse --solver s); COMP_CWORD=3; _tenon
         test "${COMPREPLY[*]}" = sinkhorn
         COMP_WORDS=(tenon pru); COMP_CWORD=1; _tenon
         test "${COMPREPLY[*]}" = prune' \
    "$prefix/share/bash-completion/completions/tenon"
for shell in zsh fish; do
    command -v "$shell" >/dev/null || continue
    "$shell" -n "$(find "$prefix/share/$shell" -type f)"
done
echo "done"
