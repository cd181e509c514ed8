/* Fuzz targets that any compiler builds.
 *
 * A target defines fuzz_one(), as for libFuzzer, and seeds(), which makes good inputs for it.  With
 * -DNST_LIBFUZZER (clang -fsanitize=fuzzer) only the entry point is left; else main() mutates the
 * seeds:
 *
 *	fuzz_X [RUNS [SEED]]     mutate; the same numbers give the same inputs
 *	fuzz_X FILE...           run these files: a corpus, or a case that failed
 *
 * A case that crashes or hangs is left behind as the file fuzz-case in the current directory. */
#ifndef NST_TESTS_FUZZ_H
#define NST_TESTS_FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcore/io/readall.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"
#include "libcore/util/rng.h"

/* Run the target on n bytes. */
static void fuzz_one(const uint8_t *data, size_t n);

/* Append good inputs; called once in an empty scratch directory. */
#define FUZZ_MAX_SEEDS 32
static void seeds(struct nst_buf seed[FUZZ_MAX_SEEDS], size_t *count);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_one(data, n);
	return 0;
}

#ifndef NST_LIBFUZZER

enum { FUZZ_SECONDS = 30, FUZZ_RUNS = 2000 };

/* Numbers that sizes and counts go wrong at. */
static uint64_t fuzz_interesting(struct nst_rng *g)
{
	static const uint64_t v[] = {0, 1, 2, 7, 8, 127, 128, 255, 256, 65535, 65536, INT32_MAX, UINT32_MAX,
				     (uint64_t)1 << 32, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};

	return v[nst_rng_below(g, sizeof(v) / sizeof(*v))];
}

/* One to four small changes. */
static void fuzz_mutate(struct nst_buf *b, struct nst_rng *g)
{
	for (uint32_t k = 1 + nst_rng_below(g, 4); k > 0 && b->len; k--) {
		size_t at = nst_rng_below(g, (uint32_t)b->len), n = 1 + nst_rng_below(g, 16);
		uint64_t v = fuzz_interesting(g);

		n = n > b->len - at ? b->len - at : n;
		switch (nst_rng_below(g, 6)) {
		case 0:
			b->data[at] ^= (uint8_t)(1u << nst_rng_below(g, 8));
			break;
		case 1:
			for (size_t i = 0; i < n; i++)
				b->data[at + i] = (uint8_t)nst_rng_u32(g);
			break;
		case 2: /* a little-endian number of 1, 2, 4 or 8 bytes */
			n = (size_t)1 << nst_rng_below(g, 4);
			memcpy(b->data + at, &v, n > b->len - at ? b->len - at : n);
			break;
		case 3: /* a piece from elsewhere */
			memmove(b->data + at, b->data + nst_rng_below(g, (uint32_t)(b->len - n + 1)), n);
			break;
		case 4: /* cut out */
			memmove(b->data + at, b->data + at + n, b->len - at - n);
			b->len -= n;
			break;
		case 5: /* cut off */
			if (nst_rng_below(g, 8) == 0)
				b->len = at;
			break;
		}
	}
}

static int fuzz_files(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct nst_buf b = {0};
		struct nst_err err;

		if (nst_read_all(argv[i], UINT64_MAX, &b, &err)) {
			fprintf(stderr, "fuzz: %s\n", err.msg);
			return 1;
		}
		fuzz_one(b.data, b.len);
		nst_buf_release(&b);
	}
	return 0;
}

/* Keep the coming case where it can be found if it is the last one. */
static int fuzz_keep(int fd, const struct nst_buf *b)
{
	return ftruncate(fd, (off_t)b->len) || pwrite(fd, b->data, b->len, 0) != (ssize_t)b->len ? -1 : 0;
}

/* Make the seeds in a scratch directory that is gone afterwards. */
static int fuzz_seed(struct nst_buf seed[FUZZ_MAX_SEEDS], size_t *count)
{
	const char *tmp = getenv("TMPDIR");
	int home = open(".", O_RDONLY | O_DIRECTORY), r;
	char dir[256], command[300];

	snprintf(dir, sizeof(dir), "%s/nst-fuzz.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (home < 0 || !mkdtemp(dir) || chdir(dir))
		return -1;
	seeds(seed, count);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	r = fchdir(home) || system(command) ? -1 : 0;
	close(home);
	return r;
}

int main(int argc, char **argv)
{
	struct nst_buf seed[FUZZ_MAX_SEEDS] = {{0}}, b = {0};
	int64_t runs = FUZZ_RUNS, number = 1;
	struct nst_err err;
	size_t count = 0;
	int fd;

	if (argc > 1 && nst_parse_int(argv[1], &runs))
		return fuzz_files(argc, argv);
	if (argc > 2 && nst_parse_int(argv[2], &number))
		return 2;
	if (fuzz_seed(seed, &count))
		return 1;
	fd = open("fuzz-case", O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (fd < 0)
		return 1;
	for (int64_t i = -(int64_t)count; i < runs; i++) { /* first the seeds as they are */
		const struct nst_buf *s;
		struct nst_rng g;

		nst_rng_init(&g, (uint64_t)number, NST_RNG_TEST, 0, (uint64_t)i);
		s = &seed[i < 0 ? (size_t)-i - 1 : nst_rng_below(&g, (uint32_t)count)];
		b.len = 0;
		if (nst_buf_append(&b, s->data, s->len, &err))
			return 1;
		if (i >= 0)
			fuzz_mutate(&b, &g);
		if (fuzz_keep(fd, &b))
			return 1;
		alarm(FUZZ_SECONDS);
		fuzz_one(b.data, b.len);
	}
	alarm(0);
	close(fd);
	unlink("fuzz-case");
	for (size_t i = 0; i < count; i++)
		nst_buf_release(&seed[i]);
	nst_buf_release(&b);
	return 0;
}

#endif
#endif
