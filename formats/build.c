/* Images under construction: columns by name, checked against the schema as they come. */
#include "formats/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/util/hash.h"
#include "libcore/util/mem.h"

struct nst_build *nst_build_new(enum nst_kind kind, uint64_t rows, struct nst_err *err)
{
	struct nst_build *b = nst_zalloc(1, sizeof(*b), err);

	if (b) {
		b->kind = kind;
		b->rows = rows;
	}
	return b;
}

void nst_build_free(struct nst_build *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < NST_MAX_COLUMNS; i++)
		free(b->column[i].segment);
	for (size_t i = 0; i < NST_MAX_ATTRS; i++)
		free(b->attr[i].str);
	for (size_t i = 0; i < b->nowned; i++)
		free(b->owned[i]);
	free(b->owned);
	free(b->history);
	free(b->parents);
	free(b);
}

void *nst_build_alloc(struct nst_build *b, size_t n, size_t size, struct nst_err *err)
{
	void **list = realloc(b->owned, (b->nowned + 1) * sizeof(*list)), *p;

	if (!list) {
		nst_fail_mem(err, (b->nowned + 1) * sizeof(*list));
		return NULL;
	}
	b->owned = list;
	p = nst_zalloc(n, size, err);
	if (p)
		b->owned[b->nowned++] = p;
	return p;
}

/* Find the place of a new column and check its form.  NULL with a sentence when it does not fit. */
static struct nst_build_column *place(struct nst_build *b, const char *name, enum nst_type type,
				      int rank, uint64_t n, uint64_t cols, size_t elem,
				      struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(b->kind);
	int i = nst_schema_column_index(schema, name);
	const struct nst_schema_column *s;
	struct nst_build_column *c;

	if (i < 0 || b->column[i].id.present || b->sealed) {
		nst_fail(err, NST_EINVAL, "a %s cannot take column '%s'", schema->name, name);
		return NULL;
	}
	s = &schema->column[i];
	c = &b->column[i];
	if (!(s->types & 1u << type) || s->rank != rank || (s->cols && s->cols != cols) ||
	    (s->length == NST_ROWS && n != b->rows) ||
	    (s->length == NST_ROWS_AND_END && n != b->rows + 1)) {
		nst_fail(err, NST_EINVAL, "column '%s' of a %s has another type or shape", name,
			 schema->name);
		return NULL;
	}
	if (nst_mul_size(n, cols, &c->size) || nst_mul_size(c->size, elem, &c->size)) {
		nst_fail(err, NST_ELIMIT, "column '%s' is too large", name);
		return NULL;
	}
	c->id.present = 1;
	c->id.type = type;
	c->id.rank = rank;
	c->id.dim[0] = n;
	c->id.dim[1] = cols;
	c->elem = elem;
	return c;
}

static int set_segments(struct nst_build_column *c, const struct nst_segment *seg, size_t n,
			struct nst_err *err)
{
	c->segment = nst_alloc(n, sizeof(*seg), err);
	if (!c->segment)
		return err->code;
	if (n)
		memcpy(c->segment, seg, n * sizeof(*seg));
	c->segments = n;
	return 0;
}

int nst_build_column(struct nst_build *b, const char *name, enum nst_type type, uint64_t n,
		     uint64_t cols, const void *data, struct nst_err *err)
{
	struct nst_build_column *c = place(b, name, type, cols ? 2 : 1, n, cols ? cols : 1,
					   nst_type_size(type), err);
	struct nst_segment seg;

	if (!c)
		return err->code;
	seg = (struct nst_segment){data, c->size};
	return set_segments(c, &seg, 1, err);
}

int nst_build_segments(struct nst_build *b, const char *name, const struct nst_segment *seg,
		       size_t n, struct nst_err *err)
{
	struct nst_build_column *c;
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		if (__builtin_add_overflow(total, seg[i].size, &total))
			return nst_fail(err, NST_ELIMIT, "column '%s' is too large", name);
	c = place(b, name, NST_U8, 1, total, 1, 1, err);
	return c ? set_segments(c, seg, n, err) : err->code;
}

