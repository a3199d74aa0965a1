#!/bin/sh
# Installs the Debian packages that apical needs and that are not there; elsewhere names what is needed.
# `setup.sh fuzz`, `tsan`, `builds` and `bench` (the peers) add what these alone need.
set -eu
need="gcc make pkg-config libsundials-dev libpng-dev libyaml-dev libhdf5-dev librandom123-dev libxxhash-dev libcmocka-dev
 python3 python3-numpy python3-h5py python3-matplotlib jupyter-nbconvert python3-nbclient python3-ipykernel"
case ${1:-} in
fuzz) need="$need clang libclang-rt-14-dev" ;;
builds) need="$need clang libomp-14-dev" ;;
tsan) need="$need clang libclang-rt-14-dev libomp-14-dev" ;;
bench) need="$need g++ python3-scipy python3-torch python3-brian libopenblas0-serial" ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    for header in cvode/cvode.h png.h yaml.h Random123/philox.h xxhash.h cmocka.h; do
        if ! echo "#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <$header>" | ${CC:-cc} -E -xc - >/dev/null 2>&1; then
            missing="${missing:-} $header"
        fi
    done
    [ -z "${missing:-}" ] && exit 0
    cat >&2 <<EOF
apical needs, besides a C11 compiler with OpenMP and make:
  SUNDIALS CVODE 6.4 or newer 6.x, libpng 1.6, libyaml 0.2, HDF5 1.10 or newer, Random123, xxHash 0.8, cmocka 1.1 (tests),
  and for the notebooks Python 3 with numpy, h5py, matplotlib, nbconvert, ipykernel.
The compiler does not find:${missing}
EOF
    exit 1
fi

missing=""
for package in $need; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

echo "installing:$missing" >&2
root=""
[ "$(id -u)" = 0 ] || root=sudo
if ! { $root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >/dev/null; }; then
    echo "could not install the packages; as an administrator run: apt-get install$missing" >&2
    exit 1
fi
