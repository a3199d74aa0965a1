#!/bin/sh
# The experiment of circuits/neurofeedback.yaml: whose dendrites say what, with transposed, random and learned feedback.
. tests/cli/lib.sh
run() { # name, options...
    name=$1
    shift
    "$APICAL" run circuits/neurofeedback.yaml --out "$work/$name" --progress none --no-figures \
        --set schedule.training.presentations=105 "$@" >"$work/out" 2>&1 || cat "$work/out"
}
fixed() { # name, options...: feedback stays as it starts
    name=$1
    shift
    run "$name" --set schedule.listening.presentations=1 --set schedule.listening.plasticity=off "$@"
}
transposed() { fixed "$@" --set "microcircuit.weights.feedback=transposed(forward2, 0.06)"; }

run learned
transposed transposed
transposed roles --set 'microcircuit.weights.forward=["normal(0, 0.3)", "contrast(4, -4, 4, 4)"]'
transposed swap --set interventions.swap.during=training --set interventions.swap-lateral.during=training
transposed scalar --set interventions.scalar.during=training
transposed lesion --set interventions.lesion.during=training
for seed in 1 2 3 4 5 6; do
    fixed "random$seed" --set seed=$seed
done
"$PYTHON" tests/cli/check_neurofeedback.py "$work"/*/ >/dev/null 2>"$work/err" || cat "$work/err"
"$PYTHON" tests/cli/check_neurofeedback.py $(find "$work" -mindepth 1 -maxdepth 1 -type d | sort) | tee "$work/table"

is() { # name, condition on the columns of the script
    awk -v name="$1" "\$1 == name {found = 1; ok = ($2)} END {exit !(found && ok)}" "$work/table"
}
check "transposed: P+ above P- while the error falls, and the read-out comes closer" is transposed '$2 > 0.01 && $8 < 0.5 * $7'
check "the loop is closed: no hit before, one in five presentations after" is transposed '$9 == 0 && $10 >= 7'
check "so does a calcium indicator see it" is transposed '$3 > 0.005'
check "learned feedback has the same sign" is learned '$2 > 0.01 && $3 > 0.005 && $8 < 0.5 * $7 && $9 == 0 && $10 >= 7'
check "roles changed: the sign flips, and learning goes on" is roles '$2 < -0.01 && $8 < 0.5 * $7 && $10 >= $9 + 5'
check "feedback swapped: the sign flips, and learning runs away" is swap '$2 < 0 && $8 > 1.5 * $7 && $10 == 0'
check "scalar teaching has no structure" is scalar '$5 < 1e-12'
check "scalar: nothing is learned" is scalar '$8 > 0.99 * $7 && $8 < 1.01 * $7 && $9 == $10'
check "lesion: no residual" is lesion '$5 < 1e-12'
moved() { awk -v name="$1" '$1 == name {print $6}' "$work/table"; }
check "lesion: the hidden weights stand still" \
    awk -v a="$(moved lesion)" -v b="$(moved transposed)" 'BEGIN {exit !(b > 0 && a < 0.02 * b)}'
check "lesion: nothing is learned" is lesion '$8 > 0.99 * $7 && $8 < 1.01 * $7 && $9 == $10'
random() { grep '^random' "$work/table" | awk "$1 {n++} END {print n + 0}"; }
check "random feedback: either sign over seeds" [ "$(random '$4 < 0')" -ge 1 ] && [ "$(random '$4 > 0')" -ge 1 ]
check "random feedback: where the sign is clear, it says whether it learns" \
    [ "$(random '(($4 > 0.01 && $8 >= $7) || ($4 < -0.01 && $8 <= $7))')" -eq 0 ]
check "random feedback: the cursor does not find its goal as with transposed" [ "$(random '$10 < 7')" -ge 5 ]
check "random feedback learns less than transposed" [ "$(random '$8 > 0.5 * $7')" -ge 3 ]
finish
