#!/bin/sh
# Laws of the house: format, include laws, name prefixes, file sizes, headers of files, complete descriptor rows.
set -u
bad=0
say() {
    echo "lint: $*"
    bad=1
}

# 1. Format.
if command -v clang-format >/dev/null 2>&1; then
    for file in src/*.[ch] include/*.h tests/unit/*.[ch] tests/props/*.c tests/faults/*.c tests/fuzz/*.[ch]; do
        clang-format "$file" | cmp -s - "$file" || say "$file: run clang-format -i on it"
    done
else
    echo "lint: clang-format is not installed; format not checked"
fi

# 2. Who may include which library.
only() { # pattern, files
    found=$(grep -lE "#include <$1" src/*.[ch] | sed 's|src/||' | tr '\n' ' ')
    for file in $found; do
        case " $2 " in *" $file "*) ;; *) say "src/$file includes <$1>; only $2 may" ;; esac
    done
}
only 'cvodes?/|sundials|sunlinsol|sunnonlinsol|nvector' "vec.c vec.h integrate.c adjoint.c manifest.c"
only 'hdf5' "sonata.c"
only 'png.h' "pngout.c"
only 'yaml.h' "yamlin.c"
only 'Random123' "rng.c"
only 'xxhash' "hash.c"
for file in src/main.c src/cmd*.c src/cmd.h; do
    grep -E '#include "' "$file" | grep -vE '"(cmd\.h|\.\./include/apical\.h)"' && say "$file: the command line uses the public header only"
done

# 3. Arrows go down only: a file may include headers of its own level or below, in the order in which data flow.
levels='0 err
1 team mem io profile hash log mathx rng canvas cmap font tick text
2 step unit pngout idx sonata axes panel
3 yamlin
4 schema
5 registry
6 transfer signal rule weights probe intervention readout
7 spec
8 expand cell network schedule output stimulus pathway
9 circuit synapse
10 noise afferent factor basis intervene cursor joint
11 mirror
12 rhs
13 stage tangent hierarchy vec plasticity analysis adjoint
14 batch runlog
15 integrate
16 record series residual export
17 sim manifest figure
18 drawing checkpoint summary
19 run replicates info errortable
20 cmd main'
level_of() {
    echo "$levels" | awk -v name="$1" '{for (i = 2; i <= NF; i++) if ($i == name) print $1}'
}
for file in src/*.h; do # headers define the order; a .c may use what lies below its last stage
    base=$(basename "$file" .h)
    own=$(level_of "${base%%_*}")
    [ -n "$own" ] || { say "$file: no place in the order of tests/lint.sh"; continue; }
    for include in $(sed -n 's/^#include "\([a-z_]*\)\.h"/\1/p' "$file"); do
        other=$(level_of "${include%%_*}")
        [ -n "$other" ] && [ "$other" -gt "$own" ] && say "$file includes $include.h, which lies above it"
    done
done
engine='rhs vec integrate plasticity sim record circuit noise'
for file in src/figure.c src/series.c src/axes.c src/panel*.c src/canvas.c; do
    for name in $engine; do
        grep -q "#include \"$name.h\"" "$file" && say "$file sees the engine ($name.h)"
    done
done

# 4. Names: every exported function begins with ap_<file>_, or is of the public header.
if [ -n "${OBJ:-}" ] && [ -d "$OBJ" ]; then
    objects=$OBJ
else
    objects=build/release
fi
public=$(grep -oE '\bap_[a-z_]+\(' include/apical.h | tr -d '(' | sort -u)
for object in "$objects"/*.o; do
    base=$(basename "$object" .o)
    case "$base" in cmd* | main) continue ;; esac
    nm --defined-only -g "$object" | awk '$2 ~ /[TDBRi]/ {print $3}' | grep -vE '\.(arch|default|resolver)|_omp_fn' |
        while read -r symbol; do
            case "$symbol" in ap_"$base"_* | ap_"${base%line}"_* | ap_"${base%map}"_*) continue ;; esac
            echo "$public" | grep -qx "$symbol" && continue
            case "$base:$symbol" in mathx:SUNRpowerR | *:ap_*_table | expand:ap_expand_* | *:ap_spec_*) continue ;; esac
            echo "lint: $base.c exports $symbol: expected ap_${base}_..."
        done
done | sort -u | { ! grep .; } || bad=1

# 5. Sizes, and the ten lines that open each file.
for file in src/*.c; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 900 ] || say "$file has $lines lines, at most 900"
    head -n 1 "$file" | grep -q "^/\* $(basename "$file")" || say "$file does not open with its purpose"
    head -n 30 "$file" | grep -q '^ \* Never' || say "$file: the opening comment lacks 'Never'"
    head -n 30 "$file" | grep -q '^ \* Test:' || say "$file: the opening comment lacks 'Test'"
done
for file in src/*.c; do # the tests that the headers name exist
    for test in $(sed -n '1,30s/^ \* Test: *\(.*[^ /*]\/*\) *\*\/$/\1/p' "$file" | tr ',' ' '); do
        [ -e "$test" ] || say "$file names the test $test, which does not exist"
    done
done
[ "$(wc -l <include/apical.h)" -le 400 ] || say "include/apical.h has more than 400 lines"

# 6. Every circuit has a header, a picture and a caption; every figure, probe and stimulus kind is used or tested.
for circuit in circuits/*.yaml; do
    name=$(basename "$circuit" .yaml)
    head -n 1 "$circuit" | grep -q '^# ' || say "$circuit does not explain itself in its header"
    ls plots/"$name"-*.png >/dev/null 2>&1 || say "$circuit has no picture in plots/"
    grep -q "$name" plots/README.md 2>/dev/null || say "$circuit has no caption in plots/README.md"
done

for page in README.md plots/README.md; do # every link leads to a file
    for link in $(grep -oE '\]\([^)#]+\)' "$page" | sed 's/^](//; s/)$//' | grep -v '://'); do
        [ -e "$(dirname "$page")/$link" ] || say "$page links to $link, which does not exist"
    done
done

# Promises: what the README says is what tests/promises.txt says, and the tests exist.
grep -v '^#' tests/promises.txt | while IFS='|' read -r name promise test; do
    [ -z "$(echo $promise)" ] || grep -qF "|$promise|" README.md || echo "lint: README.md lacks the promise '$promise': make promises"
    for file in $(echo "$test" | grep -oE 'tests/[a-z_/.]+'); do
        [ -e "$file" ] || echo "lint: tests/promises.txt names $file, which does not exist"
    done
done | { ! grep .; } || bad=1

# 7. The project speaks of itself alone.
git grep -nE '(/work/|/root/|/home/)' -- . ':!tests/lint.sh' && say "a path of one machine"

[ "$bad" -eq 0 ] && echo "lint: ok"
exit "$bad"
