#!/usr/bin/env bash
# nst-train: architectures by name and from files, what --summary says of them, single rows.
. "${0%/*}/lib.sh"

nst-draw -q -o d --labeled=30 --unlabeled=10 --test=10 --seed=1 || exit 1
nst-pack -q -o l.h5 d/labeled || exit 1

# Names.
quiet "--list-archs" nst-train --list-archs
for arch in efficientnet-b{0..8} efficientnet-l{0,1,2} efficientnet-b{0..8}-32 \
	efficientnet-l{0,1,2}-32 resnet{18,34,50,101,152,20,110} wrn-28-10; do
	is "lists $arch" "$(grep -cx $arch "$stdout")" 1
done

# Summaries: what was published, without rows and without running anything.
count() {
	quiet "$1" nst-train -a "$1" --summary
	is "$1 has $2 parameters" "$(sed -n 's/^parameters  *//p' "$stdout")" "$2"
}
count efficientnet-b0 5288548
count efficientnet-b8 87413142
count efficientnet-l0 140764664
count efficientnet-l1 272630564
count efficientnet-l2 480309308
count resnet152 60192808
count efficientnet-b0-32 4020358
count resnet1202 19421274

quiet "a line each layer" nst-train -a efficientnet-b0-32 --summary
is "the columns have titles" "$(head -n 1 "$stdout" | tr -s ' ')" \
	"layer kind kernel stride height width channels parameters multiply-adds"
layer() {
	is "$1" "$(sed -n "s/^$1  *//p" "$stdout" | tr -s ' ')" "$2"
}
layer conv_stem "conv 3 2 16 16 32 864 221184"
layer bn1 "batchnorm - - 16 16 32 64 0"
layer blocks.0.0.conv_dw "depthwise 3 1 16 16 32 288 73728"
layer blocks.0.0.se "squeeze-excite - - 16 16 32 552 512"
layer blocks.3.0.conv_dw "depthwise 3 2 8 8 240 2160 138240"
layer pool.16 "mean - - 1 1 1280 0 0"
layer classifier "dense - - 1 1 10 12810 12800"
is "the columns add up" "$(awk '$2 ~ /^[a-z-]+$/ && NF == 9 && NR > 1 { p += $8; m += $9 }
	END { print p, m }' "$stdout")" "$(awk '/^parameters/ { p = $2 } /^multiply-adds/ { m = $NF }
	END { print p, m }' "$stdout")"
is "classes as CIFAR-10 has" "$(sed -n 's/^classes  *//p' "$stdout")" 10
quiet "--classes" nst-train -a resnet18 --summary --classes=7
layer fc "dense - - 1 1 7 3591 3584"
quiet "--size" nst-train -a resnet18 --summary --size=64
layer conv1 "conv 7 2 32 32 64 9408 9633792"
layer fc "dense - - 1 1 1000 513000 512000"

fact() {
	nst-train --summary --json "$@" > fact.json && sed -n "s/^  \"$fact\": \([^,]*\),*$/\1/p" fact.json
}
quiet "--json" nst-train -a efficientnet-b0 --summary --json -j2
cp "$stdout" b0.json
for line in '"architecture": "efficientnet-b0"' '"size": 224' '"classes": 1000' \
	'"parameters": 5288548' '"multiply_adds": 385814752' '"batch": 128' '"grain": 32' \
	'"threads": 2' '"name": "conv_stem"' '"kernel": null'; do
	contains "$line" b0.json "$line"
done
if have python3; then
	is "is one object with the layers" "$(python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(sum(l["parameters"] for l in d["layers"]) == d["parameters"],
      sum(l["multiply_adds"] for l in d["layers"]) == d["multiply_adds"])' b0.json)" "True True"
else
	skip "no python3" "is one object with the layers"
fi
fact=training_bytes
# Weights, their average, two slots, gradients; packed for both passes: seven times the parameters.
l2=$(fact -a efficientnet-l2 --batch=1 --grain=1)
is "efficientnet-l2 trains on an image in 24 GiB" \
	"$((l2 < 24 << 30 && l2 > 7 * 4 * 480309308 / 100 * 98))" 1
is "which any number of threads may do" "$(fact -a efficientnet-l2 --batch=1 -j9)" "$l2"
is "a larger grain takes more" \
	"$(($(fact -a resnet18 --grain=32) > $(fact -a resnet18 --grain=8)))" 1
is "more threads take more" "$(($(fact -a resnet18 -j4) > $(fact -a resnet18 -j1)))" 1
is "no average takes less" "$(($(fact -a resnet18 --ema=0) < $(fact -a resnet18)))" 1
training=$(fact -a efficientnet-b0 -j1)
fact=inference_bytes
inference=$(fact -a efficientnet-b0 -j1)
is "inference takes less, but its weights" "$((inference < training && inference > 4 * 5288548))" 1

