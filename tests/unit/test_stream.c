/* Streams: what a reader makes of images one after another, through files and through pipes, whole
 * and cut off; and what an output leaves behind when the system refuses. */
#include "tests/unit/formats_util.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "formats/superblock.h"
#include "formats/verify.h"
#include "libcore/io/rw.h"

/* ---- framing ---- */

/* Published example of lookup3: hashlittle("Four score and seven years ago", 0) = 0x17770551. */
static void lookup3(void **state)
{
	const char *s = "Four score and seven years ago";

	(void)state;
	assert_int_equal(nst_lookup3((const uint8_t *)s, strlen(s)), 0x17770551);
	assert_int_equal(nst_lookup3((const uint8_t *)s, 0), 0xdeadbeef);
}

static void superblock(void **state)
{
	struct nst_buf file;
	uint64_t size = 0;

	(void)state;
	write_shard("a.h5", 0, 3, NULL);
	file = read_file("a.h5");
	OK(nst_superblock_parse(file.data, NST_SUPERBLOCK_SIZE, &size, &err));
	assert_int_equal(size, file.len);
	assert_int_equal(file.data[8], 3);
	FAILS(nst_superblock_parse(file.data, 0, &size, &err), "it is empty");
	FAILS(nst_superblock_parse(file.data, 3, &size, &err), "it is cut short");
	FAILS(nst_superblock_parse((const uint8_t *)"PK", 2, &size, &err), "not an HDF5 file");
	/* Every bit of the checksummed part counts. */
	for (int bit = 0; bit < 48 * 8; bit++) {
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(nst_superblock_parse(file.data, NST_SUPERBLOCK_SIZE, &size, &err) < 0);
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	nst_buf_release(&file);
}

/* A file whose writer was killed has the flag set and a right checksum. */
static void not_closed(void **state)
{
	struct nst_buf file;
	uint64_t size;
	uint32_t sum;

	(void)state;
	write_shard("a.h5", 0, 3, NULL);
	file = read_file("a.h5");
	file.data[11] |= 1;
	sum = nst_lookup3(file.data, 44);
	memcpy(file.data + 44, &sum, 4);
	FAILS(nst_superblock_parse(file.data, NST_SUPERBLOCK_SIZE, &size, &err),
	      "its writer never closed it");
	nst_buf_release(&file);
}

/* ---- streams ---- */

/* Write n images of 4 rows each as one stream to path. */
static void write_stream(const char *path, int n)
{
	struct nst_out *out;

	OK(nst_out_open(&out, path, NULL, &err));
	for (int i = 0; i < n; i++) {
		struct nst_rows *r = rows_of(4 * i, 4 * i + 4);
		struct nst_build *b;

		OK(nst_shard_build(&b, r, classes3, 3, &err));
		OK(nst_out_put(out, b, &err));
		nst_build_free(b);
		nst_rows_free(r); /* what was put does not need it any more */
	}
	OK(nst_out_close(out, &err));
}

/* Read everything, checking that rows 0, 1, 2, ... come.  Returns the number of images or the error. */
static int read_rows(const char *const *paths, size_t n, const struct nst_in_options *opt,
		     uint64_t *rows)
{
	struct nst_in *in;
	struct nst_image *im;
	int images = 0, r;

	*rows = 0;
	OK(nst_in_open(&in, paths, n, NST_KIND_BIT(NST_SHARD), opt, &err));
	while ((r = nst_in_next(in, &im, &err)) > 0) {
		struct nst_samples *s;

		OK(nst_samples_open(&s, im, NULL, &err));
		for (uint64_t i = 0; i < nst_samples_count(s); i++)
			check_sample(s, i, (int)(*rows)++);
		nst_samples_free(s);
		nst_image_free(im);
		images++;
	}
	nst_in_close(in);
	return r < 0 ? r : images;
}

struct feed {
	int fd;
	const uint8_t *data;
	size_t size, step;
};

static void *feeder(void *arg)
{
	struct feed *f = arg;

	for (size_t at = 0; at < f->size; at += f->step) {
		size_t n = f->size - at < f->step ? f->size - at : f->step;

		if (nst_write_full(f->fd, f->data + at, n) < 0)
			break;
	}
	close(f->fd);
	return NULL;
}

/* read_rows from a pipe that gets the bytes of a buffer, `step` at a time. */
static int read_pipe(const uint8_t *data, size_t size, size_t step, const struct nst_in_options *opt,
		     uint64_t *rows)
{
	struct sigaction old, ignore = {.sa_handler = SIG_IGN}; /* a feeder may not be read to its end */
	struct feed f = {.data = data, .size = size, .step = step};
	int fd[2], saved = dup(STDIN_FILENO), r;
	pthread_t t;

	sigaction(SIGPIPE, &ignore, &old);
	assert_int_equal(pipe(fd), 0);
	dup2(fd[0], STDIN_FILENO);
	close(fd[0]);
	f.fd = fd[1];
	assert_int_equal(pthread_create(&t, NULL, feeder, &f), 0);
	r = read_rows(NULL, 0, opt, rows);
	dup2(saved, STDIN_FILENO); /* closes the pipe: a blocked feeder ends */
	close(saved);
	pthread_join(t, NULL);
	sigaction(SIGPIPE, &old, NULL);
	return r;
}

static void stream_in_a_file(void **state)
{
	const char *const path[] = {"s.h5"};
	struct nst_verify_result v;
	uint64_t rows;

	(void)state;
	write_stream("s.h5", 5);
	assert_int_equal(read_rows(path, 1, NULL, &rows), 5);
	assert_int_equal(rows, 20);
	OK(nst_verify("s.h5", NULL, &v, &err));
	assert_int_equal(v.images, 5);
	assert_int_equal(v.streams, 1);
	assert_int_equal(v.rows, 20);
	assert_int_equal(v.samples, 20);
}

static void stream_in_a_pipe(void **state)
{
	static const size_t step[] = {1, 7, 4096, 1 << 20};
	struct nst_in_options spool = {.spool = 1};
	struct nst_buf file;
	uint64_t rows;

	(void)state;
	write_stream("s.h5", 5);
	file = read_file("s.h5");
	for (size_t i = 0; i < sizeof(step) / sizeof(*step); i++) {
		assert_int_equal(read_pipe(file.data, file.len, step[i], NULL, &rows), 5);
		assert_int_equal(rows, 20);
	}
	assert_int_equal(read_pipe(file.data, file.len, 4096, &spool, &rows), 5);
	assert_int_equal(rows, 20);
	nst_buf_release(&file);
}

/* One image that goes out through put is the same file as one that goes out through put_last. */
static void one_image_either_way(void **state)
{
	(void)state;
	write_stream("s.h5", 1);
	write_shard("a.h5", 0, 4, NULL);
	assert_true(same_files("s.h5", "a.h5"));
}

static void streams_in_a_row(void **state)
{
	const char *const both[] = {"both.h5"}, *const two[] = {"s.h5", "t.h5"};
	struct nst_verify_result v;
	struct nst_buf file;
	uint64_t rows;

	(void)state;
	write_stream("s.h5", 3);
	write_shard("t.h5", 12, 15, NULL);
	assert_int_equal(system("cat s.h5 t.h5 > both.h5"), 0);
	assert_int_equal(read_rows(both, 1, NULL, &rows), 4);
	assert_int_equal(rows, 15);
	assert_int_equal(read_rows(two, 2, NULL, &rows), 4);
	assert_int_equal(rows, 15);
	OK(nst_verify("both.h5", NULL, &v, &err));
	assert_int_equal(v.streams, 2);
	file = read_file("both.h5");
	assert_int_equal(read_pipe(file.data, file.len, 1000, NULL, &rows), 4);
	nst_buf_release(&file);
}

/* Cut anywhere, a stream is an error: in a file, and in a pipe. */
static void cut_anywhere(void **state)
{
	const char *const path[] = {"cut.h5"};
	struct nst_buf file;
	size_t image;
	uint64_t rows;

	(void)state;
	write_shard("a.h5", 0, 4, NULL);
	write_stream("s.h5", 2);
	file = read_file("a.h5");
	image = file.len;
	nst_buf_release(&file);
	file = read_file("s.h5");
	for (size_t n = 0; n < file.len; n += n < 200 || n % 1000 > 990 ? 1 : 9) {
		write_file("cut.h5", file.data, n);
		assert_true(read_rows(path, 1, NULL, &rows) < 0);
		if (n % 5 == 0)
			assert_true(read_pipe(file.data, n, 100000, NULL, &rows) < 0);
	}
	/* Exactly between two images only the missing end shows. */
	assert_true(read_pipe(file.data, image, 4096, NULL, &rows) < 0);
	assert_non_null(strstr(err.msg, "standard input ended early: image 1 says that more follow"));
	assert_int_equal(rows, 4);
	assert_true(read_pipe(file.data, image + 500, 4096, NULL, &rows) < 0);
	assert_non_null(strstr(err.msg, "standard input ended early: 500 of "));
	assert_true(read_pipe(file.data, 0, 1, NULL, &rows) < 0);
	assert_non_null(strstr(err.msg, "cannot read standard input: it is empty"));
	nst_buf_release(&file);
}

/* A missing, doubled or foreign image in the middle shows in the totals. */
static void wrong_order(void **state)
{
	struct nst_verify_result v;

	(void)state;
	write_stream("s.h5", 3);
	assert_int_equal(system("n=$(($(stat -c %s s.h5) / 3)); head -c $n s.h5 > m.h5;"
				"tail -c $n s.h5 >> m.h5"), 0);
	FAILS(nst_verify("m.h5", NULL, &v, &err), "something is missing");
	assert_int_equal(system("n=$(($(stat -c %s s.h5) / 3)); head -c $n s.h5 > m.h5;"
				"cat s.h5 >> m.h5"), 0);
	FAILS(nst_verify("m.h5", NULL, &v, &err), "something is missing");
}

static void bytes_behind(void **state)
{
	struct nst_verify_result v;

	(void)state;
	write_shard("a.h5", 0, 3, NULL);
	assert_int_equal(system("cp a.h5 b.h5; echo more >> b.h5"), 0);
	FAILS(nst_verify("b.h5", NULL, &v, &err), "cannot read 'b.h5' behind image 1: not an HDF5 file");
}

static void limits(void **state)
{
	struct nst_in_options opt = {.max_image = 1000};
	struct nst_buf file;
	uint64_t rows;

	(void)state;
	write_shard("a.h5", 0, 3, NULL);
	file = read_file("a.h5");
	assert_true(read_pipe(file.data, file.len, 4096, &opt, &rows) < 0);
	assert_non_null(strstr(err.msg, "the limit is 1000"));
	nst_buf_release(&file);
}

static void stdin_once(void **state)
{
	const char *const path[] = {"-", "-"};
	struct nst_image *im;
	struct nst_in *in;
	int saved = dup(STDIN_FILENO), fd;

	(void)state;
	write_shard("a.h5", 0, 3, NULL);
	fd = open("a.h5", O_RDONLY);
	dup2(fd, STDIN_FILENO);
	close(fd);
	OK(nst_in_open(&in, path, 2, ALL_KINDS, NULL, &err));
	assert_int_equal(nst_in_next(in, &im, &err), 1);
	/* A redirected file has a path that others can refer to. */
	assert_non_null(nst_image_path(im));
	assert_non_null(strstr(nst_image_path(im), "/a.h5"));
	nst_image_free(im);
	FAILS(nst_in_next(in, &im, &err), "standard input is named twice");
	nst_in_close(in);
	dup2(saved, STDIN_FILENO);
	close(saved);
}

/* Images outlive the input and each other. */
static void images_stay(void **state)
{
	struct nst_in_options opt = {.spool = 1};
	struct nst_image *im[3] = {NULL};
	const char *path = "s.h5";
	struct nst_in *in;

	(void)state;
	write_stream("s.h5", 3);
	OK(nst_in_open(&in, &path, 1, ALL_KINDS, &opt, &err));
	for (int i = 0; i < 3; i++)
		assert_int_equal(nst_in_next(in, &im[i], &err), 1);
	nst_in_close(in);
	assert_string_equal(nst_image_name(im[1]), "'s.h5' image 2");
	for (int i = 2; i >= 0; i--) {
		struct nst_samples *s;

		OK(nst_samples_open(&s, im[i], NULL, &err));
		check_sample(s, 3, 4 * i + 3);
		nst_samples_free(s);
		nst_image_free(im[i]);
	}
}

static uint64_t count_rows(const char *first, const char *second)
{
	const char *const path[] = {first, second};
	struct nst_image *im;
	struct nst_in *in;
	uint64_t rows;

	OK(nst_in_open(&in, path, second ? 2 : 1, ALL_KINDS, NULL, &err));
	rows = nst_in_count_rows(in);
	/* Nothing was read by that. */
	if (rows) {
		assert_int_equal(nst_in_next(in, &im, &err), 1);
		nst_image_free(im);
		assert_int_equal(nst_in_count_rows(in), rows);
	}
	nst_in_close(in);
	return rows;
}

static void rows_are_counted(void **state)
{
	struct nst_buf file;

	(void)state;
	write_stream("s.h5", 3);
	write_shard("a.h5", 0, 5, NULL);
	assert_int_equal(count_rows("s.h5", NULL), 12);
	assert_int_equal(count_rows("s.h5", "a.h5"), 17);
	assert_int_equal(count_rows("a.h5", "a.h5"), 10);
	/* What nobody can know; a pipe is not even opened. */
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(count_rows("a.h5", "fifo"), 0);
	assert_int_equal(count_rows("a.h5", "-"), 0);
	assert_int_equal(count_rows("a.h5", "none.h5"), 0);
	file = read_file("s.h5");
	assert_int_equal(truncate("s.h5", (off_t)file.len - 1), 0);
	assert_int_equal(count_rows("s.h5", NULL), 0);
	nst_buf_release(&file);
}

/* ---- outputs ---- */

static void to_stdout(void **state)
{
	int saved = dup(STDOUT_FILENO), fd = open("o.h5", O_RDWR | O_CREAT | O_TRUNC, 0666);
	struct nst_rows *r = rows_of(0, 4);
	struct nst_build *b;

	(void)state;
	OK(nst_shard_build(&b, r, classes3, 3, &err));
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	OK(nst_out_file(NULL, NULL, b, &err));
	dup2(saved, STDOUT_FILENO);
	close(saved);
	nst_build_free(b);
	nst_rows_free(r);
	write_shard("a.h5", 0, 4, NULL);
	assert_true(same_files("o.h5", "a.h5"));
}

static void output_is_input(void **state)
{
	const char *const inputs[] = {"a.h5"};
	struct nst_out_options opt = {.inputs = inputs, .ninputs = 1};
	struct nst_out *out;

	(void)state;
	write_shard("a.h5", 0, 4, NULL);
	assert_int_equal(symlink("a.h5", "l.h5") | link("a.h5", "h.h5"), 0);
	FAILS(nst_out_open(&out, "a.h5", &opt, &err), "the output 'a.h5' is also an input");
	FAILS(nst_out_open(&out, "./l.h5", &opt, &err), "is also an input");
	FAILS(nst_out_open(&out, "h.h5", &opt, &err), "is also an input");
	unlink("l.h5");
	unlink("h.h5");
}

static void unwritable(void **state)
{
	struct nst_out *out;

	(void)state;
	FAILS(nst_out_open(&out, "no/such/x.h5", NULL, &err),
	      "cannot write 'no/such/x.h5': No such file or directory");
	mkdir("dir.h5", 0777);
	FAILS(nst_out_open(&out, "dir.h5", NULL, &err), "cannot write 'dir.h5': it is a directory");
	FAILS(nst_out_open(&out, "", NULL, &err), "empty");
	rmdir("dir.h5");
}

static void nothing_put(void **state)
{
	struct nst_out *out;

	(void)state;
	OK(nst_out_open(&out, "n.h5", NULL, &err));
	FAILS(nst_out_close(out, &err), "nothing to write");
	assert_false(exists("n.h5"));
}

/* /dev/full is always full; a device is written like a pipe. */
static void full_device(void **state)
{
	struct nst_rows *r = rows_of(0, 4);
	struct nst_build *b;

	(void)state;
	OK(nst_shard_build(&b, r, classes3, 3, &err));
	FAILS(nst_out_file("/dev/full", NULL, b, &err),
	      "cannot write '/dev/full': No space left on device");
	OK(nst_out_file("/dev/null", NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
}

static int countdown;

static ssize_t failing_write(int fd, const void *p, size_t n)
{
	if (fd > STDERR_FILENO && --countdown == 0) {
		errno = ENOSPC;
		return -1;
	}
	return write(fd, p, n);
}

static int failing_fsync(int fd)
{
	if (--countdown == 0) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static int failing_rename(const char *from, const char *to)
{
	if (--countdown == 0) {
		errno = EACCES;
		return -1;
	}
	return rename(from, to);
}

/* Fail the n-th system call of an output, for every n: an old file survives, nothing else is left. */
static void fail_nth(void **state)
{
	struct nst_io_calls real = nst_io;
	int failed = 0;

	(void)state;
	assert_int_equal(system("rm -rf ./* .[!.]*"), 0);
	write_shard("x.h5", 0, 2, NULL);
	write_shard("old.h5", 0, 2, NULL);
	for (int n = 1;; n++) {
		struct nst_rows *r = rows_of(0, 4);
		struct nst_build *b;
		struct nst_out *out;
		int code;

		OK(nst_shard_build(&b, r, classes3, 3, &err));
		countdown = n;
		nst_io = (struct nst_io_calls){failing_write, failing_fsync, failing_rename};
		OK(nst_out_open(&out, "x.h5", NULL, &err));
		code = nst_out_put(out, b, &err);
		if (!code)
			code = nst_out_put_last(out, b, &err);
		if (code)
			nst_out_abort(out);
		else
			code = nst_out_close(out, &err);
		nst_io = real;
		nst_build_free(b);
		nst_rows_free(r);
		if (!code)
			break;
		failed++;
		assert_non_null(strstr(err.msg, "'x.h5'"));
		assert_int_equal(count_files(), 2);
		if (strstr(err.msg, "directory")) { /* the last step: the file is there and complete */
			struct nst_verify_result v;

			OK(nst_verify("x.h5", NULL, &v, &err));
			assert_int_equal(v.images, 2);
			write_shard("x.h5", 0, 2, NULL);
		}
		assert_true(same_files("x.h5", "old.h5"));
	}
	assert_in_range(failed, 5, 100); /* 2 writes, fsync, rename, fsync */
	assert_false(same_files("x.h5", "old.h5"));
	assert_int_equal(count_files(), 2);
}

/* A child that limits its file size meets EFBIG (it ignores SIGXFSZ), or dies of it: no file stays. */
static void no_space(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf ./* .[!.]*"), 0);
	for (int ignore = 0; ignore < 2; ignore++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			struct rlimit limit = {2048, 2048};
			struct nst_rows *r = rows_of(0, 4);
			struct nst_build *b;

			if (ignore)
				signal(SIGXFSZ, SIG_IGN);
			setrlimit(RLIMIT_FSIZE, &limit);
			if (nst_shard_build(&b, r, classes3, 3, &err))
				_exit(9);
			_exit(nst_out_file("x.h5", NULL, b, &err) < 0 && strstr(err.msg, "File too large")
				      ? 1
				      : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (ignore)
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		else
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
		assert_int_equal(count_files(), 0);
	}
}

/* Killed by a signal it can catch, a writer leaves nothing; its status tells the signal. */
static void signals_clean_up(void **state)
{
	static const int sig[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	(void)state;
	assert_int_equal(system("rm -rf ./* .[!.]*"), 0);
	for (size_t i = 0; i < sizeof(sig) / sizeof(*sig); i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			struct nst_out *out;

			if (nst_out_open(&out, "x.h5", NULL, &err) || count_files() != 1)
				_exit(9);
			raise(sig[i]);
			_exit(8);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), sig[i]);
		assert_int_equal(count_files(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup3),
		cmocka_unit_test(superblock),
		cmocka_unit_test(not_closed),
		cmocka_unit_test(stream_in_a_file),
		cmocka_unit_test(stream_in_a_pipe),
		cmocka_unit_test(one_image_either_way),
		cmocka_unit_test(streams_in_a_row),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(wrong_order),
		cmocka_unit_test(bytes_behind),
		cmocka_unit_test(limits),
		cmocka_unit_test(stdin_once),
		cmocka_unit_test(images_stay),
		cmocka_unit_test(rows_are_counted),
		cmocka_unit_test(to_stdout),
		cmocka_unit_test(output_is_input),
		cmocka_unit_test(unwritable),
		cmocka_unit_test(nothing_put),
		cmocka_unit_test(full_device),
		cmocka_unit_test(fail_nth),
		cmocka_unit_test(no_space),
		cmocka_unit_test(signals_clean_up),
	};

	return cmocka_run_group_tests_name("stream", tests, scratch_make, scratch_remove);
}
