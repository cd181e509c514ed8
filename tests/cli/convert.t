#!/usr/bin/env bash
# nst-convert: models to safetensors and back, what files of others lack, and files that lie.
. "${0%/*}/lib.sh"

differ() { ! cmp -s "$1" "$2"; }
# attribute FILE NAME: a text attribute of a model; column FILE NAME: the words of a column;
# numbers FILE NAME: those of a column.
attribute() { h5dump -a "$2" "$1" | sed -n 's/^ *(0): "\(.*\)"$/\1/p'; }
column() { h5dump -y -w 0 -d "$2" "$1" | sed '1,/ DATA {/d' | grep -o '"[^"]*"' | tr -d '"'; }
numbers() { h5dump -y -w 0 -d "$2" "$1" | sed '1,/ DATA {/d; /}/,$d' | tr -d ' \n'; }
# header FILE: of a safetensors file; data FILE: what stands behind it; headless FILE: the file
# without metadata.
header() { perl -e 'local $/; $_ = <>; print substr $_, 8, unpack "Q<", $_' "$1"; }
data() { perl -e 'local $/; $_ = <>; print substr $_, 8 + unpack "Q<", $_' "$1"; }
headless() {
	header "$1" | sed 's/"__metadata__":{[^}]*},//' > headless
	perl -e 'print pack "Q<", -s "headless"'
	cat headless
	data "$1"
}

# ---- there and back, for every kind of net
for arch in efficientnet-b0-32 efficientnet-b1-32 resnet18 resnet50 resnet20 wrn-10-1; do
	craft model m.h5 $arch 32 1 cat dog owl
	quiet "$arch: export" nst-convert -q -o m.safetensors m.h5
	quiet "$arch: import" nst-convert -q --no-provenance -o back.h5 m.safetensors
	nst-convert -q --no-provenance -o 1.safetensors m.h5
	nst-convert -q --no-provenance -o 2.safetensors back.h5
	same "$arch: the same file again" 1.safetensors 2.safetensors
	same "$arch: the model that was exported" m.h5 back.h5
done

nst-draw -q -o drawn --labeled=40 --unlabeled=0 --test=0 --hardness=0.2
nst-pack -q -o s.h5 drawn/labeled
nst-train -q --arch=wrn-10-1 --epochs=2 --batch=20 --ema=0.9 -o ema.h5 s.h5
ok "a trained model" nst-convert -o ema.safetensors ema.h5
like "... the summary" "$(cat "$stderr")" "nst-convert: * tensors of 'ema.h5' exported"
ok "... and back" nst-convert -o avg.h5 ema.safetensors
like "... the summary" "$(cat "$stderr")" \
	"nst-convert: * tensors of 'ema.safetensors' imported as wrn-10-1 with 10 classes"
nst-infer -q --no-provenance --hard -m ema.h5 -o 1.h5 s.h5
nst-infer -q --no-provenance --hard -m avg.h5 -o 2.h5 s.h5
is "... labels alike" "$(craft dump 2.h5)" "$(craft dump 1.h5)"
nst-convert -q --raw-weights -o raw.safetensors ema.h5
nst-convert -q -o raw.h5 raw.safetensors
nst-infer -q --no-provenance -m ema.h5 --raw-weights -o 1.h5 s.h5
nst-infer -q --no-provenance -m raw.h5 -o 2.h5 s.h5
is "--raw-weights: the weights themselves" "$(craft dump 2.h5)" "$(craft dump 1.h5)"
nst-infer -q --no-provenance -m avg.h5 -o 3.h5 s.h5
ok "... are not their average" test "$(craft dump 3.h5)" != "$(craft dump 2.h5)"

# ---- provenance
header ema.safetensors > header
contains "the export says where it is from" header 'nst-convert -o ema.safetensors ema.h5 < '
contains "... and what was before" header 'nst-train -q --arch=wrn-10-1'
h5dump -a history avg.h5 > history
contains "so does the model made from it" history 'nst-convert -o avg.h5 ema.safetensors'
contains "... with everything before" history 'nst-train -q --arch=wrn-10-1'
nst-convert -q --no-provenance -o bare.safetensors ema.h5
is "--no-provenance: nothing of it" "$(header bare.safetensors | grep -c nst-)" 0
nst-convert -q --no-provenance -o bare.h5 ema.safetensors
is "... in a model either" "$(h5dump -A bare.h5 | grep -c nst-)" 0
cp ema.h5 $'f\xe9.h5'
nst-convert -q -o latin.safetensors $'f\xe9.h5'
quiet "a name that is not UTF-8 is no obstacle" nst-convert -q -o latin.h5 latin.safetensors

