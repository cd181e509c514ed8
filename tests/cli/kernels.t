#!/usr/bin/env bash
# What a model says about an image does not depend on the machine: the forward kernels give the same
# bits with every table, compiler and processor.  The digest below is that of the plain table.
. "${0%/*}/lib.sh"

digest=5824a6e24468b998

# every_line_has FILE: all lines end in the digest, and there is one.
every_line_has() {
	[ -s "$1" ] && ! grep -qv " $digest\$" "$1"
}

ok "kernels_digest runs" kernels_digest
cp "$stdout" here
ok "every table of this build agrees" every_line_has here

# The same with a compiler that most builds do not use.  Its tables take it a minute.
if command -v clang > /dev/null; then
	ok "clang: builds the kernels" make -C "$TOP" CC=clang B="$PWD/clang" libcore/nn/kernels
	ok "clang: builds" clang -std=c11 -D_GNU_SOURCE -O2 -ffp-contract=off -I"$TOP" -o digest \
		"$TOP/tests/cli/kernels_digest.c" "$TOP/libcore/util/rng.c" \
		clang/obj-*/libcore/nn/kernels/*.o -lm
	ok "clang: runs" ./digest
	cp "$stdout" there
	is "clang: the same tables" "$(grep -c . there)" "$(grep -c . here)"
	ok "clang: every table agrees" every_line_has there
else
	skip "needs clang" "clang"
fi

# The same for a processor that is not ours, where a cross compiler and an emulator are at hand.
cross=aarch64-linux-gnu-gcc
if command -v $cross > /dev/null && command -v qemu-aarch64 > /dev/null; then
	kernels=$TOP/libcore/nn/kernels
	ok "aarch64: builds" $cross -std=c11 -D_GNU_SOURCE -O2 -ffp-contract=off -I"$TOP" -static \
		-o digest "$kernels/plain.c" "$kernels/kernels_neon.c" "$kernels/dispatch.c" \
		"$TOP/libcore/util/rng.c" "$TOP/tests/cli/kernels_digest.c" -lm
	ok "aarch64: runs" qemu-aarch64 ./digest
	cp "$stdout" there
	contains "aarch64: there is a NEON table" there "neon "
	ok "aarch64: every table agrees" every_line_has there
else
	skip "needs $cross and qemu-aarch64" "aarch64"
fi

done_testing
