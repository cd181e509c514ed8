#!/usr/bin/env bash
# The files are HDF5 for everybody: h5dump shows what is in them, h5py reads them, and the programs in
# nst-shard(5) compile, run, and say the truth.
. "${0%/*}/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
page=$TOP/man/nst-shard.5

# The program NAME of the manual page.
example() {
	awk -v name="$1" '
		$0 == ".\\\" example: " name { marked = 1 }
		$0 == ".\\\" end" { marked = 0 }
		/^\.Bd/ && marked { inside = 1; next }
		/^\.Ed/ { inside = 0 }
		inside' "$page" | sed 's/\\e/\\/g'
}

mkdir none zstd gzip
for c in none zstd gzip; do
	(cd $c && kinds $c 'nst-test 1: a test')
done

# ---- h5dump
lines_of_a_header=160
if have h5dump; then
	for f in none/*.h5; do
		kind=$(basename "$f" .h5)
		quiet "h5dump -H $kind" h5dump -H "$f"
		n=$(wc -l < "$stdout")
		[ "$n" -le $lines_of_a_header ]
		is "the header of a $kind is short ($n lines)" $? 0
		quiet "h5dump -a nst_kind $kind" h5dump -a nst_kind "$f"
		contains "a $kind says what it is" "$stdout" "\"$kind\""
	done
	contains "the history is legible" <(h5dump -a history none/model.h5) '"nst-test 1: a test"'
	contains "the spec is legible" <(h5dump -d arch/spec none/model.h5) '"head dense"'
	for c in zstd gzip; do
		for column in prediction/probability:prediction prediction/topk_class:selection \
			prediction/topk_probability:mix statistics/histogram:statistics; do
			name=${column%:*} kind=${column#*:}
			[ "$kind" = mix ] && name=prediction/probability
			ok "h5dump reads $name, $c" h5dump -d $name -y -o got $c/$kind.h5
			ok "h5dump reads $name" h5dump -d $name -y -o want none/$kind.h5
			same "h5dump shows the same numbers of $name, $c" got want
		done
	done
else
	skip "h5dump is not here" h5dump
fi

# ---- the reader in C
example reader.c > reader.c
flags=$(pkg-config --cflags --libs hdf5-serial 2>/dev/null || pkg-config --cflags --libs hdf5)
# shellcheck disable=SC2086
quiet "the reader of the manual compiles" ${CC:-cc} -std=c11 -Wall -Wextra -Werror -o reader reader.c $flags
quiet "the reader of the manual runs" ./reader none/shard.h5
is "the reader of the manual reads" "$(cat "$stdout")" "$(printf '%s\t%s\t%s bytes\n' \
	k/0 -1 12 k/1 0 21 k/2 1 22 k/3 2 12 k/4 -1 24 k/5 0 25)"

# ---- the reader in Python
if "$PYTHON" -c 'import h5py, numpy, PIL' 2>/dev/null; then
	example reader.py > reader.py
	is "the reader in Python is short" "$(($(wc -l < reader.py) <= 12))" 1
	"$PYTHON" - <<-'END'
		from PIL import Image
		import os
		os.makedirs("tree/cat"), os.makedirs("tree/dog")
		Image.new("RGB", (20, 10), (200, 30, 30)).save("tree/cat/1.jpg")
		exif = Image.Exif()
		exif[0x112] = 6  # to be turned by 90 degrees
		Image.new("RGB", (24, 16), (30, 200, 30)).save("tree/dog/2.jpg", exif=exif)
		Image.new("RGB", (9, 7), (30, 30, 200)).save("tree/dog/3.png")
	END
	ok "packing JPEG and PNG" nst-pack -o s.h5 tree
	quiet "the reader in Python runs" "$PYTHON" reader.py s.h5
	is "the reader in Python reads" "$(cat "$stdout")" "$(printf '%s\n' '20 10 cat' '16 24 dog' '9 7 dog')"
	quiet "h5py reads zstd" "$PYTHON" -c '
import h5py, sys
a, b = (h5py.File(d + "/prediction.h5")["prediction/probability"][:] for d in ("none", "zstd"))
sys.exit(not (a == b).all() or not (a.sum(1) == 1).all())'

	# Files of other writers are as good: h5py makes superblock version 0 and strings of its own.
	"$PYTHON" - <<-'END'
		import h5py, numpy as np, pathlib
		for path in pathlib.Path("none").glob("*.h5"):
		    with h5py.File(path) as a, h5py.File("by-h5py-" + path.name, "w") as b:
		        def copy(name, o):
		            if isinstance(o, h5py.Dataset):
		                b.create_dataset(name, data=o[()], dtype=o.dtype)
		        for name, v in a.attrs.items():
		            text = isinstance(v, str)
		            b.attrs.create(name, np.bytes_(v.encode()) if text else v,
		                           dtype=None if text else a.attrs.get_id(name).dtype)
		        a.visititems(copy)
	END
	for f in by-h5py-*.h5; do
		ok "$f is accepted" nst-pack --verify "$f"
	done
	for f in none/*.h5; do
		[ -f "by-h5py-${f#none/}" ] || note "no by-h5py-${f#none/}"
	done > lacking
	is "h5py wrote every kind" "$(cat lacking)" ""
else
	skip "h5py, numpy or Pillow is not here" "the reader in Python"
fi

# ---- reproducible
mkdir again
(cd again && kinds zstd 'nst-test 1: a test')
for f in zstd/*.h5; do
	same "$(basename "$f") is written twice the same" "$f" "again/${f#zstd/}"
done

done_testing