quiet "with rows the classes are theirs" nst-train -a resnet18 --size=64 --batch=16 --summary l.h5
layer fc "dense - - 1 1 10 5130 5120"
is "and the grain suits the batch" "$(sed -n 's/^rows of a grain  *//p' "$stdout")" 16
fails 1 "nst-train: cannot open 'gone.h5'*" nst-train -a resnet20 --summary gone.h5
fails 1 "nst-train: no architecture: *" nst-train --summary
fails 1 "nst-train: a step of 1 row leaves a grain of a single row*" \
	nst-train -a efficientnet-b0 --size=32 --batch=1 --summary
fails 2 "nst-train: --summary and --dry-run exclude each other; *" \
	nst-train -a resnet20 --summary --dry-run l.h5
fails 2 "nst-train: --json and --classes are for --summary; *" \
	nst-train -a resnet20 --json -o no.h5 l.h5
fails 2 "nst-train: --json and --classes are for --summary; *" \
	nst-train -a resnet20 --classes=3 -o no.h5 l.h5
fails 2 "nst-train: --classes is for --summary without rows: *" \
	nst-train -a resnet20 --summary --classes=3 l.h5
no_output no.h5

# Architectures from files.
cat > tiny.arch <<'X'
# Two blocks.
net size=16 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0

conv k=3 s=1 c=8 bn=1 act=relu
basic k=3 s=2 c=8 n=2 shortcut=conv act=relu
X
run_file() {
	nst-train -q --no-provenance --epochs=1 --batch=10 --grain=5 "$@" l.h5
}
ok "--arch-file" run_file --arch-file=tiny.arch -o tiny.h5
ok "the model stands alone" nst-eval -m tiny.h5 l.h5
mkdir -p sub
sed 's/^#.*//' tiny.arch > sub/tiny.txt
ok "the name is that of the file without directory and suffix" \
	run_file --arch-file=sub/tiny.txt -o again.h5
same "and the rest is what it says" tiny.h5 again.h5
sed 's/pad=symmetric/pad=same/' tiny.arch > sub/tiny.arch
ok "the other padding" run_file --arch-file=sub/tiny.arch -o same.h5
run cmp tiny.h5 same.h5
is "is another model" $status 1
if have h5dump; then
	h5dump -d arch/spec tiny.h5 > spec 2>&1
	contains "the model has the spec" spec '"basic k=3 s=2 c=8 n=2 shortcut=conv act=relu"'
	h5dump -a architecture tiny.h5 > spec 2>&1
	contains "and the name" spec '"tiny"'
else
	skip "no h5dump" "the model has the spec"
	skip "no h5dump" "and the name"
fi
quiet "--summary of it" nst-train --arch-file=tiny.arch --summary
layer layer1.0.downsample.0 "conv 1 2 8 8 8 64 4096"
ok "it goes before the architecture of a preset" \
	nst-train --preset=noisy-student-svhn --arch-file=tiny.arch --summary
contains "which it replaces" "$stdout" "layer1.1.conv2"
fails 2 "nst-train: --arch and --arch-file exclude each other; *" \
	run_file -a resnet20 --arch-file=tiny.arch -o no.h5
fails 1 "nst-train: cannot open 'gone.arch': No such file or directory" \
	run_file --arch-file=gone.arch -o no.h5
echo "basic k=3" >> sub/tiny.arch
fails 1 "nst-train: cannot use 'sub/tiny.arch': architecture 'tiny', line 6: 's' is missing" \
	run_file --arch-file=sub/tiny.arch -o no.h5
fails 1 "nst-train: 'l.h5' is larger than the limit of 8192 bytes" \
	run_file --arch-file=l.h5 -o no.h5
fails 1 "nst-train: cannot use 'my net': *" run_file --arch-file='my net' -o no.h5
fails 1 "nst-train: the output 'tiny.arch' is also an input" \
	run_file --arch-file=tiny.arch -o tiny.arch
no_output no.h5
ok "a checkpoint" run_file --arch-file=tiny.arch -o kept.h5 --checkpoint-every=0 --keep-checkpoint
sed -i 's/c=8 n=2 shortcut=conv/c=8 n=2 shortcut=pad/' tiny.arch
fails 1 "nst-train: 'kept.h5.ckpt' is of a run whose architecture 'tiny' is another one: *" \
	run_file --arch-file=tiny.arch -o kept.h5 --resume

# One row at a time.
single="-q --no-provenance -a wrn-10-1 --size=16 --epochs=0.3 --lr=0.01"
ok "--batch=1 --grain=1" nst-train $single --batch=1 --grain=1 -o one.h5 -j1 l.h5
ok "on three threads" nst-train $single --batch=1 --grain=1 -o three.h5 -j3 l.h5
same "gives the same bytes" one.h5 three.h5
ok "grains of one row" nst-train $single --batch=4 --grain=1 -o g1.h5 l.h5
ok "grains of two" nst-train $single --batch=4 --grain=2 -o g2.h5 l.h5
run cmp g1.h5 g2.h5
is "are another training" $status 1
ok "a rest of one row" nst-train $single --batch=5 --grain=4 -o rest.h5 l.h5
fails 1 "nst-train: a step of 1 row leaves a grain of a single row*larger --size" \
	nst-train -q -a efficientnet-b0 --size=32 --batch=1 -o no.h5 l.h5
no_output no.h5
done_testing