# ---- pipes
pipe() { nst-convert -q --no-provenance ema.safetensors > piped.h5; }
ok "to a pipe" pipe
same "... the same model" piped.h5 bare.h5
pipe() { nst-convert -q --no-provenance ema.h5 | cat > piped.safetensors; }
ok "to a pipe, export" pipe
same "... the same file" piped.safetensors bare.safetensors
if [ -w /dev/full ]; then
	fails 1 "nst-convert: *No space left on device" bash -c 'nst-convert -q ema.h5 > /dev/full'
else
	skip "there is no /dev/full" "no space left"
fi

# ---- types
nst-convert -q --no-provenance --precision=f32 -o f32.safetensors ema.h5
same "--precision=f32 is the default" f32.safetensors bare.safetensors
for type in f16 bf16; do
	ok "--precision=$type" nst-convert --no-provenance --precision=$type -o $type.safetensors ema.h5
	is "... has half the bytes" $(($(data $type.safetensors | wc -c) * 2)) \
		$(data bare.safetensors | wc -c)
	nst-convert -q --no-provenance -o $type.h5 $type.safetensors
	nst-infer -q --precision=f32 -m avg.h5 -o 1.h5 s.h5
	nst-infer -q --precision=f32 -m $type.h5 -o 2.h5 s.h5
	craft dump 1.h5 > 1
	craft dump 2.h5 > 2
	ok "... other numbers" differ 1 2
	is "... but near" "$(paste -d ' ' 1 2 | awk '/^row/ && ($5 - $20) ^ 2 > 4e-3')" ""
	nst-convert -q --no-provenance --precision=$type -o 2.safetensors $type.h5
	same "... and no new ones when exported again" 2.safetensors $type.safetensors
done

# ---- files made by hand: a net of one convolution, a norm and the classifier
cat > tiny.txt <<'END'
net size=80 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0
conv k=1 s=1 c=2 bn=1 act=relu
END
# 6 + 2 + 2 + 2 + 2 + 4 + 2 numbers, 80 bytes: 0.5, 1, 1.5 ... and a counter of 8 bytes.
perl -e 'print pack("f<*", map { $_ / 2 } 1 .. 20), pack("q<", 7)' > data
tensors='"conv1.weight":{"dtype":"F32","shape":[2,3,1,1],"data_offsets":[0,24]},'
tensors+='"bn1.weight":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},'
tensors+='"bn1.bias":{"dtype":"F32","shape":[2],"data_offsets":[32,40]},'
tensors+='"bn1.running_mean":{"dtype":"F32","shape":[2],"data_offsets":[40,48]},'
tensors+='"bn1.running_var":{"dtype":"F32","shape":[2],"data_offsets":[48,56]},'
tensors+='"fc.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[56,72]},'
tensors+='"fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[72,80]},'
tensors+='"bn1.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[80,88]}'
meta='"__metadata__":{"format":"pt"},'

# file NAME HEADER [DATA]
file() {
	perl -e 'print pack("Q<", length $ARGV[0]), $ARGV[0]' "{$2}" > "$1"
	cat "${3:-data}" >> "$1"
}
# refuses SENTENCE HEADER [DATA]: of a file x.safetensors.
refuses() {
	file x.safetensors "${@:2}"
	fails 1 "nst-convert: $1" nst-convert --arch-file=tiny.txt -o no.h5 x.safetensors
}

file t.safetensors "$meta$tensors"
ok "a file of another program" nst-convert --no-provenance --arch-file=tiny.txt -o t.h5 t.safetensors
is "... numbers in our order" "$(numbers t.h5 param/data)" \
	"0.5,2,1,2.5,1.5,3,3.5,4,4.5,5,5.5,6,6.5,7,7.5,8.5,8,9,9.5,10"
