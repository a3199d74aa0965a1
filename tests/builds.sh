#!/bin/sh
# The digests of tests/cli/golden.txt (short runs) from many builds: compilers, optimisation, generations of x86-64 with and
# without the kernels that are picked at start, and the C library told that the CPU has no FMA and AVX2.
# Environment: BUILD (folder), MAKE.
set -u
export OMP_WAIT_POLICY=passive
BUILD=${BUILD:-build} MAKE=${MAKE:-make}
passed=0 failed=0 digests=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

loader=$(ls /lib64/ld-linux-x86-64.so.2 2>/dev/null)
has() { # v2, v3, v4
    [ -n "$loader" ] && "$loader" --help | grep -q "x86-64-$1 (supported"
}
line() { # name, GLIBC_TUNABLES: the golden test with the program of this name
    GLIBC_TUNABLES=$2 LD_LIBRARY_PATH=$libraries APICAL=$folder/release/apical sh tests/cli/test_golden.sh short >"$work/log" 2>&1
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
    build "$1 $2" "$1" "$2" && line "$1 $2" ""
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
before=$failed builds=$((passed + failed))
figure="$builds builds of two compilers, $digests digests: $failed builds differ"
hide=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD
active() { # what the C library thinks that the CPU has
    "$loader" --list-diagnostics 2>/dev/null | grep -E 'active|platform'
}
if [ -z "$loader" ] || [ "$(active)" = "$(GLIBC_TUNABLES=$hide active)" ]; then
    echo "absent  hidden FMA: this C library does not listen"
else
    build "gcc -O3" gcc -O3 && line "gcc -O3, FMA and AVX2 hidden from the C library" $hide
    build "gcc -O3 -DAP_NO_CLONES" gcc "-O3 -DAP_NO_CLONES" && line "gcc -O3 -DAP_NO_CLONES, FMA and AVX2 hidden from the C library" $hide
fi
echo "promise: builds: $figure; FMA hidden from the C library: $((failed - before)) of $((passed + failed - builds)) differ" | tee -a "$BUILD/promises.log"
[ "$failed" -eq "$before" ] || echo "known: pow of the C library, by which CVODE chooses its steps, has other bits there (README, Numerics)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
