/* Inputs: operands in order, each a run of file images.
 *
 * Framing needs no libhdf5: the superblock at the start of an image says where it ends.  An operand
 * must end with an image that says it is the last of its stream; after one, another stream may
 * follow ("cat a.h5 b.h5 |").  Anything else at the end means that a writer died, and is an error.
 * The totals that images carry are compared with our count, so that one lost in between shows. */
#include "formats/input.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/image.h"
#include "formats/superblock.h"
#include "libcore/io/map.h"
#include "libcore/io/rw.h"
#include "libcore/io/spool.h"
#include "libcore/util/mem.h"

#define DEFAULT_MAX_IMAGE ((uint64_t)16 << 30)

enum { PIPE_SIZE = 1 << 20, SPOOL_ALIGNMENT = 64, COPY_BLOCK = 1 << 18 };

/* Descriptors of input files that stay open are below this, which leaves some of the usual 1024. */
enum { MOST_KEPT = 512 };

struct nst_in {
	const char *const *paths;
	size_t npaths, next; /* next operand to open */
	unsigned kinds;
	struct nst_in_options opt;
	int stdin_used;

	/* the open operand */
	int open;
	int fd;                      /* pipe; -1 when mapped */
	struct nst_backing *backing; /* mapped file; NULL when a pipe */
	size_t at;                   /* in the mapped file */
	char *label;                 /* 'a.h5' or standard input */
	char *path, *dir;
	uint64_t images;             /* of the operand so far */
	int last;                    /* the latest image was the last of its stream */
	uint64_t total[2];           /* images and rows of the stream so far */

	struct nst_spool spool;
	int spooling;
};

static const char *const stdin_only[] = {"-"};

int nst_in_open(struct nst_in **out, const char *const *paths, size_t npaths, unsigned kinds,
		const struct nst_in_options *opt, struct nst_err *err)
{
	struct nst_in *in = nst_zalloc(1, sizeof(*in), err);

	if (!in)
		return err->code;
	in->paths = npaths ? paths : stdin_only;
	in->npaths = npaths ? npaths : 1;
	in->kinds = kinds;
	if (opt)
		in->opt = *opt;
	if (!in->opt.max_image)
		in->opt.max_image = DEFAULT_MAX_IMAGE;
	in->fd = -1;
	in->spool.fd = -1;
	*out = in;
	return 0;
}

static void close_operand(struct nst_in *in)
{
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	in->fd = -1;
	nst_backing_put(in->backing);
	in->backing = NULL;
	free(in->label);
	free(in->path);
	free(in->dir);
	in->label = in->path = in->dir = NULL;
	in->open = 0;
}

void nst_in_close(struct nst_in *in)
{
	if (!in)
		return;
	close_operand(in);
	nst_spool_release(&in->spool);
	free(in);
}

