#!/bin/sh
# Digests of shipped circuits against those of the last version, tests/cli/golden.txt: what changed without anybody's
# intention shows here. test_golden.sh short: without the circuits in full; few: those of at most 10 presentations.
. tests/cli/lib.sh
case "$APICAL" in */asan/* | */coverage/*) set -- short ;; esac # ten times slower there
rows="$work/rows"
grep -v '^#' tests/cli/golden.txt >"$rows"
[ -s data/mnist/train-images-idx3-ubyte ] || { grep -v '^mnist' "$rows" >"$work/few" && mv "$work/few" "$rows"; }
case ${1:-} in
    short) grep -v '| all |' "$rows" >"$work/few" && mv "$work/few" "$rows" ;;
    few) awk -F '|' '$2 ~ /[0-9]/ && $2 <= 10' "$rows" >"$work/few" && mv "$work/few" "$rows" ;;
esac

found() { # number of the row, circuit, presentations, options: leaves the digest in a file
    stop="--stop-after $3"
    [ "$3" = all ] && stop=
    "$APICAL" run "circuits/$2.yaml" --out "$work/run$1" --progress none --no-figures $stop $4 2>"$work/$1.err" |
        sed -n 's/^digest //p' >"$work/$1"
}
same() { # number of the row, digest
    [ "$(cat "$work/$1")" = "$2" ] && return
    echo "  expected $2, found $(cat "$work/$1")"
    grep -v '^[0-9]* presentations,' "$work/$1.err"
    return 1
}

n=0 long=
while IFS='|' read -r circuit presentations digest options; do # the long ones beside the short ones
    n=$((n + 1))
    case $presentations in *all*) found $n $circuit all "" & long="$long $!" ;; esac
done <"$rows"
n=0
while IFS='|' read -r circuit presentations digest options; do
    n=$((n + 1))
    case $presentations in *all*) ;; *) found $n $circuit $presentations "$options" ;; esac
done <"$rows"
[ -n "$long" ] && wait $long
n=0
while IFS='|' read -r circuit presentations digest options; do
    n=$((n + 1))
    check "$circuit, presentations:$presentations$options" same $n $digest
done <"$rows"
if [ -z "${1:-}" ]; then # two circuits whose digests change with the C library's pow, were it called
    for circuit in association self_prediction; do
        GLIBC_TUNABLES=$no_fma found old_$circuit $circuit 8
        check "$circuit, FMA hidden from the C library" same old_$circuit "$(sed -n "s/^$circuit | 8 | \([0-9a-f]*\) |$/\1/p" "$rows")"
    done
fi
if [ "$failed" -gt 0 ]; then
    echo "Digests differ from tests/cli/golden.txt. A change on purpose is named in CHANGELOG.md, and the file gets the new ones."
fi
[ -n "${1:-}" ] || echo "promise: golden: $n digests, $(cut -d'|' -f1 "$rows" | sort -u | wc -l) circuits, $(grep -c '| all |' "$rows") in full, 2 again with FMA hidden from the C library: $failed differ"
finish
