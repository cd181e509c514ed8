/* Files below the format: lists, walks, archives, atomic outputs, maps and spools. */
#include "tests/unit/formats_util.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "libcore/io/archive.h"
#include "libcore/io/atomic.h"
#include "libcore/io/list.h"
#include "libcore/io/map.h"
#include "libcore/io/spool.h"
#include "libcore/io/tree.h"

/* ---- lists ---- */

static void check_list(const char *bytes, size_t n, char separator, const char *const *want)
{
	struct nst_list l = {0};
	size_t i = 0;

	write_file("list", bytes, n);
	OK(nst_list_read(&l, "list", separator, &err));
	for (; want[i]; i++) {
		assert_true(i < l.count);
		assert_string_equal(l.item[i], want[i]);
	}
	assert_int_equal(l.count, i);
	nst_list_release(&l);
}

#define CHECK_LIST(bytes, separator, ...) \
	check_list(bytes, sizeof(bytes) - 1, separator, (const char *const[]){__VA_ARGS__, NULL})

static void lists(void **state)
{
	struct nst_list l = {0};

	(void)state;
	CHECK_LIST("a\nb c\n\n d\n", '\n', "a", "b c", " d");
	CHECK_LIST("a\nb", '\n', "a", "b");
	CHECK_LIST("a\r\nb\r\n", '\n', "a", "b");
	CHECK_LIST("a\nx\0b\r\0\0c", '\0', "a\nx", "b\r", "c");
	CHECK_LIST("", '\n', NULL);
	CHECK_LIST("", '\0', NULL);
	write_file("list", "a\0b\n", 4);
	FAILS(nst_list_read(&l, "list", '\n', &err), "the list in 'list' holds a NUL byte");
	FAILS(nst_list_read(&l, "absent", '\n', &err), "cannot open 'absent'");
	nst_list_release(&l);
}

static void read_limits(void **state)
{
	struct nst_buf b = {0};

	(void)state;
	write_file("f", "0123456789", 10);
	OK(nst_read_all("f", 10, &b, &err));
	assert_int_equal(b.len, 10);
	OK(nst_read_all("f", 10, &b, &err));
	assert_int_equal(b.len, 20);
	assert_memory_equal(b.data + 10, "0123456789", 10);
	FAILS(nst_read_all("f", 9, &b, &err), "'f' is larger than the limit of 9 bytes");
	FAILS(nst_read_all(".", 9, &b, &err), "Is a directory");
	nst_buf_release(&b);
}

/* ---- trees ---- */

static void trees(void **state)
{
	static const char *const want[] = {"B/x", "a b/z", "a.jpg", "a/1", "a/2/3", "a/2/link"};
	struct nst_list l = {0};

	(void)state;
	assert_int_equal(system("mkdir -p t/a/2 t/B 't/a b' t/.hidden t/empty && touch t/a/1 t/a/2/3 t/B/x "
				"'t/a b/z' t/a.jpg t/.hidden/f t/.dot && ln -s ../../a.jpg t/a/2/link && "
				"mkfifo t/fifo"),
			 0);
	OK(nst_tree_walk(&l, "t", &err));
	assert_int_equal(l.count, 6);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(l.item[i], want[i]);
	nst_list_release(&l);

	/* A linked directory is walked; one that holds itself is not. */
	assert_int_equal(symlink("a", "t/dlink"), 0);
	OK(nst_tree_walk(&l, "t", &err));
	assert_int_equal(l.count, 9);
	assert_string_equal(l.item[6], "dlink/1");
	nst_list_release(&l);
	assert_int_equal(symlink("../..", "t/a/2/up"), 0);
	FAILS(nst_tree_walk(&l, "t", &err), "is a link to a directory that contains it");
	unlink("t/a/2/up");
	assert_int_equal(symlink("nowhere", "t/dangling"), 0);
	FAILS(nst_tree_walk(&l, "t", &err), "cannot read 't/dangling': No such file");
	assert_int_equal(l.count, 0);
	FAILS(nst_tree_walk(&l, "absent", &err), "cannot open 'absent'");
	nst_list_release(&l);
}

/* ---- archives ---- */