/* Absolute path of the open file, from the kernel: also standard input may be a file. */
static char *real_path(int fd)
{
	char link[64], buf[PATH_MAX];
	struct stat a, b;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, sizeof(buf) - 1);
	if (n <= 0)
		return NULL;
	buf[n] = '\0';
	/* A file that was renamed or removed since has no path that others could follow. */
	if (fstat(fd, &a) || stat(buf, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return NULL;
	return strdup(buf);
}

static char *dir_of(const char *path)
{
	const char *slash;

	if (!path)
		return getcwd(NULL, 0);
	slash = strrchr(path, '/');
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A descriptor of the same file that stays, or 0 where many are open: files without one are read by
 * way of their mapping alone. */
static int keep_open(int fd)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (kept < MOST_KEPT)
		return kept > 0 ? kept : 0;
	close(kept);
	return 0;
}

static int open_file(struct nst_in *in, int fd, struct nst_err *err)
{
	struct nst_map map;
	off_t at = lseek(fd, 0, SEEK_CUR); /* standard input may have been read from */
	int r = nst_map_fd(&map, fd, in->label, err);

	if (r)
		return r;
	in->backing = nst_zalloc(1, sizeof(*in->backing), err);
	if (!in->backing) {
		nst_map_release(&map);
		return err->code;
	}
	*in->backing = (struct nst_backing){
		(uint8_t *)(uintptr_t)map.data, map.size, 1, 0, keep_open(fd),
	};
	in->at = at > 0 && (size_t)at <= map.size ? (size_t)at : 0;
	in->path = real_path(fd);
	return 0;
}

static int open_operand(struct nst_in *in, struct nst_err *err)
{
	const char *operand = in->paths[in->next++];
	int is_stdin = !strcmp(operand, "-"), fd = STDIN_FILENO, r = 0;
	struct stat st;

	if (is_stdin && in->stdin_used++)
		return nst_fail(err, NST_EINVAL, "standard input is named twice");
	if (!is_stdin) {
		fd = open(operand, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return nst_fail_errno(err, "cannot open '%s'", operand);
	}
	if (asprintf(&in->label, is_stdin ? "standard input" : "'%s'", operand) < 0) {
		in->label = NULL;
		r = nst_fail_mem(err, strlen(operand));
	} else if (fstat(fd, &st) < 0) {
		r = nst_fail_errno(err, "cannot read %s", in->label);
	} else if (S_ISDIR(st.st_mode)) {
		r = nst_fail(err, NST_EIO, "cannot read %s: it is a directory", in->label);
	} else if (S_ISREG(st.st_mode)) {
		r = open_file(in, fd, err);
	} else {
		/* Fewer switches between writer and reader; refused where a user has too many. */
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
		in->fd = fd;
	}
	if (in->fd < 0 && fd != STDIN_FILENO)
		close(fd);
	in->open = 1;
	in->images = 0;
	in->last = 1;
	if (!r) {
		in->dir = dir_of(in->path);
		if (!in->dir)
			r = nst_fail_errno(err, "cannot find the current directory");
	}
	return r;
}

/* A run of bytes: the next image. */
struct frame {
	struct nst_backing *backing; /* one user is the frame's */
	const uint8_t *base;
	size_t size;
};

/* Sentence for an image that stops before its end. */
static int cut_short(const struct nst_in *in, uint64_t have, uint64_t size, struct nst_err *err)
{
	return nst_fail(err, NST_EFORMAT, "%s ended early: %llu of %llu bytes of image %llu", in->label,
			(unsigned long long)have, (unsigned long long)size,
			(unsigned long long)in->images + 1);
}

/* Parse the head of an image, n bytes that are all there are if fewer than a superblock. */
static int parse_head(const struct nst_in *in, const uint8_t *head, size_t n, uint64_t *size,
		      struct nst_err *err)
{
	int r = nst_superblock_parse(head, n, size, err);

	if (r && in->images)
		return nst_err_prefix(err, "cannot read %s behind image %llu", in->label,
				      (unsigned long long)in->images);
	return r ? nst_err_prefix(err, "cannot read %s", in->label) : 0;
}

static int frame_file(struct nst_in *in, struct frame *f, struct nst_err *err)
{
	size_t rest = in->backing->size - in->at;
	const uint8_t *base = in->backing->base + in->at;
	uint64_t size;
	int r;

	if (!rest && in->images)
		return 0;
	r = parse_head(in, base, rest < NST_SUPERBLOCK_SIZE ? rest : NST_SUPERBLOCK_SIZE, &size, err);
	if (r)
		return r;
	if (size > rest)
		return cut_short(in, rest, size, err);
	in->backing->users++;
	*f = (struct frame){in->backing, base, (size_t)size};
	in->at += (size_t)size;
	return 1;
}

/* Read the rest of an image into memory; pages come into being as the bytes arrive, so a false size
 * costs nothing. */
static int pipe_to_memory(struct nst_in *in, const uint8_t *head, struct nst_backing *b,
			  struct nst_err *err)
{
	void *p = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	ssize_t n;

	if (p == MAP_FAILED)
		return nst_fail_mem(err, b->size);
	b->base = p;
	memcpy(p, head, NST_SUPERBLOCK_SIZE);
	n = nst_read_full(in->fd, b->base + NST_SUPERBLOCK_SIZE, b->size - NST_SUPERBLOCK_SIZE);
	if (n < 0)
		return nst_fail_errno(err, "cannot read %s", in->label);
	if ((size_t)n < b->size - NST_SUPERBLOCK_SIZE)
		return cut_short(in, NST_SUPERBLOCK_SIZE + (uint64_t)n, b->size, err);
	return 0;
}

static int pipe_to_spool(struct nst_in *in, const uint8_t *head, struct nst_backing *b,
			 struct nst_err *err)
{
	static const uint8_t zero[SPOOL_ALIGNMENT];
	uint64_t start, done = NST_SUPERBLOCK_SIZE;
	uint8_t *block;
	int r = 0;

	if (!in->spooling) {
		r = nst_spool_open(&in->spool, err);
		if (r)
			return r;
		in->spooling = 1;
	}
	if (in->spool.size % SPOOL_ALIGNMENT)
		r = nst_spool_append(&in->spool, zero, SPOOL_ALIGNMENT - in->spool.size % SPOOL_ALIGNMENT,
				     err);
	start = in->spool.size;
	if (!r)
		r = nst_spool_append(&in->spool, head, NST_SUPERBLOCK_SIZE, err);
	if (r)
		return r;
	block = nst_alloc(COPY_BLOCK, 1, err);
	if (!block)
		return err->code;
	while (!r && done < b->size) {
		size_t want = b->size - done < COPY_BLOCK ? (size_t)(b->size - done) : COPY_BLOCK;
		ssize_t n = nst_read_full(in->fd, block, want);

		if (n < 0)
			r = nst_fail_errno(err, "cannot read %s", in->label);
		else if (n == 0)
			r = cut_short(in, done, b->size, err);
		else
			r = nst_spool_append(&in->spool, block, (size_t)n, err);
		done += n > 0 ? (uint64_t)n : 0;
	}
	free(block);
	if (r)
		return r;
	b->base = (uint8_t *)(uintptr_t)nst_spool_map(&in->spool, start, b->size, err);
	b->spooled = 1;
	return b->base ? 0 : err->code;
}

static int frame_pipe(struct nst_in *in, struct frame *f, struct nst_err *err)
{
	uint8_t head[NST_SUPERBLOCK_SIZE];
	ssize_t n = nst_read_full(in->fd, head, sizeof(head));
	struct nst_backing *b;
	uint64_t size;
	int r;

	if (n < 0)
		return nst_fail_errno(err, "cannot read %s", in->label);
	if (n == 0 && in->images)
		return 0;
	r = parse_head(in, head, (size_t)n, &size, err);
	if (r)
		return r;
	if (size > in->opt.max_image)
		return nst_fail(err, NST_ELIMIT, "an image of %s has %llu bytes, the limit is %llu",
				in->label, (unsigned long long)size,
				(unsigned long long)in->opt.max_image);
	b = nst_zalloc(1, sizeof(*b), err);
	if (!b)
		return err->code;
	b->size = (size_t)size;
	b->users = 1;
	r = in->opt.spool ? pipe_to_spool(in, head, b, err) : pipe_to_memory(in, head, b, err);
	if (r) {
		nst_backing_put(b);
		return r;
	}
	*f = (struct frame){b, b->base, b->size};
	return 1;
}

/* The operand has no more bytes: was that its declared end? */
static int end_operand(const struct nst_in *in, struct nst_err *err)
{
	if (in->last)
		return 0;
	return nst_fail(err, NST_EFORMAT, "%s ended early: image %llu says that more follow", in->label,
			(unsigned long long)in->images);
}

static struct nst_image *make_image(struct nst_in *in, const struct frame *f, struct nst_err *err)
{
	struct nst_image *im = nst_zalloc(1, sizeof(*im), err);
	int n;

	if (!im) {
		nst_backing_put(f->backing);
		return NULL;
	}
	im->backing = f->backing;
	im->base = f->base;
	im->size = f->size;
	im->max_column = in->opt.max_image;
	im->dir = nst_strdup(in->dir, err);
	im->path = in->path ? nst_strdup(in->path, err) : NULL;
	n = in->images == 1 ? asprintf(&im->name, "%s", in->label)
			    : asprintf(&im->name, "%s image %llu", in->label,
				       (unsigned long long)in->images);
	if (n < 0)
		im->name = NULL;
	if (!im->dir || !im->name || (in->path && !im->path)) {
		nst_fail_mem(err, sizeof(*im));
		nst_image_free(im);
		return NULL;
	}
	return im;
}

/* Hold the image's idea of its place in the stream against ours. */
static int follow_stream(struct nst_in *in, const struct nst_image *im, struct nst_err *err)
{
	if (in->last)
		in->total[0] = in->total[1] = 0;
	in->total[0]++;
	if (__builtin_add_overflow(in->total[1], im->rows, &in->total[1]) ||
	    in->total[0] != im->total[0] || in->total[1] != im->total[1])
		return nst_image_fail(im, err,
				      "it should be image %llu of its stream and reach row %llu, but %llu "
				      "images and %llu rows came: something is missing",
				      (unsigned long long)im->total[0], (unsigned long long)im->total[1],
				      (unsigned long long)in->total[0],
				      (unsigned long long)in->total[1]);
	in->last = im->last;
	return 0;
}

int nst_in_next(struct nst_in *in, struct nst_image **image, struct nst_err *err)
{
	struct nst_image *im;
	struct frame f = {0};
	int r;

	for (;;) {
		if (!in->open) {
			if (in->next == in->npaths)
				return 0;
			r = open_operand(in, err);
			if (r)
				return r;
		}
		r = in->fd >= 0 ? frame_pipe(in, &f, err) : frame_file(in, &f, err);
		if (r < 0)
			return r;
		if (r > 0)
			break;
		r = end_operand(in, err);
		if (r)
			return r;
		close_operand(in);
	}
	in->images++;
	im = make_image(in, &f, err);
	if (!im)
		return err->code;
	r = nst_image_parse(im, in->kinds, err);
	if (!r)
		r = follow_stream(in, im, err);
	if (r) {
		nst_image_free(im);
		return r;
	}
	*image = im;
	return 1;
}

static int is_regular(const char *operand)
{
	struct stat st;

	return strcmp(operand, "-") != 0 && stat(operand, &st) == 0 && S_ISREG(st.st_mode);
}

uint64_t nst_in_count_rows(const struct nst_in *in)
{
	struct nst_in *again;
	struct nst_image *im;
	struct nst_err err;
	uint64_t rows = 0;
	int r;

	for (size_t i = 0; i < in->npaths; i++)
		if (!is_regular(in->paths[i]))
			return 0;
	if (nst_in_open(&again, in->paths, in->npaths, in->kinds, &in->opt, &err) < 0)
		return 0;
	while ((r = nst_in_next(again, &im, &err)) > 0) {
		rows += nst_image_rows(im);
		nst_image_free(im);
	}
	nst_in_close(again);
	return r < 0 ? 0 : rows;
}

int nst_image_open(struct nst_image **image, const char *path, unsigned kinds, struct nst_err *err)
{
	struct nst_image *im = NULL, *more = NULL;
	struct nst_in *in = NULL;
	int r = nst_in_open(&in, &path, 1, kinds, NULL, err);

	if (r)
		return r;
	r = nst_in_next(in, &im, err);
	if (r > 0) {
		r = nst_in_next(in, &more, err);
		if (r > 0) {
			r = nst_fail(err, NST_EFORMAT, "%s holds several images, one is needed", im->name);
			nst_image_free(more);
		}
	}
	nst_in_close(in);
	if (r < 0) {
		nst_image_free(im);
		return r;
	}
	*image = im;
	return 0;
}
