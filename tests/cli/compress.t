#!/usr/bin/env bash
# --compress: probabilities and statistics are stored smaller, and nothing that reads them notices.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=60 --unlabeled=200 --test=10 --seed=1 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1
nst-pack -q -o u.h5 --unlabeled d/unlabeled || exit 1
nst-train -q --arch=wrn-10-1 --size=16 --batch=16 --epochs=1 -o m.h5 l.h5 || exit 1

for how in none gzip zstd; do
	ok "$how: predictions" nst-infer -q --no-provenance --compress=$how -m m.h5 -o p-$how.h5 u.h5
	ok "$how: a selection" \
		nst-filter -q --no-provenance --per-class=9 --compress=$how -o s-$how.h5 p-none.h5
	ok "$how: statistics" nst-filter -q --no-provenance --stats-only --compress=$how -o t-$how.h5 p-none.h5
	ok "$how: a mix" nst-mix -q --no-provenance --labeled=l.h5 --compress=$how -o x-$how.h5 s-none.h5
	for kind in p s t x; do
		ok "$how: $kind is in order" nst-pack --verify $kind-$how.h5
	done
	# What is made of the compressed ones, uncompressed.
	ok "$how: a selection of these predictions" \
		nst-filter -q --no-provenance --per-class=9 -o from-p-$how.h5 p-$how.h5
	ok "$how: by these statistics" \
		nst-filter -q --no-provenance --per-class=9 --stats=t-$how.h5 -o from-t-$how.h5 p-none.h5
	ok "$how: a mix of this selection" \
		nst-mix -q --no-provenance --labeled=l.h5 -o from-s-$how.h5 s-$how.h5
	ok "$how: a model of this mix" nst-train -q --no-provenance --arch=wrn-10-1 --size=16 \
		--batch=16 --epochs=1 -o from-x-$how.h5 x-$how.h5
done
for how in gzip zstd; do
	for kind in p s t x; do
		same "$how: the same comes of $kind" from-$kind-none.h5 from-$kind-$how.h5
	done
	for kind in p s t x; do
		ok "$how: $kind is smaller" \
			[ "$(wc -c < $kind-$how.h5)" -lt "$(wc -c < $kind-none.h5)" ]
	done
done
if have h5dump; then
	for kind in p s t x; do
		run h5dump -pH $kind-gzip.h5
		contains "gzip is HDF5's filter in $kind" "$stdout" "COMPRESSION DEFLATE"
		run h5dump -pH $kind-zstd.h5
		contains "zstd is the registered filter in $kind" "$stdout" "FILTER_ID 32015"
	done
else
	skip "no h5dump" "the filters are those that are said"
fi
fails 2 "nst-infer: option '--compress': 'lzma' is not one of none, gzip, zstd*" \
	nst-infer --compress=lzma -m m.h5 -o no.h5 u.h5
no_output no.h5

done_testing