static void check_archive(const char *path)
{
	struct nst_archive *a;
	struct nst_buf b = {0};
	const char *name;
	size_t seen = 0;

	OK(nst_archive_open(&a, path, &err));
	while (nst_archive_next(a, &name, &err) > 0) {
		if (!strcmp(name, "d/one")) {
			OK(nst_archive_read(a, 100, &b, &err));
			assert_int_equal(b.len, 3);
			assert_memory_equal(b.data, "one", 3);
			seen |= 1;
		} else if (!strcmp(name, "d/z\xc3\xa9ro")) {
			OK(nst_archive_read(a, 100, &b, &err));
			assert_int_equal(b.len, 0);
			seen |= 2;
		} else if (!strcmp(name, "d/big")) {
			FAILS(nst_archive_read(a, 99999, &b, &err), "larger than the limit of 99999 bytes");
			seen |= 4;
		} else if (!strcmp(name, "d/sym")) {
			FAILS(nst_archive_read(a, 100, &b, &err), "member 'd/sym'");
			seen |= 8;
		} else if (!strcmp(name, "d/zz")) { /* one of a pair of hard links */
			FAILS(nst_archive_read(a, 100, &b, &err), "is a link");
			seen |= 16;
		} else {
			fail_msg("unexpected member '%s'", name);
		}
	}
	assert_int_equal(seen, 31);
	nst_archive_close(a);
	nst_buf_release(&b);
}

static void archives(void **state)
{
	static const char *const make[] = {
		"tar cf x.tar --sort=name ./d",   "tar --format=pax -cf x.tar --sort=name d",
		"tar czf x.tar --sort=name d",    "tar cJf x.tar --sort=name d",
		"tar cjf x.tar --sort=name d",    "tar cf - --sort=name d | zstd -q > x.tar",
	};

	(void)state;
	assert_int_equal(system("mkdir d && printf one > d/one && : > d/z\xc3\xa9ro && "
				"head -c 100000 /dev/urandom > d/big && ln -s one d/sym && ln d/one d/zz"),
			 0);
	for (size_t i = 0; i < sizeof(make) / sizeof(*make); i++) {
		struct nst_buf b;

		if (system(make[i]))
			continue; /* a compressor that is not here */
		check_archive("x.tar");
		b = read_file("x.tar");
		assert_true(nst_archive_is(b.data, b.len));
		assert_true(nst_archive_is(b.data, 512));
		nst_buf_release(&b);
	}
	assert_false(nst_archive_is((const uint8_t *)"\xff\xd8\xff\xe0 a JPEG file", 17));
	assert_false(nst_archive_is((const uint8_t *)"", 0));
}

/* Number of members of an archive, or the error. */
static int walk(const char *path)
{
	struct nst_archive *a;
	struct nst_buf b = {0};
	const char *name;
	int n = 0, r = nst_archive_open(&a, path, &err);

	if (r)
		return r;
	while ((r = nst_archive_next(a, &name, &err)) > 0) {
		r = nst_archive_read(a, 1 << 20, &b, &err);
		if (r)
			break;
		n++;
	}
	nst_archive_close(a);
	nst_buf_release(&b);
	return r < 0 ? r : n;
}

/* Cut anywhere before its end marker, an archive is an error. */
static void archives_cut(void **state)
{
	struct nst_buf b;

	(void)state;
	assert_int_equal(system("rm -rf e && mkdir e && printf 1 > e/1 && printf 2 > e/2 && "
				"tar cf c.tar --sort=name e"),
			 0);
	assert_int_equal(walk("c.tar"), 2);
	b = read_file("c.tar");
	assert_true(b.len >= 6 * 512); /* directory, 2 x (header, data), end */
	for (size_t n = 0; n < 5 * 512; n += 128) {
		write_file("cut.tar", b.data, n);
		assert_true(walk("cut.tar") < 0);
	}
	write_file("cut.tar", b.data, 6 * 512);
	assert_int_equal(walk("cut.tar"), 2);
	nst_buf_release(&b);
	write_file("cut.tar", "not a tar at all\n", 17);
	assert_true(walk("cut.tar") < 0);
	assert_non_null(strstr(err.msg, "cannot read the archive 'cut.tar'"));
}

/* ---- outputs ---- */