is "... classes by number" "$(column t.h5 class/name)" $'0\n1'
is "... named after the file of its spec" "$(attribute t.h5 architecture)" tiny
file u.safetensors "$tensors"
ok "no metadata" nst-convert -q --no-provenance --arch-file=tiny.txt -o u.h5 u.safetensors
same "... the same" t.h5 u.h5
nst-convert -q --no-provenance -o once.safetensors t.h5
nst-convert -q --no-provenance -o twice.h5 once.safetensors
same "... and back" twice.h5 t.h5
perl -e 'print pack("d<*", map { $_ / 2 } 1 .. 6), pack("f<*", map { $_ / 2 } 7 .. 20)' > doubles
wide=$(sed 's/,"bn1.num_batches.*//' <<< "$tensors" | perl -pe '
	s/\[0,24\]/[0,48]/; s/F32/F64/; s/\[(\d+),(\d+)\](?=\})/$1 ? "[".($1+24).",".($2+24)."]" : "[0,48]"/ge')
file w.safetensors "$wide" doubles
ok "64-bit numbers" nst-convert -q --no-provenance --arch-file=tiny.txt -o w.h5 w.safetensors
same "... are read as 32-bit ones" w.h5 t.h5
perl -e 'print pack("L<*", (0x7fc00000) x 20), pack("q<", 7)' > nans
file n.safetensors "$tensors" nans
ok "NaNs are numbers" nst-convert -q --arch-file=tiny.txt -o n.h5 n.safetensors

# ---- tensors that are not those of the net
refuses "'x.safetensors' has no tensor 'bn1.bias'" \
	"$(sed 's/"bn1.bias"/"bn1.bos"/' <<< "$tensors")"
refuses "'x.safetensors' has no tensor 'fc.weight'" "${tensors/fc.weight/fc.wait}"
refuses "'x.safetensors' has a tensor 'fc.extra', which 'tiny' has not" \
	"$tensors,\"fc.extra\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[88,88]}"
refuses "'x.safetensors' has a tensor 'bn2.num_batches_tracked', which 'tiny' has not" \
	"${tensors/bn1.num/bn2.num}"
refuses "'x.safetensors' has a tensor 'bn1.num_batches_tracked', which 'tiny' has not" \
	"${tensors/\"I64\",\"shape\":[]/\"I64\",\"shape\":[1]}"
refuses "tensor 'conv1.weight' of 'x.safetensors' is 3 x 2 x 1 x 1, 'tiny' needs 2 x 3 x 1 x 1" \
	"${tensors/\[2,3,1,1]/[3,2,1,1]}"
refuses "tensor 'conv1.weight' of 'x.safetensors' is 2 x 3, 'tiny' needs 2 x 3 x 1 x 1" \
	"${tensors/\[2,3,1,1]/[2,3]}"
refuses "tensor 'fc.bias' of 'x.safetensors' is 1 x 2, 'tiny' needs 2" \
	"${tensors/\[2],\"data_offsets\":[72/[1,2],\"data_offsets\":[72}"
refuses "tensor 'fc.weight' of 'x.safetensors' is 4 x 1, 'tiny' needs 4 x 2" \
	"${tensors/\[2,2]/[4,1]}"
refuses "tensor 'fc.weight' of 'x.safetensors' is not a matrix, as 'tiny' needs it" \
	"${tensors/\[2,2]/[4]}"
refuses "tensor 'bn1.weight' of 'x.safetensors' has the type I32, not a floating-point one" \
	"$(sed 's/"bn1.weight":{"dtype":"F32"/"bn1.weight":{"dtype":"I32"/' <<< "$tensors")"

# ---- headers that lie
read="cannot read 'x.safetensors':"
refuses "$read tensors 'bn1.weight' and 'bn1.bias' overlap" "${tensors/32,40/28,36}"
refuses "$read tensors 'bn1.weight' and 'conv1.weight' overlap" "${tensors/24,32/0,8}"
refuses "$read 4 bytes before tensor 'bn1.bias' belong to none" "${tensors/32,40/36,44}"
refuses "$read tensor 'fc.bias' has 16 bytes, its shape and type need another number" \
	"${tensors/72,80/72,88}"
