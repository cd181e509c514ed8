#!/bin/sh
# Install what building (build), testing (check) or comparing (peers) needs and this machine lacks.
#
#	tools/deps.sh build|check|peers
#
# Each need is probed by what it is for, not by the package database, so that a library of one's own
# making counts.  Where apt-get exists (Debian, Ubuntu) the missing packages are installed, which is
# said; elsewhere they are listed and the status is 1.  Nothing missing: nothing said, nothing done.
set -u

what=${1:-build}
cc=${CC:-cc}
pkg_config=${PKG_CONFIG:-pkg-config}
python=${PYTHON:-/usr/bin/python3}
missing=

# need PACKAGE... -- PROBE...: the packages are missing when the probe fails.
need() {
	packages=
	while [ "$1" != -- ]; do
		packages="$packages $1"
		shift
	done
	shift
	"$@" > /dev/null 2>&1 || missing="$missing$packages"
}

compiles() {
	echo '#include <stdlib.h>' | "$cc" -E -
}

library() {
	for name; do
		"$pkg_config" --exists "$name" && return 0
	done
	return 1
}

case $what in
build | check | peers) ;;
*)
	echo "usage: $0 build|check|peers" >&2
	exit 2
	;;
esac

need make -- command -v make
need gcc libc6-dev -- compiles
need pkg-config -- command -v "$pkg_config"
need libhdf5-dev -- library hdf5 hdf5-serial
need libturbojpeg0-dev -- library libturbojpeg
need libjpeg-dev -- library libjpeg
need libopenblas-dev -- library openblas
need libzstd-dev -- library libzstd
need libarchive-dev -- library libarchive
need libjansson-dev -- library jansson
need libgdk-pixbuf-2.0-dev -- library gdk-pixbuf-2.0
need libxxhash-dev -- library libxxhash
if [ "$what" != build ]; then
	need libcmocka-dev -- library cmocka
	need perl -- perl -MTAP::Harness -e 1
fi
if [ "$what" = check ]; then
	need hdf5-tools -- command -v h5dump
	need mandoc -- command -v mandoc
fi
if [ "$what" = peers ]; then
	need python3-h5py -- "$python" -c 'import h5py'
	need python3-pil -- "$python" -c 'import PIL'
	need python3-torch -- "$python" -c 'import torch'
	need python3-torchvision -- "$python" -c 'import torchvision'
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get > /dev/null; then
	echo "missing, by their Debian names:$missing" >&2
	echo "install them with the package manager of this system, then run make again" >&2
	exit 1
fi
root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo > /dev/null; then
		echo "missing packages; as root run: apt-get install$missing" >&2
		exit 1
	fi
	root=sudo
fi
echo "installing with apt-get:$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# The words of $missing are package names of this file, and meant to be split.
if ! { $root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
	$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 \
		install --no-install-recommends $missing; } > "$log" 2>&1 < /dev/null; then
	cat "$log" >&2
	echo "apt-get failed; the packages needed are:$missing" >&2
	exit 1
fi