static void atomic_files(void **state)
{
	struct nst_atomic a;
	struct stat st;
	mode_t old = umask(027);

	(void)state;
	assert_int_equal(system("rm -rf ./* .[!.]*"), 0);
	OK(nst_atomic_open(&a, "f", &err));
	assert_false(exists("f"));
	assert_int_equal(count_files(), 1);
	assert_int_equal(write(a.fd, "new", 3), 3);
	OK(nst_atomic_commit(&a, &err));
	assert_int_equal(count_files(), 1);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_mode & 0777, 0640);
	umask(old);

	OK(nst_atomic_open(&a, "f", &err));
	nst_atomic_abort(&a);
	nst_atomic_abort(&a);
	assert_int_equal(count_files(), 1);

	/* Through a link, the file it names is replaced. */
	assert_int_equal(symlink("f", "l"), 0);
	OK(nst_atomic_write("l", "newer", 5, &err));
	assert_int_equal(lstat("l", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_size, 5);

	/* Two at once for one name: the last commit wins, none meets the other. */
	{
		struct nst_atomic b;

		OK(nst_atomic_open(&a, "f", &err));
		OK(nst_atomic_open(&b, "f", &err));
		assert_int_equal(count_files(), 4);
		assert_int_equal(write(a.fd, "a", 1), 1);
		assert_int_equal(write(b.fd, "bb", 2), 2);
		OK(nst_atomic_commit(&a, &err));
		OK(nst_atomic_commit(&b, &err));
		assert_int_equal(stat("f", &st), 0);
		assert_int_equal(st.st_size, 2);
	}
	{
		char name[256];

		memset(name, 'n', 255);
		name[255] = '\0';
		OK(nst_atomic_write(name, "x", 1, &err)); /* the longest name there is */
		assert_true(exists(name));
	}
	FAILS(nst_atomic_open(&a, "/dev/null", &err), "not a regular file");
	FAILS(nst_atomic_write("no/f", "x", 1, &err), "cannot write 'no/f': No such file");
}

/* ---- maps and spools ---- */

static void maps(void **state)
{
	struct nst_map m;

	(void)state;
	write_file("m", "map me", 6);
	OK(nst_map_file(&m, "m", &err));
	assert_int_equal(m.size, 6);
	assert_memory_equal(m.data, "map me", 6);
	nst_map_release(&m);
	assert_null(m.data);
	write_file("m", "", 0);
	OK(nst_map_file(&m, "m", &err));
	assert_int_equal(m.size, 0);
	nst_map_release(&m);
	FAILS(nst_map_file(&m, "/dev/null", &err), "not a regular file");
	FAILS(nst_map_file(&m, ".", &err), "Is a directory");
	assert_int_equal(mkfifo("fifo", 0666), 0);
	FAILS(nst_map_file(&m, "fifo", &err), "not a regular file");
}

static void spools(void **state)
{
	static uint8_t bytes[20000];
	struct nst_spool s;
	const uint8_t *p, *q;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	setenv("TMPDIR", scratch, 1);
	assert_int_equal(system("rm -rf ./* .[!.]*"), 0);
	OK(nst_spool_open(&s, &err));
	assert_int_equal(count_files(), 0);
	OK(nst_spool_append(&s, bytes, 9000, &err));
	OK(nst_spool_append(&s, bytes + 9000, 11000, &err));
	assert_int_equal(s.size, 20000);
	p = nst_spool_map(&s, 4097, 10000, &err);
	q = nst_spool_map(&s, 19999, 1, &err);
	assert_non_null(p);
	assert_non_null(q);
	assert_null(nst_spool_map(&s, 19999, 2, &err));
	assert_null(nst_spool_map(&s, UINT64_MAX, 2, &err));
	nst_spool_release(&s);
	assert_memory_equal(p, bytes + 4097, 10000);
	assert_int_equal(*q, bytes[19999]);
	nst_spool_unmap(p, 10000);
	nst_spool_unmap(q, 1);
	setenv("TMPDIR", "/no/such/dir", 1);
	FAILS(nst_spool_open(&s, &err), "cannot make a temporary file in '/no/such/dir'");
	unsetenv("TMPDIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(read_limits),
		cmocka_unit_test(trees),
		cmocka_unit_test(archives),
		cmocka_unit_test(archives_cut),
		cmocka_unit_test(atomic_files),
		cmocka_unit_test(maps),
		cmocka_unit_test(spools),
	};

	return cmocka_run_group_tests_name("io", tests, scratch_make, scratch_remove);
}