refuses "$read tensor 'fc.bias' would lie at bytes 72 to 96 of 88" "${tensors/72,80/72,96}"
refuses "$read tensor 'fc.bias' would lie at bytes 80 to 72 of 88" "${tensors/72,80/80,72}"
refuses "$read the last 8 bytes belong to no tensor" "${tensors%,\"bn1.num*}"
refuses "$read its header is not valid JSON: too big integer*" "${tensors/72,80/72,9223372036854775808}"
refuses "$read tensor 'fc.bias' would lie at bytes 72 to 9223372036854775807 of 88" \
	"${tensors/72,80/72,9223372036854775807}"
refuses "$read the shape of tensor 'fc.weight' is too large" \
	"${tensors/\[2,2]/[9223372036854775807,9223372036854775807]}"
refuses "$read the offsets of tensor 'fc.bias' are not two whole numbers" "${tensors/72,80/-72,80}"
refuses "$read the offsets of tensor 'fc.bias' are not two whole numbers" "${tensors/72,80/72,80.0}"
refuses "$read the shape of tensor 'fc.weight' is not a list of whole numbers" "${tensors/\[2,2]/[2,2.5]}"
refuses "$read its header is not valid JSON: duplicate*" "${tensors/bn1.bias/bn1.weight}"
refuses "$read tensor 'fc.bias' has an unknown type" \
	"$(sed 's/"fc.bias":{"dtype":"F32"/"fc.bias":{"dtype":"F33"/' <<< "$tensors")"
refuses "$read its metadata 'a' is not a text" "\"__metadata__\":{\"a\":1},$tensors"
refuses "$read its header is not valid JSON*" "$tensors,"
number() { perl -e 'print pack("Q<", $ARGV[0])' "$1"; }
{ number 9223372036854775808; tail -c +9 t.safetensors; } > x.safetensors
would="as a safetensors file its header would have"
fails 1 "nst-convert: $read $would 9223372036854775808 bytes, at most 100000000 are allowed" \
	nst-convert --arch-file=tiny.txt -o no.h5 x.safetensors
{ number 99999999; tail -c +9 t.safetensors; } > x.safetensors
fails 1 "nst-convert: $read $would 99999999 bytes, it ends after *" \
	nst-convert --arch-file=tiny.txt -o no.h5 x.safetensors
for n in 0 7 8 300 $(($(wc -c < t.safetensors) - 1)); do
	head -c $n t.safetensors > x.safetensors
	fails 1 "nst-convert: $read *" nst-convert --arch-file=tiny.txt -o no.h5 x.safetensors
done
head -c 5000 ema.h5 > x.h5
fails 1 "nst-convert: *'x.h5'*" nst-convert -o no.safetensors x.h5
fails 1 "nst-convert: 's.h5' is a shard, a model is needed" nst-convert -o no.safetensors s.h5
fails 1 "nst-convert: *'absent'*No such file*" nst-convert -o no.h5 absent
fails 1 "nst-convert: *'drawn'*" nst-convert -o no.h5 drawn
fails 1 "nst-convert: the output 'ema.h5' is also an input" nst-convert -o ema.h5 ema.h5
fails 1 "nst-convert: *'t.safetensors' is also an input" \
	nst-convert --arch-file=tiny.txt -o t.safetensors t.safetensors
no_output no.h5 no.safetensors

# ---- architectures
fails 1 "nst-convert: 't.safetensors' does not say which architecture it is for" \
	nst-convert -o no.h5 t.safetensors
fails 1 "nst-convert: unknown architecture 'efficientnet_b0'*" \
	nst-convert -a efficientnet_b0 -o no.h5 t.safetensors
fails 1 "nst-convert: 't.safetensors' has no tensor 'classifier.weight'" \
	nst-convert -a tf_efficientnet_b0 -o no.h5 t.safetensors
file x.safetensors "\"__metadata__\":{\"architecture\":\"tinier\"},$tensors"
fails 1 "nst-convert: cannot use 'x.safetensors': unknown architecture 'tinier'*" \
	nst-convert -o no.h5 x.safetensors
file x.safetensors "\"__metadata__\":{\"arch_spec\":\"net size=1\"},$tensors"
fails 1 "nst-convert: cannot use 'x.safetensors': architecture 'unnamed', line 1: *" \
	nst-convert -o no.h5 x.safetensors
