#!/usr/bin/env bash
# The rooms are kept apart, and the program that says so can say no.
. "${0%/*}/lib.sh"

ok "every file keeps to its room" "$TOP/tests/rooms" "$NST_BUILD/rooms.list" "$TOP"

# HACKING.md's table in the form of the list: short names made long, a room's sub-rooms left out,
# what stands behind a colon or in backquotes is for people.
table_of_hacking() {
	awk -F '|' '
		/^## / { inside = /^## Rooms/ }
		inside && /^\| [a-z]/ {
			room = $2
			gsub(/ /, "", room)
			if (room == "room")
				next
			rooms[++n] = room
			short = room
			sub(/.*\//, "", short)
			long[short] = room
			text[room] = $3
		}
		END {
			for (i = 1; i <= n; i++) {
				t = text[rooms[i]]
				gsub(/`[^`]*`/, "", t)
				sub(/:.*/, "", t)
				if (t ~ /all of the above/)
					for (j = 1; j < i; j++)
						t = t " " rooms[j]
				count = split(t, word, /[^a-z\/]+/)
				for (j = 1; j <= count; j++)
					if (word[j] in text)
						print rooms[i], word[j]
					else if (word[j] in long)
						print rooms[i], long[word[j]]
			}
		}' "$TOP/HACKING.md" | sort
}

table_of_makefile() {
	awk '
		sub(/^may\./, "") {
			room[NR] = $1
			line[NR] = $0
			known[$1] = 1
		}
		function whole(r, parent) {
			parent = r
			sub(/\/[^\/]*$/, "", parent)
			return parent != r && (parent in known) ? "" : r
		}
		END {
			for (i in room) {
				count = split(line[i], word, " ")
				for (j = 2; j <= count; j++)
					if (whole(room[i]) != "" && whole(word[j]) != "")
						print room[i], word[j]
			}
		}' "$NST_BUILD/rooms.list" | sort
}

table_of_hacking > hacking
table_of_makefile > makefile
ok "the tables of HACKING.md and of the Makefile agree" diff hacking makefile

# A small tree of two rooms and a tool, with a list of its own.
mkdir -p tree/libcore/low tree/libcore/high tree/tools
cat > list <<'END'
may.libcore/low
may.libcore/high libcore/low
may.tools libcore/low libcore/high
ext.libcore/high/json.c jansson.h
deny.libcore/low stdio.h
calls.print tools
calls.exit tools
calls.environment tools
END

reset() {
	echo '/* exit(1) printf() */ const char *low = "exit(1) <jansson.h>";' > tree/libcore/low/low.h
	printf '%s\n' '#include <jansson.h>' '#include "libcore/low/low.h"' > tree/libcore/high/json.c
	printf '%s\n' '#include <stdio.h>' '#include "libcore/high/json.h"' \
		'int main(void) { printf("x"); return 0; }' > tree/tools/nst-x.c
	: > tree/libcore/high/json.h
}

# refused LINE FILE COMPLAINT: a tree with LINE added to FILE is refused with the complaint.
refused() {
	reset
	echo "$1" >> "tree/$2"
	run "$TOP/tests/rooms" list tree
	cp "$stdout" said
	is "status with $1 in $2" "$status" 1
	contains "complaint about $1 in $2" said "$2: $3"
	rm -f tree/libcore/low/*.c
}

reset
quiet "a clean tree passes" "$TOP/tests/rooms" list tree
refused '#include "libcore/high/json.h"' libcore/low/low.h \
	'"libcore/high/json.h" is of room libcore/high'
refused '#include <jansson.h>' libcore/low/low.h '<jansson.h> is not for this file'
refused '#include <jansson.h>' libcore/high/json.h '<jansson.h> is not for this file'
refused '#include <jansson.h>' tools/nst-x.c '<jansson.h> is not for this file'
refused '#include "low.h"' libcore/low/low.h '"low.h" does not exist'
refused '#include "tools/nst-x.c"' tools/nst-x.c '"tools/nst-x.c" is of room tools'
refused '  #  include  <stdio.h>' libcore/low/low.h '<stdio.h> is denied to this room'
refused 'void f(void) { exit (1); }' libcore/low/a.c "'exit (' is not for this room"
refused 'char *f(void) { return getenv("X"); }' libcore/low/a.c "'getenv(' is not for this room"
refused 'FILE *f = stderr;' libcore/low/a.c "'stderr' is not for this room"
refused 'int f(void) { return rand(); }' libcore/low/a.c "'rand(' is not for this room"

reset
mkdir tree/libcore/attic
: > tree/libcore/attic/x.c
run "$TOP/tests/rooms" list tree
cp "$stdout" said
contains "a directory outside the table is refused" said "libcore/attic is not in the table"

# Tools that call FUNCTION, by what the linker put into them.
tools_with() {
	for tool in $(cd "$NST_BIN" && echo nst-*); do
		run nm "$NST_BIN/$tool"
		[ "$status" = 0 ] || echo "nm: $status"
		! grep -q " T $1\$" "$stdout" || echo "$tool"
	done | tr '\n' ' '
}

# Loading a library costs every start of a tool; OpenBLAS starts threads, too.
is "OpenBLAS is for nst-train" "$(tools_with nst_blas_gemm)" "nst-train "
is "gdk-pixbuf is for tools that read or write its formats" "$(tools_with nst_pixbuf_decode)" \
	"nst-draw nst-pack "
# Where make has found that HDF5's archive can be linked.
if grep -q " static " "$NST_BUILD/settings" && [ -x "$NST_BUILD/hdf5.links" ] && have ldd; then
	ok "libraries of nst-mix" ldd "$NST_BIN/nst-mix"
	contains "... C's is one of them" "$stdout" libc.so
	is "... HDF5's and those that it would bring are not" "$(grep -E 'libhdf5|libcurl' "$stdout")" ""
fi
done_testing
