#!/bin/sh
# The digests of tests/cli/golden.txt (short runs) from many builds: compilers, optimisation, generations of x86-64 with and
# without the kernels that are picked at start, and the C library told that the CPU has no FMA and AVX2.
# Environment: BUILD (folder), MAKE.
set -u
export OMP_WAIT_POLICY=passive
BUILD=${BUILD:-build} MAKE=${MAKE:-make}
digests=0
. tests/cli/lib.sh

loader=$(ls /lib64/ld-linux-x86-64.so.2 2>/dev/null)
has() { # v2, v3, v4
    [ -n "$loader" ] && "$loader" --help | grep -q "x86-64-$1 (supported"
}
line() { # name, which digests, GLIBC_TUNABLES: the golden test with the program that was built last
    GLIBC_TUNABLES=$3 LD_LIBRARY_PATH=$libraries APICAL=$folder/release/apical sh tests/cli/test_golden.sh $2 >"$work/log" 2>&1
    code=$?
    sum=$(tail -n 1 "$work/log")
    digests=$((digests + $(echo "$sum" | awk '{print $1 + $3}')))
    if [ $code -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok      $1: $sum"
    else
        failed=$((failed + 1))
        echo "FAILED  $1: $sum"
        grep -v ' passed, ' "$work/log"
    fi
}
build() { # name, compiler, flags: 1 when it was not built
    folder=$BUILD/builds/$(echo "$1" | tr ' ' '_')
    libraries=
    [ "$2" = clang ] && libraries=$(ls -d /usr/lib/llvm-*/lib 2>/dev/null | tail -n 1)
    $MAKE --no-print-directory -s BUILD="$folder" MODE=release CC="$2" WARN= FLAGS.release="$3" "$folder/release/apical" >"$work/log" 2>&1 &&
        return
    failed=$((failed + 1))
    echo "FAILED  $1: not built"
    tail -n 5 "$work/log"
    return 1
}
try() { # compiler, flags
    build "$1 $2" "$1" "$2" && line "$1 $2" short ""
}

for compiler in gcc clang; do
    for level in 0 2 3; do
        try $compiler -O$level
    done
    try $compiler "-O3 -DAP_NO_CLONES"
    for generation in v2 v3 v4; do
        if has $generation; then
            try $compiler "-O3 -march=x86-64-$generation -DAP_NO_CLONES"
        else
            echo "absent  x86-64-$generation: this CPU does not have it"
        fi
    done
    try $compiler "-O3 -march=native -DAP_NO_CLONES"
done
builds=$((passed + failed))
active() { # what the C library thinks that the CPU has
    "$loader" --list-diagnostics 2>/dev/null | grep -E 'active|platform'
}
if [ -z "$loader" ] || [ "$(active)" = "$(GLIBC_TUNABLES=$no_fma active)" ]; then
    echo "absent  hidden FMA: this C library does not listen"
else
    build "gcc -O3" gcc -O3 && line "gcc -O3, FMA and AVX2 hidden from the C library" short $no_fma
    build "gcc -O3 -DAP_NO_CLONES" gcc "-O3 -DAP_NO_CLONES" && # every fma() is a call, some hundred times slower
        line "gcc -O3 -DAP_NO_CLONES, FMA and AVX2 hidden from the C library" few $no_fma
fi
echo "promise: builds: $builds builds of two compilers, $((passed + failed - builds)) more with FMA hidden from the C library," \
    "$digests digests: $failed builds differ" | tee -a "$BUILD/promises.log"
finish
