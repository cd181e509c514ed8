#!/usr/bin/env bash
# nst-pack: what it packs, what it refuses and how.
. "${0%/*}/lib.sh"

gray=/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAAIABABAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EABgQAAIDAAAAAAAAAAAAAAAAAAAEBSIx/9oACAEBAAA/ADV4TKii8JlT/9k=
cmyk=/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhcTkBEV0U3OFBtUVdfYmdoZz5NcXlwZHhcZWdj/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAAHBAb/xAAZEAEAAgMAAAAAAAAAAAAAAAAABRZCY6H/2gAOBEMATQBZAEsAAD8A5uExY6jr4KAoEJiVHXwH/9k=
turned=/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAIABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAYEAACAwAAAAAAAAAAAAAAAAAABAUiMf/EABUBAQEAAAAAAAAAAAAAAAAAAAID/8QAGREAAgMBAAAAAAAAAAAAAAAAAAMEBSFR/9oADAMBAAIRAxEAPwCavCZUqLwmVAA2QzpGvlNzT//Z

# Rows of a table, or one column of it without the heading.
column() {
	cut -f "$1" "$stdout" | tail -n +2 | sort -u | tr '\n' ' '
}

nst-draw -q -o set --labeled=60 --unlabeled=30 --test=20 --hardness=0 || exit 1

# ---- directories
quiet "a tree" nst-pack -q -o labeled.h5 set/labeled
ok "the list of a shard" nst-pack -t labeled.h5
is "has a heading" "$(head -n 1 "$stdout")" "$(printf 'key\tclass\tcodec\theight\twidth\tbytes')"
is "has every image" "$(wc -l < "$stdout")" 61
is "has every class" "$(column 2)" \
	"arrow crescent cross disc drop heart ring square star triangle "
tail -n +2 "$stdout" | cut -f 1 > keys
(cd set/labeled && find . -type f | sed 's,^\./,,' | sort) > paths
same "keys are the paths below the directory, sorted by bytes" keys paths
ok "the list as JSON" nst-pack -t --json labeled.h5
is "has an object a line" "$(grep -c '^{"key": "[^"]*", "class": "[a-z]*",.*}$' "$stdout")" 60
ok "the shard is sound" nst-pack --verify labeled.h5
ok "extraction" nst-pack -x -C copy labeled.h5
quiet "gives the same bytes back" diff -r set/labeled copy
fails 1 "nst-pack: cannot create 'copy/*': File exists" nst-pack -x -C copy labeled.h5

cp -R set/labeled again
quiet "a copy of the tree" nst-pack -q --no-provenance -j 1 -o a.h5 set/labeled
quiet "packed by other threads" nst-pack -q --no-provenance -j 3 -o b.h5 again
same "gives the same file" a.h5 b.h5
nst-pack -q --no-provenance set/labeled > c.h5
same "and so does standard output" a.h5 c.h5

# ---- series and streams
quiet "a series" nst-pack -q --unlabeled --shard-size=64K -o 's-%03d.h5' set/unlabeled set/labeled
is "has numbered files" "$(ls s-*.h5 | tr '\n' ' ')" "s-000.h5 s-001.h5 "
is "none above the limit" "$(find . -name 's-*.h5' -size +64k)" ""
nst-pack -t s-000.h5 s-001.h5 > "$stdout"
is "holds all images" "$(column 1 | wc -w)" 90
is "without classes" "$(column 2)" "- "
touch s-002.h5 s-003.h5
ok "a series shorter than the one before" \
	nst-pack --unlabeled --shard-size=64K -o 's-%03d.h5' set/unlabeled set/labeled
contains "is warned of" "$stderr" "from an earlier run"
nst-pack -q --unlabeled --shard-size=64K set/unlabeled set/labeled > stream.h5
ok "a stream of several images is sound" nst-pack --verify stream.h5
contains "but warned of in a file" "$stderr" "'stream.h5' holds 2 images"
nst-pack -t - < stream.h5 > "$stdout"
is "a stream holds all images" "$(column 1 | wc -w)" 90

