#!/usr/bin/env bash
# tools/deps.sh with a machine made of stand-ins: what is missing, what is asked of apt-get, and
# what is said.
. "${0%/*}/lib.sh"

deps=$TOP/tools/deps.sh

# A PATH with the few commands the script needs, and stand-ins: pkg-config knows all but the words
# of the file lacking, id says 0, apt-get writes down what it is asked.
mkdir bin
for c in sh cat env mktemp rm; do
	ln -s "$(command -v $c)" bin/$c
done
stand_in() {
	printf '%s\n' '#!/bin/sh' "$2" > "bin/$1"
	chmod +x "bin/$1"
}
for c in cc make perl h5dump mandoc; do
	stand_in $c 'exit 0'
done
stand_in pkg-config 'while read -r w; do [ "$w" = "$2" ] && exit 1; done < lacking; exit 0'
stand_in id 'echo 0'
stand_in apt-get 'echo "$DEBIAN_FRONTEND $*" >> asked'

machine() {
	PATH=$PWD/bin PYTHON=/nowhere sh "$deps" "$@"
}

: > lacking
quiet "nothing is missing" machine check
is "then nothing is said" "$(cat "$stdout")" ""
is "then nothing is installed" "$(cat asked 2>/dev/null)" ""

printf '%s\n' libarchive hdf5 cmocka > lacking
quiet "what is missing is installed" machine build
is "and that is said" "$(cat "$stdout")" "installing with apt-get: libarchive-dev"
contains "lists are renewed first" asked "noninteractive -q update"
contains "packages are installed" asked \
	"install --no-install-recommends libarchive-dev"
is "by two calls" "$(wc -l < asked)" 2

echo hdf5-serial >> lacking
rm asked bin/h5dump
quiet "tests need more than the build" machine check
contains "HDF5 goes by two names" asked \
	"install --no-install-recommends libhdf5-dev libarchive-dev libcmocka-dev hdf5-tools"

: > lacking
rm asked
quiet "comparisons need python" machine peers
contains "torch is among it" asked "python3-h5py python3-pil python3-torch python3-torchvision"

echo libzstd > lacking
stand_in apt-get 'echo "E: no network"; exit 100'
run machine build
cp "$stderr" said
is "apt-get fails: status" $status 1
contains "its words are shown" said "E: no network"
contains "and what was wanted" said "apt-get failed; the packages needed are: libzstd-dev"

stand_in id 'echo 1000'
fails 1 'missing packages; as root run: apt-get install libzstd-dev' machine build

rm bin/apt-get
run machine build
cp "$stderr" said
is "another system: status" $status 1
contains "another system: the list" said "missing, by their Debian names: libzstd-dev"

fails 2 'usage: * build|check|peers' machine everything
done_testing