echo 'net size=huge' > bad.txt
fails 1 "nst-convert: cannot use 'bad.txt': architecture 'bad', line 1: 'size' cannot be 'huge'" \
	nst-convert --arch-file=bad.txt -o no.h5 t.safetensors
craft model b0.h5 efficientnet-b0 32 1 a b
nst-convert -q --no-provenance -o b0.safetensors b0.h5
for name in efficientnet-b0 tf_efficientnet_b0 tf_efficientnet_b0_ns tf_efficientnet_b0.ns_jft_in1k; do
	ok "-a $name" nst-convert -q --no-provenance -a $name -o $name.h5 b0.safetensors
	same "... one net" $name.h5 b0.h5
done
file x.safetensors "\"__metadata__\":{\"architecture\":\"resnet20\"},$tensors"
ok "--arch-file goes before the file" \
	nst-convert -q --no-provenance --arch-file=tiny.txt -o x.h5 x.safetensors
same "... the same" x.h5 t.h5
fails 1 "nst-convert: 'b0.safetensors' has no tensor 'blocks.0.1.conv_dw.weight'" \
	nst-convert -a efficientnet-b1 -o no.h5 b0.safetensors

# ---- classes
printf 'eel\r\nfox\n' > names
ok "--classes" nst-convert -q --arch-file=tiny.txt --classes=names -o c.h5 t.safetensors
is "... in the model" "$(column c.h5 class/name)" $'eel\nfox'
file l.safetensors "\"__metadata__\":{\"label_names\":\"[\\\"gnu\\\", \\\"hen\\\"]\"},$tensors"
ok "names in the file" nst-convert -q --arch-file=tiny.txt -o c.h5 l.safetensors
is "... in the model" "$(column c.h5 class/name)" $'gnu\nhen'
ok "both" nst-convert -q --arch-file=tiny.txt --classes=names -o c.h5 l.safetensors
is "... the user's go first" "$(column c.h5 class/name)" $'eel\nfox'
echo one > names
fails 1 "nst-convert: 'names' has 1 class names, but 't.safetensors' has 2 classes" \
	nst-convert --arch-file=tiny.txt --classes=names -o no.h5 t.safetensors
printf 'one\none\n' > names
fails 1 "nst-convert: two classes have the name 'one'" \
	nst-convert --arch-file=tiny.txt --classes=names -o no.h5 t.safetensors
refuses "'x.safetensors' has 1 class names, but 'x.safetensors' has 2 classes" \
	"\"__metadata__\":{\"label_names\":\"[\\\"gnu\\\"]\"},$tensors"
refuses "$read its metadata 'label_names' is not a list of texts" \
	"\"__metadata__\":{\"label_names\":\"[1, 2]\"},$tensors"

# ---- preprocessing: defaults, the file, the user
# prepared FILE: how a model prepares images, with three decimals.
prepared() { attribute "$1" preprocessing | perl -pe 's/(\d+\.\d+)/sprintf("%.3f", $1) + 0/ge'; }
# prepares NAME WORDS FILE OPTION...: a model from FILE with these options prepares them so.
prepares() {
	nst-convert -q --no-provenance --arch-file=tiny.txt -o p.h5 "${@:3}"
	is "$1" "$(prepared p.h5)" "$2"
}
t=t.safetensors
rest='mean=0.485,0.456,0.406 std=0.229,0.224,0.225'
prepares "a net that is no EfficientNet" \
	"input=80x80x3 cropping=shortest crop=0.875 interpolation=bilinear $rest" $t
prepares "--size" "input=96x96x3 cropping=shortest crop=0.875 interpolation=bilinear $rest" $t --size=96
prepares "--crop-fraction" "input=80x80x3 cropping=shortest crop=0.5 interpolation=bilinear $rest" \
	$t --crop-fraction=0.5
prepares "--crop-padding" "input=80x80x3 cropping=central crop=0.714 interpolation=bilinear $rest" \
	$t --crop-padding=32
prepares "--crop-padding and --size" \
	"input=32x32x3 cropping=central crop=0.5 interpolation=bilinear $rest" $t --crop-padding=32 --size=32