# ---- lists, archives
find set/unlabeled -type f -print0 | sort -z > list0
tr '\0' '\n' < list0 > list
quiet "a list with NULs" nst-pack -q --no-provenance --unlabeled --files0-from=list0 -o a.h5
quiet "a list of lines" nst-pack -q --no-provenance --unlabeled --files-from=list -o b.h5
same "give the same file" a.h5 b.h5
nst-pack -q --no-provenance --unlabeled --files0-from=- -o b.h5 < list0
same "also from standard input" a.h5 b.h5
xargs -0 nst-pack -q --no-provenance --unlabeled -o b.h5 < list0
same "also as operands" a.h5 b.h5
(cd set/labeled && find . -type f | sed 's,^\./,,' | sort | tar -cf ../../l.tar -T -)
quiet "an archive" nst-pack -q --no-provenance -o b.h5 l.tar
nst-pack -q --no-provenance -o a.h5 set/labeled
same "gives the same file as the tree" a.h5 b.h5
nst-pack -q --no-provenance -o b.h5 - < l.tar
same "also on standard input" a.h5 b.h5
gzip -c l.tar > l.tar.gz
nst-pack -q --no-provenance -o b.h5 l.tar.gz
same "also compressed" a.h5 b.h5
mkdir web
cp set/labeled/disc/000003.jpg web/x.jpg && printf '1\n' > web/x.cls && echo '{}' > web/x.json
cp set/labeled/star/000008.jpg web/y.jpg && printf 'zebra\n' > web/y.cls
printf 'apple\nlion\nzebra\n' > classes
(cd web && tar -cf ../web.tar x.cls x.jpg x.json y.jpg y.cls)
ok "a webdataset archive" nst-pack -v --classes=classes -o web.h5 web.tar
contains "has companions" "$stderr" "3 companions"
nst-pack -t web.h5 > "$stdout"
is "whose classes are taken" "$(cut -f 1,2 "$stdout" | tail -n +2 | tr '\t\n' '= ')" \
	"x.jpg=lion y.jpg=zebra "
nst-pack -x -C web-copy web.h5
is "and extracted into" "$(find web-copy -type f | sort | tr '\n' ' ')" \
	"web-copy/lion/x.jpg web-copy/zebra/y.jpg "

