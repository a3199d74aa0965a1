#!/bin/sh
# The command line: helps, options, exit codes, the round trip of --expand, --set, the manual, signals.
. tests/cli/lib.sh
scratch=$work/out
association=circuits/association.yaml

code() { # expected exit code, command...
    expected=$1
    shift
    "$@" >"$scratch" 2>&1 </dev/null
    [ $? -eq "$expected" ]
}
says() { # text, exit code, command...
    text=$1
    shift
    code "$@" && grep -qF -- "$text" "$scratch"
}
equal() { [ -n "$1" ] && [ "$1" = "$2" ]; }
digest() { # circuit, options...
    "$APICAL" run "$@" --out "$work/run" --overwrite --progress none --no-figures 2>/dev/null | sed -n 's/^digest //p'
}
value() { "$APICAL" check "$1" --dry-run | awk -v k="$2" '$1 == k {print $2}'; } # circuit, row

# ---- helps and usage
check "no verb" says "Usage: apical VERB" 2 "$APICAL"
check "help" says "Exit codes:" 0 "$APICAL" --help
check "unknown verb" says "there is no verb 'simulate'" 2 "$APICAL" simulate
check "version by option" says "apical 0." 0 "$APICAL" --version
for item in "compiler" "flags" "libc" "SUNDIALS"; do
    check "version names $item" says "$item" 0 "$APICAL" version
done
mkdir "$work/examples" && ln -s "$PWD/circuits" "$PWD/data" "$work/examples"
program=$(command -v "$APICAL")
case "$program" in /*) ;; *) program=$PWD/$program ;; esac
for verb in run check render readout errors info version; do
    check "$verb --help" says "Usage: apical $verb" 0 "$APICAL" $verb --help
    check "$verb -h" says "Usage: apical $verb" 0 "$APICAL" $verb -h
    example=$(sed -n 's/^Examples\{0,1\}: apical //p' "$scratch")
    case $verb in
        run) example="$example --stop-after 1" ;;
        errors) example="$example --presentations 2" ;;
        render) check "a run to render" code 0 "$APICAL" run $association --out "$work/examples/runs/association" \
            --set schedule.0.presentations=1 --stop-after 3 --no-figures ;;
    esac
    check "$verb has an example" [ -n "$example" ]
    check "the example of $verb works" code 0 sh -c "cd '$work/examples' && '$program' $example"
    check "$verb refuses unknown options" says "unknown option --nonsense" 2 "$APICAL" $verb --nonsense
    check "$verb names its help" says "apical $verb --help" 2 "$APICAL" $verb --nonsense
done
check "run without a file" says "which circuit file?" 2 "$APICAL" run
check "check without a file" says "which circuit file?" 2 "$APICAL" check
check "render without a run" says "which run?" 2 "$APICAL" render
check "two files" says "one FILE, not also b" 2 "$APICAL" run a b
check "an option without its value" says "a value is missing after --out" 2 "$APICAL" run a --out
check "a switch with a value" says "takes no value" 2 "$APICAL" run a --overwrite=yes
check "bad number of threads" says "from 1 to 1024" 2 "$APICAL" run a --threads 0
check "threads with a unit" says "found '2x'" 2 "$APICAL" run a --threads=2x
check "bad style" says "auto, bar, plain, json or none" 2 "$APICAL" run a --progress loud
check "bad --stop-after" says "--stop-after" 2 "$APICAL" run a --stop-after -3
check "expand and dry run" says "not both" 2 "$APICAL" check a --expand --dry-run
check "version takes nothing" says "takes no argument" 2 "$APICAL" version x
check "a file named like an option" says "cannot open" 3 "$APICAL" check -- --expand
check "too many --set" says "too many --set" 2 "$APICAL" check a $(seq -f '--set a=%.0f' 65)
check "help wins" code 0 "$APICAL" run --out x --help

# ---- check
mkdir "$work/c" && ln -s "$PWD/data" "$work/data"
for circuit in circuits/*.yaml; do
    grep -q '\.\./data/' "$circuit" && [ ! -d data ] && continue
    file=$(basename "$circuit")
    check "$file is valid" says ": ok: " 0 "$APICAL" check "$circuit"
    "$APICAL" check "$circuit" --expand >"$work/c/$file"
    "$APICAL" check "$work/c/$file" --expand >"$work/c/again.yaml"
    check "$file: expanding twice changes nothing" cmp -s "$work/c/$file" "$work/c/again.yaml"
    check "$file: the expanded file runs alike" equal "$(digest "$circuit" --stop-after 2)" \
        "$(digest "$work/c/$file" --stop-after 2)"
done
check "neurons" equal "$(value $association neurons)" 80          # 30 + 20 + 10 interneurons + 10 + 10
check "synapses" equal "$(value $association synapses)" 1420      # 600 + 200 + 200 + 200 + 200 + 10 + 10 nudging
check "plastic" equal "$(value $association plastic)" 1200
check "presentations" equal "$(value $association presentations)" 504
check "simulated time" equal "$(value $association simulated)" 50400
near() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a > b / 2.5 && a < 2.5 * b)}'; }
steps=$("$APICAL" run $association --out "$work/run" --overwrite --progress none --no-figures --stop-after 3 2>&1 >/dev/null |
    sed 's/.*, \([0-9]*\) steps.*/\1/')
check "estimated steps" near "$("$APICAL" check $association --dry-run | awk '$1 == "steps" {print $3}')" $((steps * 168))

