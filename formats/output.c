/* Outputs: a file that appears whole, or standard output (or a device, a fifo), which gets the same
 * bytes.  One image is held back, as only the next call tells whether it is the last. */
#include "formats/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/build.h"
#include "formats/layout.h"
#include "libcore/io/atomic.h"
#include "libcore/io/rw.h"
#include "libcore/util/mem.h"

enum { BUFFER = 1 << 20, PIPE_SIZE = 1 << 20 };

struct nst_out {
	struct nst_atomic file;  /* file.fd < 0: fd is written directly */
	int fd;
	char *label;             /* 'a.h5' or standard output */
	char *dir;
	char *run;
	enum nst_compress compress;
	struct nst_build *held;
	uint64_t images, rows;
	int ended;               /* the last image was written */
	uint8_t *buffer;
	size_t fill;
};

/* ---- bytes ---- */

static int flush(struct nst_out *o, struct nst_err *err)
{
	size_t n = o->fill;

	o->fill = 0;
	if (nst_write_full(o->fd, o->buffer, n) < 0)
		return nst_fail_errno(err, "cannot write %s", o->label);
	return 0;
}

static int emit(struct nst_out *o, const void *p, size_t n, struct nst_err *err)
{
	int r = 0;

	if (n > BUFFER - o->fill)
		r = flush(o, err);
	if (r)
		return r;
	if (n >= BUFFER) {
		if (nst_write_full(o->fd, p, n) < 0)
			r = nst_fail_errno(err, "cannot write %s", o->label);
	} else if (n) {
		memcpy(o->buffer + o->fill, p, n);
		o->fill += n;
	}
	return r;
}

static int emit_layout(struct nst_out *o, const struct nst_layout *l, struct nst_err *err)
{
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; !r && i < l->extents; i++) {
		const struct nst_build_column *c = l->extent[i].column;

		r = emit(o, l->region.base + at, (size_t)l->extent[i].offset - at, err);
		for (size_t k = 0; !r && k < c->segments; k++)
			r = emit(o, c->segment[k].data, c->segment[k].size, err);
		at = (size_t)l->extent[i].offset + c->size;
	}
	if (!r)
		r = emit(o, l->region.base + at, l->region.used - at, err);
	return r ? r : flush(o, err);
}

static int write_image(struct nst_out *o, const struct nst_build *b, int last, struct nst_err *err)
{
	struct nst_layout_options opt = {
		.last = last,
		.images = o->images + 1,
		.rows = o->rows + b->rows,
		.run = o->run,
		.compress = o->compress,
	};
	struct nst_layout l;
	int r = nst_layout_init(&l, b, &opt, err);

	if (r)
		return r;
	r = emit_layout(o, &l, err);
	nst_layout_release(&l);
	o->images++;
	o->rows += b->rows;
	o->ended = last;
	return r;
}

/* ---- names ---- */

/* Refuse an output that is one of the inputs: it would be read while it is replaced. */
static int refuse_inputs(const struct nst_out *o, const struct stat *out,
			 const struct nst_out_options *opt, struct nst_err *err)
{
	for (size_t i = 0; i < opt->ninputs; i++) {
		const char *path = opt->inputs[i];
		struct stat in;

		if ((strcmp(path, "-") ? stat(path, &in) : fstat(STDIN_FILENO, &in)) < 0)
			continue; /* the reader will say so */
		if (S_ISREG(in.st_mode) && in.st_dev == out->st_dev && in.st_ino == out->st_ino)
			return nst_fail(err, NST_EINVAL, "the output %s is also an input", o->label);
	}
	return 0;
}

/* Directory of the file that fd is, or the current one. */
static char *dir_of_fd(int fd)
{
	char link[64], buf[PATH_MAX], *slash;
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return getcwd(NULL, 0);
	n = readlink(link, buf, sizeof(buf) - 1);
	if (n <= 0)
		return getcwd(NULL, 0);
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (!slash)
		return getcwd(NULL, 0);
	slash[slash == buf] = '\0';
	return strdup(buf);
}

static int open_path(struct nst_out *o, const char *path, const struct nst_out_options *opt,
		     struct nst_err *err)
{
	struct stat st;
	int exists = !stat(path, &st), r;

	if (exists && opt) {
		r = refuse_inputs(o, &st, opt, err);
		if (r)
			return r;
	}
	/* A device or a fifo cannot be replaced by a finished file: it is written like a pipe. */
	if (exists && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return o->fd < 0 ? nst_fail_errno(err, "cannot write %s", o->label) : 0;
	}
	r = nst_atomic_open(&o->file, path, err);
	o->fd = o->file.fd;
	return r;
}

