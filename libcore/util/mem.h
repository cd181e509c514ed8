/* Memory: checked sizes, aligned blocks, and the growing byte buffer. */
#ifndef NST_UTIL_MEM_H
#define NST_UTIL_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "libcore/util/err.h"

#define NST_ALIGN 64 /* bytes; one cache line, one AVX-512 vector */

/* Multiply two sizes into *out.  Returns 0, or NST_ELIMIT when the product does not fit. */
int nst_mul_size(size_t a, size_t b, size_t *out) NST_MUST_CHECK;

/* Allocate n * size bytes; the caller frees with free().  n * size may be 0 (a valid pointer is
 * returned).  Returns NULL on overflow or lack of memory, with the sentence in err. */
void *nst_alloc(size_t n, size_t size, struct nst_err *err) NST_MUST_CHECK;

/* As nst_alloc, filled with zeros. */
void *nst_zalloc(size_t n, size_t size, struct nst_err *err) NST_MUST_CHECK;

/* As nst_alloc, aligned to NST_ALIGN and rounded up to whole lines, or from 4 MiB on to whole large
 * pages; contents are undefined. */
void *nst_alloc_aligned(size_t n, size_t size, struct nst_err *err) NST_MUST_CHECK;

/* Copy of a string; the caller frees.  NULL on lack of memory. */
char *nst_strdup(const char *s, struct nst_err *err) NST_MUST_CHECK;

/* Growing byte buffer. `data` is owned; zero-initialise, release with nst_buf_release. */
struct nst_buf {
	uint8_t *data;
	size_t len, cap;
};

int nst_buf_reserve(struct nst_buf *b, size_t more, struct nst_err *err) NST_MUST_CHECK;
int nst_buf_printf(struct nst_buf *b, struct nst_err *err, const char *fmt, ...)
	NST_MUST_CHECK NST_PRINTF(3, 4);
void nst_buf_release(struct nst_buf *b);

/* Inline, since columns grow by one number at a time. */
NST_MUST_CHECK static inline int nst_buf_append(struct nst_buf *b, const void *p, size_t n,
						struct nst_err *err)
{
	if (n > b->cap - b->len) {
		int r = nst_buf_reserve(b, n, err);

		if (r)
			return r;
	}
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	return 0;
}

#endif
