#!/usr/bin/env bash
# tools/loop.mk: the whole loop from directories, what a change rebuilds, and going on after a kill.
. "${0%/*}/lib.sh"

have make || skip_all "make is not installed"

nst-draw -q -o set --labeled=40 --unlabeled=120 --test=20 --hardness=0 || exit 1
cat > Makefile <<-END
	LABELED    = set/labeled
	UNLABELED  = set/unlabeled
	TEST       = set/test
	EXTRA_TESTS = dark
	TEST_dark  = set/test
	ITERATIONS = 2
	ARCH_0     = wrn-10-1
	SHARD_SIZE = 100K
	THREADS    = 1
	TRAIN_FLAGS   = --epochs=2 --batch=32 --no-provenance
	STUDENT_FLAGS = --randaugment=n1,m3
	FILTER_FLAGS  = --min-confidence=0.05
	include $TOP/tools/loop.mk
END

# Times of all files, to see what was made anew.
stamps() {
	find loop -name '*.h5' -newer mark | sort | sed 's,^loop/,,' | tr '\n' ' '
	touch mark
	sleep 0.02
}
touch mark
sleep 0.02

ok "make -j2" make -j2
is "makes every file" "$(stamps)" "dark.h5 iteration1/mix.h5 \
iteration1/prediction-unlabeled-00000.h5 iteration1/prediction-unlabeled-00001.h5 \
iteration1/selection.h5 iteration2/mix.h5 iteration2/prediction-unlabeled-00000.h5 \
iteration2/prediction-unlabeled-00001.h5 iteration2/selection.h5 labeled.h5 student1.h5 \
student2.h5 teacher.h5 test.h5 unlabeled-00000.h5 unlabeled-00001.h5 "
is "and the reports" "$(ls loop/*.json | tr '\n' ' ')" \
	"loop/eval-student1-dark.json loop/eval-student1.json loop/eval-student2-dark.json \
loop/eval-student2.json loop/eval-teacher-dark.json loop/eval-teacher.json "
ok "make table" make table
is "shows every model" "$(awk '{ print $1 }' "$stdout" | tr '\n' ' ')" \
	"top-1 teacher student1 student2 "
ok "everything is up to date" make -q
ok "make again" make -j2
is "makes nothing" "$(stamps)" ""

ok "other flags of the second student" make STUDENT_FLAGS_2=--dropout=0.1
is "make it alone" "$(stamps)" "student2.h5 "
make -n SEED=2 > dry
is "make -n tells what another seed would make" "$(grep -c nst-train dry)" 3
run make -q SEED=2
is "and so does make -q" $status 1
make -s STUDENT_FLAGS_2=--dropout=0.1 > "$stdout" 2>&1
is "but they change nothing" "$(stamps)" ""
ok "shards by themselves" make FILTER_PASSES=2 ITERATIONS=1
is "are filtered in two passes" "$(stamps)" "iteration1/mix.h5 \
iteration1/selection-unlabeled-00000.h5 iteration1/selection-unlabeled-00001.h5 \
iteration1/statistics-unlabeled-00000.h5 iteration1/statistics-unlabeled-00001.h5 student1.h5 "
cp set/labeled/disc/000003.jpg set/unlabeled/more.jpg
ok "another image" make FILTER_PASSES=2 ITERATIONS=1
is "does not touch the teacher" "$(stamps)" "iteration1/mix.h5 \
iteration1/prediction-unlabeled-00000.h5 iteration1/prediction-unlabeled-00001.h5 \
iteration1/selection-unlabeled-00000.h5 iteration1/selection-unlabeled-00001.h5 \
iteration1/statistics-unlabeled-00000.h5 iteration1/statistics-unlabeled-00001.h5 student1.h5 \
unlabeled-00000.h5 unlabeled-00001.h5 "
rm loop/unlabeled-00000.h5
ok "a shard that was lost" make FILTER_PASSES=2 ITERATIONS=1
is "is packed again" "$(ls loop/unlabeled-*.h5 | wc -l)" 2

# ---- shards instead of directories, interruption
cp loop/labeled.h5 l.h5
nst-pack -q --unlabeled -o u.h5 set/unlabeled
args=(OUT=other LABELED=l.h5 UNLABELED=u.h5 TEST= EXTRA_TESTS= ITERATIONS=1
	TRAIN_FLAGS="--epochs=6 --batch=32 --no-provenance --checkpoint-every=0")
ok "shards as they are" make "${args[@]}"
is "are not packed" "$(ls other/*.h5 | tr '\n' ' ')" "other/student1.h5 other/teacher.h5 "
mv other whole
make "${args[@]}" > /dev/null 2>&1 &
for i in $(seq 200); do
	[ -e other/student1.h5.ckpt ] && break
	sleep 0.05
done
kill -TERM $!
wait $!
for i in $(seq 200); do # a child may still be saving
	pgrep -P 1 -f "other/student1.h5" > /dev/null || break
	sleep 0.05
done
ok "interrupted and run again" make "${args[@]}"
same "it ends with the same teacher" other/teacher.h5 whole/teacher.h5
same "it ends with the same student" other/student1.h5 whole/student1.h5
is "and no checkpoint" "$(ls other | grep -c ckpt)" 0

fails 2 "*No rule to make target 'nowhere'*" make -s LABELED=nowhere OUT=x ITERATIONS=0
done_testing
