#!/bin/sh
# Real MNIST through the full continuous dynamics: the test error must fall below 20 %, hidden plasticity must matter.
# Prints the error of every block.
. tests/cli/lib.sh

below() { [ -n "$1" ] && awk -v x="$1" -v y="$2" 'BEGIN {exit !(x < y)}'; }

case "$APICAL" in
*/asan/* | */coverage/*) # under the sanitizers only that it runs clean
    check "a few images" "$APICAL" run circuits/mnist_small.yaml --out "$work/few" --stop-after 5 --progress none
    finish
    exit
    ;;
esac

"$APICAL" run circuits/mnist_small.yaml --out "$work/full" --progress plain 2>&1 | tee "$work/log" | grep -E '^test|presentations,'
last=$(sed -n 's/^test 6: class-error \([0-9.]*\) %.*/\1/p' "$work/log")
check "test error $last % below 20 %" below "$last" 20
check "learning curve is drawn" [ -s "$work/full/test-error.png" ]
check "receptive fields are drawn" [ -s "$work/full/receptive-fields.png" ]
check "confusion matrix is drawn" [ -s "$work/full/confusion.png" ]
"$APICAL" run circuits/mnist_small.yaml --out "$work/frozen" --progress plain --no-figures \
    --set microcircuit.plasticity.forward="[0 /ms, 0.01 /ms]" 2>&1 | tee "$work/log" | grep -E '^test'
frozen=$(sed -n 's/^test 6: class-error \([0-9.]*\) %.*/\1/p' "$work/log")
check "hidden weights frozen: $frozen %, learned $last %" below "$last" "$frozen"
finish