static int open_stdout(struct nst_out *o, const struct nst_out_options *opt, struct nst_err *err)
{
	struct stat st;

	o->fd = STDOUT_FILENO;
	if (fstat(o->fd, &st) < 0)
		return nst_fail_errno(err, "cannot write %s", o->label);
	(void)fcntl(o->fd, F_SETPIPE_SZ, PIPE_SIZE);
	return opt ? refuse_inputs(o, &st, opt, err) : 0;
}

int nst_out_open(struct nst_out **out, const char *path, const struct nst_out_options *opt,
		 struct nst_err *err)
{
	int is_stdout = !path || !strcmp(path, "-"), r = 0;
	struct nst_out *o = nst_zalloc(1, sizeof(*o), err);

	if (!o)
		return err->code;
	o->file.fd = o->fd = -1;
	if (asprintf(&o->label, is_stdout ? "standard output" : "'%s'", path) < 0) {
		o->label = NULL;
		r = nst_fail_mem(err, 64);
	}
	o->buffer = r ? NULL : nst_alloc_aligned(BUFFER, 1, err);
	if (opt) {
		o->compress = opt->compress;
		o->run = opt->run && o->buffer ? nst_strdup(opt->run, err) : NULL;
	}
	if (!o->buffer || (opt && opt->run && !o->run))
		r = err->code;
	if (!r)
		r = is_stdout ? open_stdout(o, opt, err) : open_path(o, path, opt, err);
	if (!r) {
		o->dir = dir_of_fd(o->fd);
		if (!o->dir)
			r = nst_fail_errno(err, "cannot find the directory of %s", o->label);
	}
	if (r) {
		nst_out_abort(o);
		return r;
	}
	*out = o;
	return 0;
}

const char *nst_out_dir(const struct nst_out *o)
{
	return o->dir;
}

/* ---- images ---- */

static int flush_held(struct nst_out *o, int last, struct nst_err *err)
{
	struct nst_build *held = o->held;
	int r;

	if (!held)
		return 0;
	o->held = NULL;
	r = write_image(o, held, last, err);
	nst_build_free(held);
	return r;
}

int nst_out_put(struct nst_out *o, struct nst_build *b, struct nst_err *err)
{
	int r = flush_held(o, 0, err);

	if (!r)
		r = nst_build_seal(b, err);
	if (r)
		return r;
	o->held = nst_build_clone(b, err);
	return o->held ? 0 : err->code;
}

int nst_out_put_last(struct nst_out *o, struct nst_build *b, struct nst_err *err)
{
	int r = flush_held(o, 0, err);

	if (!r)
		r = nst_build_seal(b, err);
	return r ? r : write_image(o, b, 1, err);
}

/* Everything is written: make sure that it stays. */
static int finish(struct nst_out *o, struct nst_err *err)
{
	struct stat st;

	if (o->file.fd >= 0) {
		o->fd = -1;
		return nst_atomic_commit(&o->file, err);
	}
	/* A redirected file: a full disk may only show now. */
	if (!fstat(o->fd, &st) && S_ISREG(st.st_mode) && nst_io.fsync(o->fd) < 0 && errno != EINVAL)
		return nst_fail_errno(err, "cannot write %s", o->label);
	if (o->fd != STDOUT_FILENO) {
		int fd = o->fd;

		o->fd = -1;
		if (close(fd) < 0)
			return nst_fail_errno(err, "cannot write %s", o->label);
	}
	return 0;
}

int nst_out_close(struct nst_out *o, struct nst_err *err)
{
	int r = flush_held(o, 1, err);

	if (!r && !o->ended)
		r = nst_fail(err, NST_EINVAL, "there is nothing to write to %s", o->label);
	if (!r)
		r = finish(o, err);
	nst_out_abort(o);
	return r;
}

void nst_out_abort(struct nst_out *o)
{
	if (!o)
		return;
	if (o->file.fd >= 0)
		nst_atomic_abort(&o->file);
	else if (o->fd > STDERR_FILENO)
		close(o->fd);
	nst_build_free(o->held);
	free(o->buffer);
	free(o->label);
	free(o->dir);
	free(o->run);
	free(o);
}

int nst_out_probe(const char *path, const struct nst_out_options *opt, struct nst_err *err)
{
	struct nst_out *o;
	int r = nst_out_open(&o, path, opt, err);

	if (r)
		return r;
	nst_out_abort(o);
	return 0;
}

int nst_out_file(const char *path, const struct nst_out_options *opt, struct nst_build *b,
		 struct nst_err *err)
{
	struct nst_out *o;
	int r = nst_out_open(&o, path, opt, err);

	if (r)
		return r;
	r = nst_out_put_last(o, b, err);
	if (r) {
		nst_out_abort(o);
		return r;
	}
	return nst_out_close(o, err);
}
