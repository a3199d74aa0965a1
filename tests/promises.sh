#!/bin/sh
# promises.sh LOG: the table "promise, test, last figure" of the README from the last figure of each kind in LOG.
# promises.sh --write LOG: puts it into the README, between its two marks.
set -u
write=no
[ "$1" = --write ] && write=yes && shift
table() {
    echo "| promise | test | last figure |"
    echo "| --- | --- | --- |"
    grep -v '^#' tests/promises.txt | while IFS='|' read -r name promise test; do
        name=$(echo $name)
        figure=$(sed -n "s/^promise: $name: //p" "$1" 2>/dev/null | tail -n 1)
        echo "|$promise|$test | ${figure:-not run yet} |"
    done
}
if [ $write = no ]; then
    table "$1"
    exit
fi
new=$(mktemp)
{
    sed '/^<!-- promises -->$/q' README.md
    table "$1"
    sed -n '/^<!-- end of promises -->$/,$p' README.md
} >"$new" && cat "$new" >README.md
rm -f "$new"
