#!/bin/sh
# Files and memory that fail, kill -9, folders that cannot be written: a part of `make faults`, which visits every place.
. tests/cli/lib.sh
door=${APICAL%apical}tests/apical-faults
case "$APICAL" in build/apical) door=build/release/tests/apical-faults ;; esac
steps="31 41 23 67 4 7"
case "$APICAL" in */asan/* | */coverage/*) steps="131 171 97 5 20 15" ;; esac
part() { # part, options...
    "$PYTHON" tests/faults/faults.py "$APICAL" "$door" "$@" >"$work/part" 2>&1
    code=$?
    cat "$work/part"
    line=$(tail -n 1 "$work/part")
    passed=$((passed + $(echo "$line" | awk '{print $1 + 0}'))) failed=$((failed + $(echo "$line" | awk '{print $3 + 0}')))
    [ "$code" -ne 0 ] && [ "${line#* 0 failed}" != "$line" ] && failed=$((failed + 1))
}
set -- $steps
part io --every "$1"
part memory --every "$2"
part calls --every "$3"
part kills --count "$4"
part room --every "$5"
part disk --every "$6"

says() { # text, exit code, command...
    text=$1 expected=$2
    shift 2
    "$@" >"$work/said" 2>&1 </dev/null
    [ $? -eq "$expected" ] && grep -qF -- "$text" "$work/said" && [ "$(grep -c error: "$work/said")" -le 1 ]
}
cat >"$work/small.yaml" <<'YAML'
version: 1
name: small
microcircuit:
  layers: [3, 2, 2]
  weights: {forward: uniform(-1, 1), feedback: uniform(-1, 1)}
stimulus: {kind: random}
target: {kind: random, range: [0.1, 0.9]}
schedule: [{name: a, presentations: 2, duration: 3 ms}]
figures: [weights]
YAML
run() { # folder, text, exit code, options...
    folder=$1 text=$2 expected=$3
    shift 3
    says "$text" "$expected" "$APICAL" run "$work/small.yaml" --out "$folder" --progress none "$@"
}
tree() { (cd "$work" && find . -name said -prune -o -path ./out -prune -o -ls | awk '{print $1, $3, $5, $6, $7, $NF}' | sort | md5sum); }

# ---- places where nothing can be written, and names that lead elsewhere: refused, and nothing else is touched
mkdir "$work/a" "$work/b" && mkfifo "$work/fifo" && ln -s loop "$work/loop" && ln -s nowhere "$work/dangling" && echo mine >"$work/mine"
long=$(head -c 5000 /dev/zero | tr '\0' x)
many=$(head -c 5000 /dev/zero | sed 's/\x00/x\//g')
before=$(tree)
check "a file" run "$work/mine" "not a folder" 3
check "below a file" run "$work/mine/x" "Not a directory" 3
check "a FIFO" run "$work/fifo" "not a folder" 3
check "a device" run /dev/null "not a folder" 3
check "/dev/full" run /dev/full "not a folder" 3
check "below a device" run /dev/full/x "Not a directory" 3
check "a loop of links" run "$work/loop" "loop" 3
check "a link that leads nowhere" run "$work/dangling" "not a folder" 3
check "a name of 5000 bytes" run "$work/$long" "too long" 3
check "a path of 5000 bytes" run "$work/$many" "too long" 3
check "a name longer than a file system takes" run "$work/$(head -c 180 /dev/zero | tr '\0' x)$(head -c 80 /dev/zero | tr '\0' x)" "too long" 3
check "an empty name" run "" "no output folder" 2
check "the kernel's own files" run /proc/apical "cannot make the folder" 3
check "/sys" run /sys/apical "cannot make the folder" 3
check "overwriting what is no run" run "$work/b/.." "no manifest.json of an apical run" 3 --overwrite
check "a circuit that is a FIFO" says "not a regular file" 3 "$APICAL" check "$work/fifo"
check "a circuit that is a device" says "not a regular file" 3 "$APICAL" check /dev/zero
check "a circuit that is a folder" says "not a regular file" 3 "$APICAL" check "$work/a"
check "a circuit behind a loop" says "cannot open" 3 "$APICAL" check "$work/loop"
check "a circuit with a name of 5000 bytes" says "cannot open" 3 "$APICAL" check "$long"
check "a circuit named by a newline" says '\x0a' 3 "$APICAL" check "
"
for called in .. ../x a/b /x '.' '' 'a b' "$(printf 'a\033[2Jb')" "$long"; do
    check "a figure called '$called'" says "error:" 2 "$APICAL" check "$work/small.yaml" --set "figures=[{kind: weights, name: \"$called\"}]"
    check "a report called '$called'" says "error:" 2 "$APICAL" check "$work/small.yaml" --set "record={of: [output], every: 1 ms, name: \"$called\"}"
    check "a block called '$called'" says "error:" 2 "$APICAL" check "$work/small.yaml" --set "schedule.0.name=\"$called\""
    check "a circuit called '$called'" says "error:" 2 "$APICAL" check "$work/small.yaml" --set "name=\"$called\""
done
refused() { # command...: exit 2 or 3, with one message
    "$@" >"$work/said" 2>&1 </dev/null
    case $? in 2 | 3) [ "$(grep -c error: "$work/said")" -eq 1 ] ;; *) false ;; esac
}
for file in /dev/zero /dev/full fifo a loop dangling absent mine "$long" /etc/hostname ../../../../../../../../etc/hostname "$(printf 'a\033[2Jb')"; do
    check "images from '$file'" refused "$APICAL" check "$work/small.yaml" --set "stimulus={kind: images, file: \"$file\"}"
    check "weights from '$file'" refused "$APICAL" check "$work/small.yaml" --set "microcircuit.weights.feedback=\"file($file, /w)\""
done
check "nothing outside was touched" [ "$before" = "$(tree)" ]

# ---- links inside a run's folder do not lead out of it
check "a run" run "$work/out" "" 0
echo precious >"$work/precious"
for link in weights.png run.log circuit.yaml checkpoint-a manifest.json; do
    rm -rf "$work/out"
    check "a run before $link is replaced by a link" run "$work/out" "" 0
    [ "$link" = manifest.json ] || { rm -f "$work/out/$link"; ln -s "$work/precious" "$work/out/$link"; }
    check "overwriting through a link called $link" run "$work/out" "" 0 --overwrite --checkpoint-every 1e-9
    check "what it leads to is untouched" [ "$(cat "$work/precious")" = precious ]
done
echo theirs >"$work/out/weights.png.tmp" && echo theirs >"$work/out/manifest.json.tmp"
check "temporaries of others survive" run "$work/out" "" 0 --overwrite
check "both" [ "$(cat "$work/out/weights.png.tmp" "$work/out/manifest.json.tmp" | sort -u)" = theirs ]

# ---- a folder that vanishes, or that may not be written
door_run() { "$door" run "$work/small.yaml" --out "$work/v" --progress none --set schedule.0.presentations=1000000 --no-figures \
    --set "schedule.0.duration=100 ms" --checkpoint-every 1e-9; }
rm -rf "$work/v"
door_run >"$work/out.v" 2>&1 &
pid=$!
for _ in $(seq 100); do
    [ -e "$work/v/checkpoint-b" ] && break
    sleep 0.1
done
mv "$work/v" "$work/moved"
wait $pid
code=$?
check "a folder that vanishes: exit $code" [ $code -eq 3 ]
check "one line" [ "$(grep -c error: "$work/out.v")" -eq 1 ]
check "where it went, it is resumed" says digest 0 "$APICAL" resume "$work/moved" --progress none --no-figures --stop-after 1
check "standard output that is full" says "cannot write to standard output" 3 sh -c "'$APICAL' info rule >/dev/full"
if [ "$(id -u)" -ne 0 ]; then # root may write anywhere
    mkdir "$work/r" && chmod 555 "$work/r"
    check "a folder that may not be written" run "$work/r" "Permission denied" 3
    check "nor below it" run "$work/r/x" "Permission denied" 3
    chmod 755 "$work/r"
fi
finish
