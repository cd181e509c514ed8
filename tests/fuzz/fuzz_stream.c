/* Framing: any bytes through a pipe.  The parser of superblocks and the reader of pipes are small and
 * ours; they must be right for every input.  libhdf5 sees what framing lets through. */
#include "tests/fuzz/fuzz.h"

#include "formats/input.h"
#include "formats/superblock.h"
#include "tests/unit/formats_util.h"

/* One image of a few kB, and a stream of two. */
static void seeds(struct nst_buf seed[FUZZ_MAX_SEEDS], size_t *count)
{
	struct nst_out *out;

	write_shard("a.h5", 0, 3, NULL);
	seed[(*count)++] = read_file("a.h5");
	OK(nst_out_open(&out, "s.h5", NULL, &err));
	for (int i = 0; i < 2; i++) {
		struct nst_rows *r = rows_of(3 * i, 3 * i + 3);
		struct nst_build *b;

		OK(nst_shard_build(&b, r, classes3, 3, &err));
		OK(nst_out_put(out, b, &err));
		nst_build_free(b);
		nst_rows_free(r);
	}
	OK(nst_out_close(out, &err));
	seed[(*count)++] = read_file("s.h5");
}

/* Images of a pipe are at most as many bytes as went in; what is left of them can be freed. */
static void fuzz_one(const uint8_t *data, size_t n)
{
	struct nst_in_options opt = {.max_image = 1 << 20};
	struct nst_image *im;
	struct nst_in *in;
	uint64_t size;
	int fd[2], saved = dup(STDIN_FILENO), r;

	if (nst_superblock_parse(data, n < NST_SUPERBLOCK_SIZE ? n : NST_SUPERBLOCK_SIZE, &size, &err) == 0 &&
	    (size < NST_SUPERBLOCK_SIZE || n < NST_SUPERBLOCK_SIZE))
		abort();
	if (n > 60000) /* a pipe takes 64 KiB before anybody reads */
		n = 60000;
	if (saved < 0 || pipe(fd) || write(fd[1], data, n) != (ssize_t)n)
		abort();
	close(fd[1]);
	dup2(fd[0], STDIN_FILENO);
	close(fd[0]);
	if (nst_in_open(&in, NULL, 0, ALL_KINDS, &opt, &err))
		abort();
	while ((r = nst_in_next(in, &im, &err)) > 0)
		nst_image_free(im);
	if (r < 0 && (!err.msg[0] || !strstr(err.msg, "standard input")))
		abort();
	nst_in_close(in);
	dup2(saved, STDIN_FILENO);
	close(saved);
}
