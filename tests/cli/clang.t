#!/usr/bin/env bash
# What a model says about an image does not depend on the compiler: the tools and kernels of clang make
# the same bits as those of this build, which may have sanitizers: with them clang would take too long.
# Without, compiling takes it a minute.
. "${0%/*}/lib.sh"
have clang || skip_all "needs clang"

ok "clang builds" make -C "$TOP" -j2 CC=clang SANITIZE= B="$PWD/clang" "$PWD/clang/bin/nst-infer" \
	"$PWD/clang/test-cli/kernels_digest" "$PWD/clang/test-cli/labels_digest"
for digest in kernels_digest labels_digest; do
	ok "$digest of this build" $digest
	cp "$stdout" here
	ok "... of clang" clang/test-cli/$digest
	same "... are the same" "$stdout" here
done

craft model m.h5 efficientnet-b0-32 24 1 cat dog owl
ok "pictures" nst-draw -q -o set --labeled=10 --unlabeled=50 --test=10
ok "... a shard of them" nst-pack -q --unlabeled -o pictures.h5 set/unlabeled
label() { "$1" -q --no-provenance --precision=f32 -m m.h5 -o "$2" pictures.h5; }
ok "labeled by this build" label "$NST_BIN/nst-infer" here.h5
ok "... by that of clang" label clang/bin/nst-infer there.h5
same "... make the same file" here.h5 there.h5

done_testing
