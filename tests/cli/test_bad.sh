#!/bin/sh
# What a user sees after a mistake. Each tests/cli/bad/NAME.yaml is checked (or the command of its first line is run, FILE
# standing for it) in a scratch folder; standard error and the exit code must equal NAME.expected to the letter.
# `sh tests/cli/test_bad.sh --write` writes the .expected files anew: read them as a newcomer would.
. tests/cli/lib.sh
case "$APICAL" in /*) ;; *) APICAL=$PWD/$APICAL ;; esac
here=$PWD/tests/cli/bad

# Data files, good and bad.
mkdir "$work/full" && cd "$work" || exit 1
echo "not a run" >full/mine.txt
images='\000\000\010\003\000\000\000\003\000\000\000\002\000\000\000\002'
printf "$images"'abcdabcdabcd' >images
printf "$images"'abcdabcdabc' >images-short
printf "$images"'abcdabcdabcdefg' >images-long
printf '\001\000\010\003\000\000\000\003' >images-magic
printf '\000\000\015\003\000\000\000\003' >images-float
printf '\000\000\010\001\000\000\000\004\000\001\000\001' >labels
printf '\000\000\010\001\000\000\000\004\000\001\002\001' >labels-bad
printf '\037\213\010\000\000\000' >images.gz
"$PYTHON" -c 'import h5py; h5py.File("weights.h5", "w")["other"] = [[1.0, 2.0, 3.0]]'
head='version: 1
name: bad
'
{ printf '%sabout: ' "$head" && head -c 1000000 /dev/zero | tr '\0' '['; } >brackets.yaml
{ printf '%sabout: ' "$head" && head -c 1000000 /dev/zero | tr '\0' '('; } >parentheses.yaml
{ printf '%sabout:\n' "$head" && seq -f ' k%.0f: 1' 90000; } >keys.yaml
{ printf '%stitle: ' "$head" && head -c 1000000 /dev/zero | tr '\0' 'x'; } >scalar.yaml
{ printf '%sabout: ' "$head" && head -c 1200000 /dev/zero | tr '\0' 'x'; } >huge.yaml
printf '%sabout: a\000b\n' "$head" >nul.yaml
printf '%sabout: Z\374rich\n' "$head" >latin1.yaml

one() { # name: writes its messages and exit code
    file=$1.yaml
    cp "$here/$file" . && rm -rf blow
    command=$(sed -n '1s/^# command: //p' "$file" | sed "s/FILE/$file/")
    eval "timeout 10 \"\$APICAL\" ${command:-check $file}" >/dev/null 2>"$1.found" </dev/null
    echo "exit $?" >>"$1.found"
    # Seconds differ from run to run, and what a diverging run computes may change with the integrator.
    sed -i -E -e '/ evaluations, [0-9.]* s$/d' \
        -e '/ran away|stopped at/s/-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?( per ms| ms| at|,|$)/#\3/g' "$1.found"
    rm "$file"
}

same() { diff "$here/$1.expected" "$1.found"; }
sum() { find full labels -type f -exec md5sum {} + | sort | md5sum; }

before=$(sum)
count=0
for path in "$here"/*.yaml; do
    name=$(basename "$path" .yaml)
    one "$name"
    if [ "${1:-}" = --write ]; then
        cp "$name.found" "$here/$name.expected"
    else
        check "$name" same "$name"
    fi
    count=$((count + 1))
done
check "refused runs change nothing" [ "$before" = "$(sum)" ]
check "no file is without its case" [ "$count" -eq "$(find "$here" -name '*.expected' | wc -l)" ]
echo "promise: bad: $count broken files and commands: $failed with other words or exit codes"
finish
