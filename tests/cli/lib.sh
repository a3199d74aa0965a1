# Sourced by the command-line tests: check NAME CONDITION..., and a closing line.
passed=0 failed=0
APICAL=${APICAL:-build/apical}
PYTHON=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# GLIBC_TUNABLES with which the C library computes as on an old CPU
no_fma=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD
check() { # name, command...
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
    fi
}
same_run() { # folder, folder: every file, the manifest but for wall time and threads
    for name in $(ls -A "$1" "$2" | grep -v : | sort -u); do
        case $name in
            manifest.json)
                for folder in "$1" "$2"; do grep -vE '"(wall_seconds|threads)"' "$folder/$name" >"$work/manifest.${folder##*/}"; done
                cmp -s "$work/manifest.${1##*/}" "$work/manifest.${2##*/}" || { echo "$name differs"; return 1; } ;;
            *) cmp -s "$1/$name" "$2/$name" || { echo "$name differs"; return 1; } ;;
        esac
    done
}
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
