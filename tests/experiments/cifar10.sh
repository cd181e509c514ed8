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
unpacked=${OUT%-tune}/images

. tests/experiments/images.sh
prepare_images
mkdir -p "$OUT"
exec "${MAKE:-make}" --no-print-directory -f tests/experiments/cifar10.mk \
	OUT="$OUT" IMAGES="$images" NST="$NST_BIN/" TUNE="$TUNE" "$@"
