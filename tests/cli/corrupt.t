#!/usr/bin/env bash
# nst-corrupt: copies, keys, codecs, and independence of threads and company.
. "${0%/*}/lib.sh"

nst-draw -q -o set --labeled=40 --unlabeled=20 --test=10 || exit 1
nst-pack -q -o labeled.h5 set/labeled
nst-pack -q -o unlabeled.h5 --unlabeled set/unlabeled
nst-pack -q -o test.h5 set/test

quiet "one type" nst-corrupt -q --type=contrast -o a.h5 labeled.h5
nst-pack -t labeled.h5 | cut -f 1,2 > want
nst-pack -t a.h5 > "$stdout"
cut -f 1,2 "$stdout" > got
same "keeps keys and classes" got want
is "stores raw pixels" "$(cut -f 3 "$stdout" | tail -n +2 | sort -u)" raw
quiet "several" nst-corrupt -q --type=gaussian_noise,contrast --severity=2,4-5 -o b.h5 labeled.h5
nst-pack -t b.h5 > "$stdout"
is "make as many copies" "$(tail -n +2 "$stdout" | wc -l)" 240
is "told apart by their keys" "$(tail -n +2 "$stdout" | cut -f 1 | cut -d / -f 3- | uniq | tr '\n' ' ')" \
	"gaussian_noise/2 gaussian_noise/4 gaussian_noise/5 contrast/2 contrast/4 contrast/5 "
quiet "all types and severities" nst-corrupt -q --type=all --severity=1-5 --no-provenance -j 1 \
	-o a.h5 labeled.h5
quiet "with other threads" nst-corrupt -q --type=all --severity=1-5 --no-provenance -j 3 \
	-o b.h5 labeled.h5
same "give the same file" a.h5 b.h5
nst-pack -x -C all a.h5
quiet "noise alone" nst-corrupt -q --type=gaussian_noise --severity=5 -o n.h5 labeled.h5
nst-pack -x -C one n.h5
same "is the noise it is among all" one/disc/000003.jpg.png \
	all/disc/000003.jpg/gaussian_noise/5.png
quiet "another seed" nst-corrupt -q --type=gaussian_noise --severity=5 --seed=2 -o n2.h5 labeled.h5
is "is other noise" "$(cmp -s n.h5 n2.h5 && echo same || echo other)" other
quiet "JPEG output" nst-corrupt -q --type=brightness --codec=jpeg -o j.h5 labeled.h5
nst-pack -t j.h5 > "$stdout"
is "is JPEG" "$(cut -f 3 "$stdout" | tail -n +2 | sort -u)" jpeg
quiet "the constants of the other set" nst-corrupt -q --type=contrast --constants=imagenet -o i.h5 test.h5
nst-corrupt -q --type=contrast -o c.h5 test.h5
is "are other constants" "$(cmp -s i.h5 c.h5 && echo same || echo other)" other
nst-pack -q set/test | nst-corrupt -q --type=contrast --no-provenance > p.h5
nst-corrupt -q --type=contrast --no-provenance -o c.h5 test.h5
same "a pipe gives the same file" p.h5 c.h5
quiet "several shards" nst-corrupt -q --type=contrast -o two.h5 test.h5 labeled.h5
nst-pack -t two.h5 > "$stdout"
is "become one" "$(wc -l < "$stdout")" 51
cat test.h5 labeled.h5 | nst-corrupt -q --type=contrast > stream.h5
ok "a stream stays one" nst-pack --verify stream.h5
contains "of two images" "$stderr" "holds 2 images"
quiet "a series" nst-corrupt -q --type=all --shard-size=256K -o 's-%d.h5' labeled.h5
is "is bounded" "$(find . -name 's-*.h5' -size +256k)$(ls s-*.h5 | wc -l)" 3

fails 2 "nst-corrupt: no corruption*" nst-corrupt labeled.h5
fails 2 "nst-corrupt: *'snow' is not a corruption known here*" nst-corrupt --type=snow labeled.h5
fails 2 "nst-corrupt: *'6' is not a severity from 1 to 5*" nst-corrupt --type=all --severity=6 labeled.h5
fails 2 "nst-corrupt: *'5-1' is not a severity*" nst-corrupt --type=all --severity=5-1 labeled.h5
fails 1 "nst-corrupt: 'unlabeled.h5' has other classes than the shards before it" \
	nst-corrupt --type=contrast -o x.h5 labeled.h5 unlabeled.h5
fails 1 "nst-corrupt: *'labeled.h5'*" nst-corrupt --type=contrast -o labeled.h5 labeled.h5
head -c 9000 labeled.h5 > cut.h5
fails 1 "nst-corrupt: *cut.h5*" nst-corrupt --type=contrast -o x.h5 cut.h5
early() {
	cat test.h5 cut.h5 | nst-corrupt --type=contrast -o x.h5
}
fails 1 "nst-corrupt: *standard input*" early
full() {
	nst-corrupt -q --type=contrast labeled.h5 > /dev/full
}
fails 1 "nst-corrupt: *No space left on device" full
no_output x.h5
done_testing
