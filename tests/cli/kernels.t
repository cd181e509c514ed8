#!/usr/bin/env bash
# What a model says about an image does not depend on the processor: forward kernels give the same bits
# with every table, and so do whole nets.  The digests below are those of the plain table; clang.t and
# aarch64.t find the same elsewhere.
. "${0%/*}/lib.sh"

ok "kernels_digest runs" kernels_digest
cp "$stdout" kernels
is "every table of this build makes one digest" "$(awk '{ print $2 }' kernels | sort -u)" 5824a6e24468b998
contains "... the plain one, too" kernels "plain "

while read -r table _; do
	ok "labels_digest with NST_SIMD=$table" env NST_SIMD="$table" labels_digest
	is "... the probabilities of pictures" "$(cat "$stdout")" "\
efficientnet-b0 5bb3b597eca2bd93
efficientnet-b0-32 be57f50207f7cedd
resnet18 bc910706972763fd
resnet20 49f13da91782f2e7"
done < kernels

done_testing
