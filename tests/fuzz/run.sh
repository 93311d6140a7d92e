#!/bin/sh
# Fuzzes the readers of foreign bytes: tests/fuzz/run.sh [seconds per reader] [reader...]
# Needs clang with libFuzzer (Debian: clang, libclang-rt-dev). What is found lands in the build folder (BUILD, default: a
# new one under /tmp); small inputs worth keeping belong into tests/fuzz/corpus/READER/.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- btf elf format kallsyms maps ldcache
build=${BUILD:-$(mktemp -d /tmp/tarsier-fuzz.XXXXXX)}
compiler=${CLANG:-clang}
flags="-std=gnu17 -D_GNU_SOURCE -O1 -g -Isrc -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined"
mkdir -p "$build"
status=0
for reader in "$@"; do
    # shellcheck disable=SC2086
    "$compiler" $flags src/base/*.c src/object/*.c "tests/fuzz/fuzz_$reader.c" -o "$build/fuzz_$reader"
    mkdir -p "$build/corpus/$reader"
    "$build/fuzz_$reader" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=1024 -print_final_stats=0 \
        -verbosity=0 -artifact_prefix="$build/$reader-" "$build/corpus/$reader" "tests/fuzz/corpus/$reader" &&
        echo "$reader: nothing found in $seconds s" || { echo "$reader: FAILED, see $build/$reader-*"; status=1; }
done
exit $status
