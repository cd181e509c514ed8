/* Inside of struct nst_image, for image.c, input.c and the typed readers. */
#ifndef NST_FORMATS_IMAGE_H
#define NST_FORMATS_IMAGE_H

#include "formats/input.h"
#include "formats/schema.h"
#include "formats/uuid.h"
#include "libcore/util/mem.h"

/* Bytes that images lie in: a mapped file, which several images may share, or the memory of one. */
struct nst_backing {
	uint8_t *base;
	size_t size;
	int users;
	int spooled; /* base is a mapping of a spool */
	int fd;      /* of the mapped file, or 0: none was kept */
};

/* Drop one user; the last one frees.  NULL is allowed. */
void nst_backing_put(struct nst_backing *b);

struct nst_image_column {
	struct nst_column_id id;
	size_t elem, size;
	uint64_t offset;    /* in the file image; contiguous columns */
	int chunked;        /* expand through libhdf5 */
	const void *data;   /* NULL until the first use */
	void *owned;        /* expanded or realigned copy */
	int verified;
	const char **string; /* table of terminated strings, owned, made on first use */
	char *text;          /* what it points into */
};

struct nst_image {
	struct nst_backing *backing;
	const uint8_t *base; /* of the file image */
	size_t size;
	uint64_t max_column; /* bytes a compressed column may expand to */
	char *name, *path, *dir;
	enum nst_kind kind;
	uint64_t rows;
	char uuid[NST_UUID_LEN + 1];
	char *history;
	int last;
	uint64_t total[2]; /* images and rows of the stream so far, as the image says */
	struct nst_image_column column[NST_MAX_COLUMNS];
	struct nst_attr_value attr[NST_MAX_ATTRS];
	void **owned; /* what views hang on the image */
	size_t nowned;
};

/* Take over a file image: find kind, attributes and columns and hold them against the schema.
 * im->backing, base, size, max_column, name, path and dir are set by the caller.  kinds as in
 * nst_in_open.  The sentence on failure names the image. */
int nst_image_parse(struct nst_image *im, unsigned kinds, struct nst_err *err) NST_MUST_CHECK;

/* Memory that is freed with the image.  NULL on lack of it. */
void *nst_image_alloc(struct nst_image *im, size_t n, size_t size, struct nst_err *err)
	NST_MUST_CHECK;

/* Column that must exist, have `n` in its first dimension and, unless 0, `cols` in its second. */
int nst_image_require(struct nst_image *im, const char *name, uint64_t n, uint64_t cols,
		      struct nst_column *col, struct nst_err *err) NST_MUST_CHECK;

/* Fails with "cannot read NAME: sentence". */
int nst_image_fail(const struct nst_image *im, struct nst_err *err, const char *fmt, ...)
	NST_PRINTF(3, 4);

/* n bytes of a column, beginning at p: *out is p, or where they were read to, in buf.  Reading a piece
 * of a mapped file takes less time than the first touch of its pages, unless it is small.  Any thread;
 * buf is the caller's.  NST_EIO when reading fails, NST_EFORMAT when the file has become shorter. */
int nst_image_read(const struct nst_image *im, const uint8_t *p, size_t n, struct nst_buf *buf,
		   const uint8_t **out, struct nst_err *err) NST_MUST_CHECK;

/* Verify the checksum of a column, also of one that nst_image_column leaves to others; the second
 * time costs nothing. */
int nst_image_verify_column(struct nst_image *im, int index, struct nst_err *err) NST_MUST_CHECK;

#endif