int nst_build_scattered(struct nst_build *b, const char *name, enum nst_type type, uint64_t n,
			uint64_t cols, const struct nst_segment *seg, size_t nseg,
			struct nst_err *err)
{
	struct nst_build_column *c = place(b, name, type, cols ? 2 : 1, n, cols ? cols : 1,
					   nst_type_size(type), err);
	size_t total = 0;

	if (!c)
		return err->code;
	for (size_t i = 0; i < nseg; i++)
		total += seg[i].size;
	if (total != c->size)
		return nst_fail(err, NST_EINVAL, "column '%s' has %zu bytes in segments of %zu", name,
				c->size, total);
	return set_segments(c, seg, nseg, err);
}

int nst_build_strings(struct nst_build *b, const char *name, const char *const *s, size_t n,
		      struct nst_err *err)
{
	struct nst_build_column *c;
	struct nst_segment seg;
	size_t width = 1;
	char *table;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(s[i]) + 1;

		width = len > width ? len : width;
	}
	c = place(b, name, NST_STR, 1, n, 1, width, err);
	if (!c)
		return err->code;
	table = nst_build_alloc(b, n, width, err);
	if (!table)
		return err->code;
	for (size_t i = 0; i < n; i++)
		memcpy(table + i * width, s[i], strlen(s[i]));
	seg = (struct nst_segment){table, c->size};
	return set_segments(c, &seg, 1, err);
}

static struct nst_attr_value *attr_place(struct nst_build *b, const char *name, enum nst_type type,
					 size_t n, struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(b->kind);
	int i = nst_schema_attr_index(schema, name);

	if (i < 0 || schema->attr[i].type != type || schema->attr[i].n != n || b->attr[i].present ||
	    b->sealed) {
		nst_fail(err, NST_EINVAL, "a %s cannot take attribute '%s'", schema->name, name);
		return NULL;
	}
	b->attr[i].present = 1;
	return &b->attr[i];
}

int nst_build_attr_str(struct nst_build *b, const char *name, const char *value, struct nst_err *err)
{
	struct nst_attr_value *a = attr_place(b, name, NST_STR, 1, err);

	if (!a)
		return err->code;
	a->str = nst_strdup(value, err);
	return a->str ? 0 : err->code;
}

int nst_build_attr_f64(struct nst_build *b, const char *name, size_t n, const double *value,
		       struct nst_err *err)
{
	struct nst_attr_value *a = attr_place(b, name, NST_F64, n, err);

	if (!a)
		return err->code;
	memcpy(a->f64, value, n * sizeof(*value));
	return 0;
}

int nst_build_attr_u64(struct nst_build *b, const char *name, size_t n, const uint64_t *value,
		       struct nst_err *err)
{
	struct nst_attr_value *a = attr_place(b, name, NST_U64, n, err);

	if (!a)
		return err->code;
	memcpy(a->u64, value, n * sizeof(*value));
	return 0;
}

/* 1 when one of the lines of text is the line at s, which has n characters. */
static int has_line(const char *text, const char *s, size_t n)
{
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strcspn(p, "\n") == n && !memcmp(p, s, n))
			return 1;
	return 0;
}

int nst_build_history(struct nst_build *b, const char *lines, struct nst_err *err)
{
	struct nst_buf text = {0};
	int r = nst_buf_printf(&text, err, "%s", b->history ? b->history : "");

	while (strlen(lines) > NST_HISTORY_LIMIT) {
		const char *next = strchr(lines, '\n');

		lines = next ? next + 1 : lines + strlen(lines) - NST_HISTORY_LIMIT;
	}
	/* Branches of the family meet again: each line once. */
	while (!r && *lines) {
		size_t n = strcspn(lines, "\n");

		if (!has_line((const char *)text.data, lines, n))
			r = nst_buf_printf(&text, err, "%s%.*s", text.len ? "\n" : "", (int)n, lines);
		lines += n;
		lines += *lines == '\n';
	}
	if (r) {
		nst_buf_release(&text);
		return r;
	}
	free(b->history);
	b->history = (char *)text.data;
	return 0;
}

