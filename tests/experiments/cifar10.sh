#!/bin/sh
# CIFAR-10 with few labels, for `make experiments/cifar10`: teacher, two students, and the first
# student once more without noise; 5,000 labeled images (500 a class), 45,000 unlabeled, 10,000 for
# the test.  Prints a table, and keeps it with everything else under experiments/cifar10.
#
# What is finished stays, and training goes on from its last checkpoint: run it again after a break.
# Settings are in tests/experiments/cifar10.mk; arguments go to make, such as RATIO=3.
#
#	CIFAR10=FILE   an archive or a directory with train/CLASS/*.jpg and test/CLASS/*.jpg; else
#	               cifar10-jpeg.tar.zst or cifar10/ is looked for in ./, data/, ../data/ and
#	               ../shared/data/
#	TUNE=1         take 4,500 of the labeled images and measure on the other 500: for choosing
#	               settings, which must not be done on the test images
#	OUT=DIR        instead of experiments/cifar10 (experiments/cifar10-tune)
#	NST_BIN=DIR    the tools, build/bin
set -eu
cd "$(dirname "$0")/../.."
NST_BIN=${NST_BIN:-$PWD/build/bin}
TUNE=${TUNE:-}
OUT=${OUT:-experiments/cifar10${TUNE:+-tune}}
images=${OUT%-tune}/images

die() {
	echo "cifar10: $*" >&2
	exit 1
}

find_images() {
	for dir in . data ../data ../shared/data; do
		for name in cifar10-jpeg.tar.zst cifar10; do
			if [ -e "$dir/$name" ]; then
				echo "$dir/$name"
				return
			fi
		done
	done
	die "the images are not found: name an archive or a directory with CIFAR10=PATH"
}

# A directory, with the images of an archive unpacked once.
prepare_images() {
	source=${CIFAR10:-$(find_images)}
	if [ -d "$source" ]; then
		images=$source
	elif [ ! -d "$images" ]; then
		echo "unpacking $source"
		rm -rf "$images.part"
		mkdir -p "$images.part"
		tar -C "$images.part" -xf "$source" ||
			die "'$source' cannot be unpacked (a .zst needs the program zstd)"
		mv "$images.part" "$images"
	fi
	for part in train test; do
		[ -d "$images/$part" ] || die "'$images' has no directory '$part'"
	done
}

prepare_images
mkdir -p "$OUT"
exec "${MAKE:-make}" --no-print-directory -f tests/experiments/cifar10.mk \
	OUT="$OUT" IMAGES="$images" NST="$NST_BIN/" TUNE="$TUNE" "$@"
