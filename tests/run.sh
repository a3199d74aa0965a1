#!/bin/sh
# Every quick test. Each part prints its own lines; the last line is the sum: "N passed, N failed".
# Environment: OBJ (folder of the build), APICAL (program), PYTHON.
set -u
export OMP_WAIT_POLICY=passive
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

figures=${OBJ%/*}/promises.log # "promise: name: figure" of every test, for the table in the README
: >>"$figures"
add() { # name, passed, failed
    [ "${OBJ##*/}" = release ] && grep '^promise: ' "$log" >>"$figures"
    passed=$((passed + $2)) failed=$((failed + $3))
    if [ "$3" -gt 0 ]; then
        grep -vE '^\[ +(RUN|OK) ' "$log" | tail -n 60
        echo "FAILED  $1: $2 passed, $3 failed"
    else
        echo "ok      $1: $2 passed"
    fi
}

for program in "$OBJ"/tests/test_*; do
    case "$program" in *.d | *.gc?? | *test_\*) continue ;; esac
    "$program" >"$log" 2>&1
    code=$?
    good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    [ "$code" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ "$code" -eq 0 ] && [ "$good" -eq 0 ] && bad=1
    add "$(basename "$program")" "$good" "$bad"
done

for script in tests/cli/test_*.sh tests/notebooks.sh; do
    sh "$script" >"$log" 2>&1
    code=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    good=$(echo "$line" | awk '{print $1 + 0}') bad=$(echo "$line" | awk '{print $3 + 0}')
    [ "$code" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ -z "$line" ] && bad=1
    add "$script" "$good" "$bad"
done

sh tests/promises.sh "$figures" >"${OBJ%/*}/promises.md"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