int nst_build_parent(struct nst_build *b, const struct nst_image *im, struct nst_err *err)
{
	const char *uuid = nst_image_uuid(im);
	char *grown;

	if (b->parents && strstr(b->parents, uuid))
		return 0;
	if (asprintf(&grown, "%s%s%s", b->parents ? b->parents : "", b->parents ? " " : "", uuid) < 0)
		return nst_fail_mem(err, NST_UUID_LEN);
	free(b->parents);
	b->parents = grown;
	return nst_build_history(b, nst_image_history(im), err);
}

static int checksum(struct nst_build_column *c, struct nst_err *err)
{
	struct nst_hash *h;

	if (c->segments == 1) {
		c->id.checksum = nst_hash64(c->segment[0].data, c->segment[0].size);
		return 0;
	}
	h = nst_hash_new();
	if (!h)
		return nst_fail_mem(err, 1024);
	for (size_t i = 0; i < c->segments; i++)
		nst_hash_add(h, c->segment[i].data, c->segment[i].size);
	c->id.checksum = nst_hash_digest64(h);
	nst_hash_free(h);
	return 0;
}

int nst_build_seal(struct nst_build *b, struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(b->kind);
	struct nst_column_id id[NST_MAX_COLUMNS];
	int r = 0;

	if (b->sealed)
		return 0;
	for (int i = 0; !r && schema->column[i].name; i++) {
		struct nst_build_column *c = &b->column[i];

		if (!c->id.present && !(schema->column[i].flags & NST_OPTIONAL))
			return nst_fail(err, NST_EINVAL, "a %s lacks column '%s'", schema->name,
					schema->column[i].name);
		if (c->id.present)
			r = checksum(c, err);
		id[i] = c->id;
	}
	if (!r)
		r = nst_uuid(b->uuid, b->kind, b->rows, id, b->attr, err);
	b->sealed = !r;
	return r;
}

int nst_build_uuid(struct nst_build *b, char uuid[NST_UUID_LEN + 1], struct nst_err *err)
{
	int r = nst_build_seal(b, err);

	if (!r)
		memcpy(uuid, b->uuid, sizeof(b->uuid));
	return r;
}

static int clone_column(struct nst_build *b, struct nst_build_column *to,
			const struct nst_build_column *from, struct nst_err *err)
{
	struct nst_segment seg;
	size_t at = 0;
	char *p = nst_build_alloc(b, from->size, 1, err);

	if (!p)
		return err->code;
	for (size_t i = 0; i < from->segments; i++) {
		if (from->segment[i].size)
			memcpy(p + at, from->segment[i].data, from->segment[i].size);
		at += from->segment[i].size;
	}
	*to = *from;
	to->segment = NULL;
	seg = (struct nst_segment){p, from->size};
	return set_segments(to, &seg, 1, err);
}

static int clone_string(char **to, const char *from, struct nst_err *err)
{
	*to = from ? nst_strdup(from, err) : NULL;
	return from && !*to ? err->code : 0;
}

struct nst_build *nst_build_clone(const struct nst_build *b, struct nst_err *err)
{
	struct nst_build *c = nst_build_new(b->kind, b->rows, err);
	int r;

	if (!c)
		return NULL;
	r = clone_string(&c->history, b->history, err);
	if (!r)
		r = clone_string(&c->parents, b->parents, err);
	for (size_t i = 0; !r && i < NST_MAX_ATTRS; i++) {
		c->attr[i] = b->attr[i];
		r = clone_string(&c->attr[i].str, b->attr[i].str, err);
	}
	for (size_t i = 0; !r && i < NST_MAX_COLUMNS; i++)
		if (b->column[i].id.present)
			r = clone_column(c, &c->column[i], &b->column[i], err);
	if (r) {
		nst_build_free(c);
		return NULL;
	}
	memcpy(c->uuid, b->uuid, sizeof(c->uuid));
	c->sealed = b->sealed;
	return c;
}