for filter in box bilinear bicubic lanczos; do
	prepares "--interpolation=$filter" \
		"input=80x80x3 cropping=shortest crop=0.875 interpolation=$filter $rest" $t --interpolation=$filter
done
prepares "--mean and --std" \
	"input=80x80x3 cropping=shortest crop=0.875 interpolation=bilinear mean=0.5,0.25,-1 std=1,2,3" \
	$t --mean=0.5,0.25,-1 --std=1,2,3
keys='"__metadata__":{"input_size":"[3, 72, 72]","crop_pct":"0.75","interpolation":"lanczos",'
keys+='"mean":"[0.5, 0.5, 0.5]","std":"[1, 1, 1]"},'
file k.safetensors "$keys$tensors"
prepares "keys of the file" \
	"input=72x72x3 cropping=shortest crop=0.75 interpolation=lanczos mean=0.5,0.5,0.5 std=1,1,1" k.safetensors
prepares "... the user's options go first" \
	"input=96x96x3 cropping=shortest crop=0.25 interpolation=box mean=0,0,0 std=2,2,2" k.safetensors \
	--size=96 --crop-fraction=0.25 --interpolation=box --mean=0,0,0 --std=2,2,2
refuses "$read its metadata 'crop_pct' has a senseless value" "${keys/0.75/7.5}$tensors"
headless b0.safetensors > x.safetensors
fails 1 "nst-convert: 'x.safetensors' does not say which architecture it is for" \
	nst-convert -o no.h5 x.safetensors
ok "b0 as timm has it" nst-convert -q -a tf_efficientnet_b0 -o p.h5 x.safetensors
is "... is evaluated as timm does" "$(prepared p.h5)" \
	"input=224x224x3 cropping=shortest crop=0.875 interpolation=bicubic $rest"
nst-pack -q --unlabeled -o u.h5 drawn/labeled
ok "the model labels images" nst-infer -q -m t.h5 -o labels.h5 u.h5

# ---- usage
fails 2 "nst-convert: one file is needed, a safetensors file or a model*" nst-convert -o no.h5
fails 2 "nst-convert: one file is needed, a safetensors file or a model*" nst-convert -o no.h5 a b
fails 2 "nst-convert: one file is needed, standard input is not read*" nst-convert -o no.h5 -
fails 2 "nst-convert: --arch and --arch-file are two answers to one question*" \
	nst-convert -a resnet20 --arch-file=tiny.txt -o no.h5 t.safetensors
fails 2 "nst-convert: --crop-fraction and --crop-padding are two answers to one question*" \
	nst-convert --arch-file=tiny.txt --crop-fraction=1 --crop-padding=0 -o no.h5 t.safetensors
for option in --raw-weights --precision=f32; do
	fails 2 "nst-convert: 't.safetensors' is no model: --raw-weights and --precision are for exports*" \
		nst-convert --arch-file=tiny.txt $option -o no.h5 t.safetensors
done
for option in -aresnet20 --arch-file=tiny.txt --classes=names; do
	fails 2 "nst-convert: 't.h5' is a model, which has an architecture and classes: *" \
		nst-convert $option -o no.safetensors t.h5
done
for option in --size=8 --crop-fraction=1 --crop-padding=0 --interpolation=box --mean=0,0,0 --std=1,1,1; do
	fails 2 "nst-convert: 't.h5' is a model, which has its preprocessing: *" \
		nst-convert $option -o no.safetensors t.h5
done
for mean in 1,2 1,2,x 1,2,3,4 ''; do
	fails 2 "nst-convert: *--mean*'$mean' is not three numbers 'R,G,B'*" \
		nst-convert --mean=$mean -o no.h5 t.safetensors
done
fails 2 "nst-convert: *--std*'1,0,1' is not three numbers 'R,G,B' from 1e-06 to 1e+06*" \
	nst-convert --std=1,0,1 -o no.h5 t.safetensors
fails 2 "nst-convert: *--crop-fraction*" nst-convert --crop-fraction=0 -o no.h5 t.safetensors
fails 2 "nst-convert: *--size*" nst-convert --size=0 -o no.h5 t.safetensors
no_output no.h5 no.safetensors

done_testing
