/* Memory with checked sizes.  Sizes that come from files pass through here. */
#include "libcore/util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Blocks of at least so much are whole large pages where the kernel leaves that to the program: a new
 * page costs a visit to the kernel, and 512 small ones take several times as long as a large one. */
enum { LARGE_PAGE = 2 << 20 };

int nst_mul_size(size_t a, size_t b, size_t *out)
{
	return __builtin_mul_overflow(a, b, out) ? NST_ELIMIT : 0;
}

static void *finish(void *p, size_t bytes, struct nst_err *err)
{
	if (!p)
		nst_fail_mem(err, bytes);
	return p;
}

void *nst_alloc(size_t n, size_t size, struct nst_err *err)
{
	size_t bytes;

	if (nst_mul_size(n, size, &bytes))
		return finish(NULL, SIZE_MAX, err);
	return finish(malloc(bytes ? bytes : 1), bytes, err);
}

void *nst_zalloc(size_t n, size_t size, struct nst_err *err)
{
	size_t bytes;

	if (nst_mul_size(n, size, &bytes))
		return finish(NULL, SIZE_MAX, err);
	return finish(calloc(bytes ? bytes : 1, 1), bytes, err);
}

/* Ask for large pages where whole ones fit.  A hint: where it is not taken, some time is lost and nothing
 * else. */
static void advise(void *p, size_t bytes)
{
#ifdef MADV_HUGEPAGE
	uintptr_t first = ((uintptr_t)p + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	uintptr_t end = ((uintptr_t)p + bytes) / LARGE_PAGE * LARGE_PAGE;

	if (p && first < end)
		(void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
	(void)p;
	(void)bytes;
#endif
}

/* An aligned block; a large one consists of whole large pages. */
static void *block(size_t bytes)
{
	size_t align = bytes < LARGE_PAGE ? NST_ALIGN : LARGE_PAGE;
	void *p;

	if (bytes > SIZE_MAX - LARGE_PAGE)
		return NULL;
	bytes = bytes ? (bytes + align - 1) / align * align : align;
	p = aligned_alloc(align, bytes);
	advise(p, bytes);
	return p;
}

void *nst_alloc_aligned(size_t n, size_t size, struct nst_err *err)
{
	size_t bytes;

	if (nst_mul_size(n, size, &bytes))
		return finish(NULL, SIZE_MAX, err);
	return finish(block(bytes), bytes, err);
}

char *nst_strdup(const char *s, struct nst_err *err)
{
	return finish(strdup(s), strlen(s) + 1, err);
}

int nst_buf_reserve(struct nst_buf *b, size_t more, struct nst_err *err)
{
	size_t need, cap;
	void *p;

	if (__builtin_add_overflow(b->len, more, &need))
		return nst_fail_mem(err, SIZE_MAX);
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 256;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->len == 0 && cap >= LARGE_PAGE) { /* nothing to keep: it can begin on a large page */
		p = block(cap);
		if (p)
			free(b->data);
	} else {
		p = realloc(b->data, cap);
		advise(p, cap);
	}
	if (!p)
		return nst_fail_mem(err, cap);
	b->data = p;
	b->cap = cap;
	return 0;
}

int nst_buf_printf(struct nst_buf *b, struct nst_err *err, const char *fmt, ...)
{
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return nst_fail(err, NST_EINVAL, "cannot format a message");
	r = nst_buf_reserve(b, (size_t)n + 1, err);
	if (r)
		return r;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void nst_buf_release(struct nst_buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}
