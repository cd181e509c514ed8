#!/usr/bin/env bash
# What a model says about an image does not depend on the processor: kernels and nets for aarch64, run by
# an emulator, make the same bits as here.  Of the code around them is compiled what needs no library.
. "${0%/*}/lib.sh"
cc=aarch64-linux-gnu-gcc
have $cc qemu-aarch64 || skip_all "needs $cc and qemu-aarch64"

ok "aarch64 builds" make -C "$TOP" -j2 CC=$cc SANITIZE= B="$PWD/there" libcore/nn/kernels libcore/par libcore/pixel
# build NAME FILE...: tests/cli/NAME.c with what was built and these files of libcore.
build() {
	local name=$1
	shift
	$cc -std=c11 -D_GNU_SOURCE -O2 -ffp-contract=off -pthread -static -I"$TOP" -o "$name" \
		"$TOP/tests/cli/$name.c" "${@/#/$TOP/libcore/}" \
		there/obj-*/libcore/{nn/kernels,par,pixel,pixel/kernels}/*.o -lm
}
util=(util/{err,mem,num,rng,simd}.c)
ok "... kernels_digest" build kernels_digest "${util[@]}"
ok "... labels_digest" build labels_digest "${util[@]}" select/target.c image/preprocess.c \
	nn/{arch,infer,net,pack,plan,profile,shortcut}.c

ok "kernels of this build" kernels_digest
digest=$(awk '{ print $2 }' "$stdout" | sort -u)
ok "... of aarch64" qemu-aarch64 ./kernels_digest
cp "$stdout" kernels
is "... make one digest" "$(awk '{ print $2 }' kernels | sort -u)" "$digest"
contains "... of which NEON's is one" kernels "neon "

ok "labels of this build" labels_digest
cp "$stdout" here
while read -r table _; do
	ok "... of aarch64 with NST_SIMD=$table" env NST_SIMD="$table" qemu-aarch64 ./labels_digest
	same "... are the same" "$stdout" here
done < kernels

done_testing