# ---- labels
printf 'path,class\n' > labels.csv
for f in set/unlabeled/*.jpg; do printf '"%s",%s\n' "${f#set/unlabeled/}" even; done >> labels.csv
echo 'other.jpg,odd' >> labels.csv
ok "a table of labels" nst-pack -v --labels=labels.csv -o l.h5 set/unlabeled
contains "tells unused lines" "$stderr" "1 unused labels"
nst-pack -t l.h5 > "$stdout"
is "gives the classes" "$(column 2)" "even "
sed 2d labels.csv > short.csv
fails 1 "nst-pack: 'set/unlabeled/000000.jpg' has no line in 'short.csv'" \
	nst-pack --labels=short.csv -o x.h5 set/unlabeled
printf 'a.jpg\n' > bad.csv
fails 1 "nst-pack: line 1 of 'bad.csv' is not 'path,class'" \
	nst-pack --labels=bad.csv -o x.h5 set/unlabeled
printf 'a.jpg,x\na.jpg,y\n' > bad.csv
fails 1 "nst-pack: line 2 of 'bad.csv' repeats the path 'a.jpg'" \
	nst-pack --labels=bad.csv -o x.h5 set/unlabeled
fails 1 "nst-pack: class '*' is not in the list 'classes'" \
	nst-pack --classes=classes -o x.h5 set/labeled
printf 'a\nb\na\n' > twice
fails 1 "nst-pack: class 'a' stands twice in 'twice'" nst-pack --classes=twice -o x.h5 set/labeled

# ---- splits
ok "a stratified part" nst-pack --take=23 --stratify --seed=7 -o few.h5 --rest=rest.h5 \
	--hide-rest set/labeled
nst-pack -t few.h5 > "$stdout"
is "has as many of each class" "$(cut -f 2 "$stdout" | tail -n +2 | sort | uniq -c |
	awk '{ printf "%d ", $1 }')" "3 3 3 2 2 2 2 2 2 2 "
column 1 | tr ' ' '\n' > few
nst-pack -t rest.h5 > "$stdout"
is "its rest hides the labels" "$(column 2)" "- "
column 1 | tr ' ' '\n' | cat - few | grep . | sort > both
same "both together are all" both paths
cp -R set/labeled moved && rm moved/disc/000003.jpg
nst-pack -q --take=23 --stratify --seed=7 moved | nst-pack -t > "$stdout"
column 1 | tr ' ' '\n' > few2
is "another set of files moves few" "$(($(comm -3 few few2 | wc -l) <= 2))" 1
mkdir -p more/disc/more && cp set/unlabeled/*.jpg more/disc/more
fails 1 "nst-pack: cannot take 7 images of class 'arrow', it has 6" \
	nst-pack --take=61 --stratify -o x.h5 set/labeled more
fails 1 "nst-pack: cannot take 61 of 60 images" nst-pack --take=61 -o x.h5 set/labeled
fails 1 "nst-pack: no images are left for 'r.h5'" \
	nst-pack --take=60 --rest=r.h5 -o x.h5 set/labeled
no_output x.h5 r.h5

# ---- the content decides
nst-corrupt -q --type=brightness -o raw.h5 labeled.h5
nst-pack -x -C png raw.h5
nst-pack -q -o again.h5 png
nst-pack -t again.h5 > "$stdout"
is "PNG is stored as pixels" "$(column 3)" "raw "
nst-pack -x -C png2 again.h5
quiet "without loss" diff -r <(cd png && find . -type f -exec md5sum {} + | cut -c 1-32 | sort) \
	<(cd png2 && find . -type f -exec md5sum {} + | cut -c 1-32 | sort)
mkdir -p odd/c
printf %s "$gray" | base64 -d > odd/c/gray.jpg
printf %s "$cmyk" | base64 -d > odd/c/cmyk.jpg
printf %s "$turned" | base64 -d > odd/c/turned.jpg
cp png/disc/000003.jpg.png odd/c/misnamed.jpg
ok "gray, CMYK, turned and misnamed images" nst-pack -v -o odd.h5 odd
contains "are kept as they are" "$stderr" "3 kept as JPEG (1 grey, 1 CMYK, 1 to be turned), 1 stored as pixels"
contains "a misnamed file is told" "$stderr" "'odd/c/misnamed.jpg' is a PNG by its content"
nst-pack -x -C odd2 odd.h5
same "a CMYK JPEG comes back as it was" odd/c/cmyk.jpg odd2/c/cmyk.jpg
ok "reduction" nst-pack --resize=4 -q -o small.h5 odd
nst-pack -t small.h5 > "$stdout"
is "sets the shorter side, upright" "$(cut -f 1,3,4,5 "$stdout" | tail -n +2 | tr '\t\n' ', ')" \
	"c/cmyk.jpg,jpeg,4,8 c/gray.jpg,jpeg,4,8 c/misnamed.jpg,raw,4,4 c/turned.jpg,jpeg,8,4 "
nst-pack -q --resize=500 --no-provenance -o a.h5 odd
nst-pack -q --no-provenance -o b.h5 odd
same "smaller images are left alone" a.h5 b.h5

# ---- broken files
cp -R set/labeled broken
: > broken/disc/empty.jpg
fails 1 "nst-pack: cannot pack 'broken/disc/empty.jpg': the file is empty" \
	nst-pack -o x.h5 broken
rm broken/disc/empty.jpg
head -c 500 set/labeled/disc/000003.jpg > broken/disc/000003.jpg
fails 1 "nst-pack: cannot pack 'broken/disc/000003.jpg': *ends early*" nst-pack -o x.h5 broken
echo 'no such page' > broken/star/page.jpg
fails 1 "nst-pack: cannot pack 'broken/star/page.jpg': not an image, and 1 files before it were broken, too" \
	nst-pack --max-bad=1 -o x.h5 broken
fails 1 "nst-pack: cannot pack 'broken/disc/000003.jpg': *, and 1 more files are broken" \
	nst-pack --rejects=rejects -o x.h5 broken
no_output x.h5
is "the rejects are listed" "$(cut -f 1 rejects | tr '\n' ' ')" \
	"broken/disc/000003.jpg broken/star/page.jpg "
ok "some may be left out" nst-pack --max-bad=2 --rejects=rejects -o x.h5 broken
contains "and are counted" "$stderr" "59 images of 10 classes packed, 0 left to the rest, 2 broken ones left out"
ok "also as a percentage" nst-pack --max-bad=4% -q -o x.h5 broken
rm x.h5
fails 1 "nst-pack: cannot pack *" nst-pack --max-bad=3% -o x.h5 broken
fails 2 "nst-pack: *max-bad*'some' is neither a number of files nor a percentage*" \
	nst-pack --max-bad=some -o x.h5 broken
no_output x.h5

# ---- trees that are none
mkdir empty
fails 1 "nst-pack: 'empty' holds no files" nst-pack -o x.h5 empty
mkdir -p hollow/a hollow/b && cp set/unlabeled/000000.jpg hollow/a
fails 1 "nst-pack: class directory 'hollow/b' is empty" nst-pack -o x.h5 hollow
fails 1 "nst-pack: 'set/unlabeled/000000.jpg' and 29 more lie in no class directory*" \
	nst-pack -o x.h5 set/unlabeled
mkdir -p texts/a && echo text > texts/a/b
fails 1 "nst-pack: cannot pack 'texts/a/b': not an image" nst-pack -o x.h5 texts
fails 1 "nst-pack: no images are left to pack" nst-pack --max-bad=100% -o x.h5 texts
fails 1 "nst-pack: cannot open 'nowhere': No such file or directory" nst-pack -o x.h5 nowhere
fails 1 "nst-pack: 'set/labeled/arrow/000000.jpg' and 'again/arrow/000000.jpg' have the same key 'arrow/000000.jpg'" \
	nst-pack -o x.h5 set/labeled again
: > none
fails 1 "nst-pack: the list 'none' is empty" nst-pack --unlabeled --files-from=none -o x.h5
fails 1 "nst-pack: *empty*" nst-pack -o x.h5 -
head -c 3000 l.tar > cut.tar
fails 1 "nst-pack: *'cut.tar'*" nst-pack -o x.h5 cut.tar

# ---- outputs
fails 1 "nst-pack: *'no/x.h5'*: No such file or directory" nst-pack -o no/x.h5 set/labeled
fails 1 "nst-pack: *labeled.h5*" nst-pack -o labeled.h5 labeled.h5
fails 1 "nst-pack: several shards need a numbered name: -o 'name-%05d.h5'" \
	nst-pack --shard-size=64K -o x.h5 set/labeled
fails 1 "nst-pack: 'x-%d-%d.h5' should have one '%05d' for the number of the shard" \
	nst-pack --shard-size=64K -o x-%d-%d.h5 set/labeled
limited() {
	(ulimit -f 16 && exec nst-pack -q "$@")
}
fails 1 "nst-pack: *File too large" limited -o x.h5 set/labeled
fails 1 "nst-pack: *File too large" limited --unlabeled --shard-size=64K -o 'x-%d.h5' set/unlabeled set/labeled
no_output x.h5 x-0.h5
full() {
	nst-pack -q set/labeled > /dev/full
}
fails 1 "nst-pack: *No space left on device" full

# ---- usage
fails 2 "nst-pack: no images*" nst-pack -o x.h5
fails 2 "nst-pack: --unlabeled leaves no classes*" nst-pack --unlabeled --stratify --take=2 -o x.h5 set
fails 2 "nst-pack: --stratify and --rest need --take*" nst-pack --stratify -o x.h5 set/labeled
fails 2 "nst-pack: --hide-rest needs --rest*" nst-pack --hide-rest --take=2 -o x.h5 set/labeled
fails 2 "nst-pack: --quality is that of images that --resize*" nst-pack --quality=50 -o x.h5 set/labeled

# ---- foreign shards
printf 'not hdf5' > no.h5
fails 1 "nst-pack: *no.h5*" nst-pack --verify no.h5
fails 1 "nst-pack: *no.h5*" nst-pack -t no.h5
head -c 9000 labeled.h5 > cut.h5
fails 1 "nst-pack: *cut.h5*" nst-pack --verify cut.h5
size=$(wc -c < labeled.h5)
cp labeled.h5 flip.h5
printf '\377\377' | dd of=flip.h5 bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
fails 1 "nst-pack: *flip.h5*" nst-pack --verify flip.h5

done_testing
