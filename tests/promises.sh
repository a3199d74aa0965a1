#!/bin/sh
# promises.sh LOG: the table "promise, test, last figure" of the README from the last figure of each kind in LOG; where LOG has
# none, the README's own figure stays.
# promises.sh --write LOG: puts it into the README, between its two marks.
set -u
write=no
[ "$1" = --write ] && write=yes && shift
log=$1
[ -e "$log" ] || log=/dev/null
table() {
    echo "| promise | test | last figure |"
    echo "| --- | --- | --- |"
    awk -F '|' '
        function trim(text) { gsub(/^ +| +$/, "", text); return text }
        FILENAME == "README.md" {
            if (/^<!-- promises/) inside = 1
            if (/^<!-- end/) inside = 0
            if (!inside || !/^\|/) next
            if (trim($2) != "") promise = trim($2)
            old[promise, trim($3)] = trim($4)
            next
        }
        FILENAME == "tests/promises.txt" {
            if (/^#/) next
            if (trim($2) != "") promise = trim($2)
            name = trim($1)
            figure = name in last ? last[name] : (promise, trim($3)) in old ? old[promise, trim($3)] : "not run yet"
            print "|" $2 "|" $3 " | " figure " |"
            next
        }
        /^promise: / { # of the log
            name = $0
            sub(/^promise: /, "", name)
            figure = name
            sub(/:.*/, "", name)
            sub(/^[^:]*: /, "", figure)
            last[name] = figure
        }' "$log" README.md tests/promises.txt
}
if [ $write = no ]; then
    table
    exit
fi
new=$(mktemp)
{
    sed '/^<!-- promises -->$/q' README.md
    table
    sed -n '/^<!-- end of promises -->$/,$p' README.md
} >"$new" && cat "$new" >README.md
rm -f "$new"