# ---- --set
expanded() { "$APICAL" check $association --expand "$@"; }
check "--set by name" says "name: learning, presentations: 7" 0 expanded --set schedule.learning.presentations=7
check "--set by index" says "name: learning, presentations: 8" 0 expanded --set schedule.3.presentations=8
check "--set a dotted name" says "size: 5" 0 "$APICAL" check "$work/c/association.yaml" --expand \
    --set populations.hidden1.pyr.size=5 --set projections.lateral1.weights="uniform(0, 1)"
check "--set a list" says "figures:" 0 expanded --set "figures=[weights, {kind: traces, of: output}]"
check "--set the shorthand" says "size: 4" 0 expanded --set "microcircuit.layers=[30, 4, 10]" --set "figures=[]"
check "plastic feedback splits the apical dendrite" says "cell: pyramidal-split" 0 expanded \
    --set microcircuit.plasticity.feedback="0.001 /ms"
check "and gives it its rule" grep -q "kind: topdown" "$scratch"
grep -v '^integrator' $association >"$work/c/without.yaml"
check "--set makes a map" says "rtol: 1e-9" 0 "$APICAL" check "$work/c/without.yaml" --expand --set integrator.rtol=1e-9
check "--set with =" says "seed: 9" 0 expanded --set=seed=9
check "the last --set wins" says "seed: 4" 0 expanded --set seed=3 --set seed=4
check "--set anywhere" says "seed: 5" 0 "$APICAL" check --set seed=5 $association --expand
check "two bad --set, two errors" equal "$("$APICAL" check $association --set seed=x --set name=-x 2>&1 | grep -c error:)" 2

# ---- info: every table, every row
for thing in $("$APICAL" info | awk '/^  [a-z]/ {print $1}'); do
    rows=$("$APICAL" info | awk -v t="$thing" '$1 == t {print $2}')
    names=$("$APICAL" info "$thing" | awk '/^  keys of every/ {exit} /^  [a-z]/ {print $1}')
    check "info $thing lists its $rows rows" [ "$(echo "$names" | wc -l)" -eq "$rows" ]
    check "info ${thing}s" code 0 "$APICAL" info "${thing}s"
    for name in $names; do
        check "info $thing/$name" says "  $name " 0 "$APICAL" info "$thing/$name"
    done
    check "info $thing/nonsense" says "there is no" 2 "$APICAL" info "$thing/nonsense"
done
check "info nonsense" says "did you mean 'rule'?" 2 "$APICAL" info rul

# ---- standard output, signals
for verb in "info" "version" "--help" "run --help" "check $association --expand" \
    "run $association --out $work/full --stop-after 1 --no-figures --progress none"; do
    "$APICAL" $verb >/dev/full 2>"$scratch"
    check "/dev/full: $verb" equal "$? $(grep -c 'cannot write to standard output' "$scratch")" "3 1"
done

complete() { # folder, status: the log ends properly and can be drawn, the manifest says so
    grep -q "\"status\": \"$2\"" "$1/manifest.json" && "$APICAL" render "$1" traces --out "$work/drawn" >/dev/null &&
        [ -s "$work/drawn/traces.png" ]
}
interrupted() { # signal: code of a run that gets it after the first block was recorded
    rm -rf "$work/stopped"
    "$APICAL" run $association --out "$work/stopped" --progress none --set schedule.0.presentations=1 \
        --set schedule.learning.presentations=1000000 --no-figures >/dev/null 2>&1 &
    pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ "$(stat -c %s "$work/stopped/run.log" 2>/dev/null || echo 0)" -gt 300000 ] && break
        sleep 0.1
    done
    kill -"$1" $pid
    wait $pid
}
for signal in INT TERM USR1; do
    # A background job of a script ignores SIGINT from its start; the program's own handler replaces that.
    interrupted $signal
    check "SIG$signal ends after the presentation" [ $? -eq 75 ]
    check "SIG$signal leaves a complete run" complete "$work/stopped" stopped
done
check "--stop-after" code 0 "$APICAL" run $association --out "$work/short" --stop-after 3 --set schedule.0.presentations=1 \
    --no-figures --progress none
check "--stop-after ends there" grep -q '"presentations": 3,' "$work/short/manifest.json"
check "--stop-after leaves a complete run" complete "$work/short" complete
check "progress in JSON" sh -c "'$APICAL' run $association --out '$work/j' --stop-after 2 --progress json --no-figures \
    2>&1 >/dev/null | head -n 1 | '$PYTHON' -c 'import json, sys; assert json.load(sys.stdin)[\"presentations\"] == 2'"
# ---- --profile
plain=$(digest circuits/dynamic_dendrites.yaml --stop-after 20)
"$APICAL" run circuits/dynamic_dendrites.yaml --stop-after 20 --out "$work/profile" --progress none --no-figures --profile \
    >"$work/profile.out" 2>"$scratch"
check "a profile changes nothing" equal "$plain" "$(sed -n 's/^digest //p' "$work/profile.out")"
check "it names weighted sums, solver and plasticity" \
    equal 3 "$(grep -cE ' %  (weighted sums and membranes|solver .*|plasticity)$' "$scratch")"
check "its parts are everything" \
    awk '/ s +[0-9.]+ %/ {sum += $3; n++} END {exit !(n == 8 && sum > 99.5 && sum < 100.5)}' "$scratch"
check "without it nothing is printed" sh -c "! '$APICAL' run circuits/dynamic_dendrites.yaml --stop-after 5 --no-figures \
    --overwrite --progress none --out '$work/profile' 2>&1 | grep -q 'weighted sums'"
finish
