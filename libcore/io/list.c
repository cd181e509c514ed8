/* Lists of file names.  A name may hold any byte but NUL, so lists come with either separator. */
#include "libcore/io/list.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/io/readall.h"
#include "libcore/util/mem.h"

/* A list of a hundred million names is not a list any more. */
#define LIST_LIMIT ((uint64_t)8 << 30)

int nst_list_add_n(struct nst_list *l, const char *s, size_t n, struct nst_err *err)
{
	char *copy;

	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		char **item = realloc(l->item, cap * sizeof(*item));

		if (!item)
			return nst_fail_mem(err, cap * sizeof(*item));
		l->item = item;
		l->cap = cap;
	}
	copy = nst_alloc(n + 1, 1, err);
	if (!copy)
		return err->code;
	memcpy(copy, s, n);
	copy[n] = '\0';
	l->item[l->count++] = copy;
	return 0;
}

int nst_list_add(struct nst_list *l, const char *s, struct nst_err *err)
{
	return nst_list_add_n(l, s, strlen(s), err);
}

int nst_list_read(struct nst_list *l, const char *path, char separator, struct nst_err *err)
{
	const char *name = strcmp(path, "-") ? path : "standard input";
	struct nst_buf b = {0};
	int r = nst_read_all(path, LIST_LIMIT, &b, err);
	const char *p = (const char *)b.data, *end = p + b.len;

	if (!r && b.len && separator != '\0' && memchr(b.data, '\0', b.len))
		r = nst_fail(err, NST_EFORMAT, "the list in '%s' holds a NUL byte", name);
	while (!r && p < end) {
		const char *q = memchr(p, separator, (size_t)(end - p));
		size_t n;

		if (!q)
			q = end;
		n = (size_t)(q - p);
		if (separator == '\n' && n && p[n - 1] == '\r')
			n--;
		if (n)
			r = nst_list_add_n(l, p, n, err);
		p = q + 1;
	}
	nst_buf_release(&b);
	return r;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void nst_list_sort(struct nst_list *l)
{
	if (l->count)
		qsort(l->item, l->count, sizeof(*l->item), by_bytes);
}

void nst_list_release(struct nst_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->item[i]);
	free(l->item);
	memset(l, 0, sizeof(*l));
}
