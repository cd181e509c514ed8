/* Rows on their way into a file: the columns of sample.h, one sample after another. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/sample.h"
#include "libcore/util/hash.h"
#include "libcore/util/mem.h"

/* A shard that rows refer to. */
struct source {
	char *entry; /* "uuid path", as it is written */
	char *path;  /* as samples have it */
	uint64_t hash; /* of uuid and path */
};

struct nst_rows {
	enum nst_carry carry;
	char *dir;
	uint64_t count, bytes;
	/* columns; NST_EMBED */
	struct nst_buf segment, image_offset, shape, codec, checksum, entry, entry_offset;
	void **copy;
	size_t copies, copies_cap;
	/* NST_REFER */
	struct source *source;
	size_t sources, sources_cap;
	uint32_t *slot; /* hash table of source numbers + 1 */
	size_t slots;
	size_t last; /* source of the last reference */
	struct nst_buf row;
	/* both */
	struct nst_buf key, key_offset, label;
};

struct nst_rows *nst_rows_new(enum nst_carry carry, const char *dir, struct nst_err *err)
{
	struct nst_rows *r = nst_zalloc(1, sizeof(*r), err);

	if (!r)
		return NULL;
	r->carry = carry;
	r->dir = nst_strdup(dir ? dir : "/", err);
	if (!r->dir) {
		free(r);
		return NULL;
	}
	return r;
}

enum { BUFFERS = 11 };

static struct nst_buf *buffer(struct nst_rows *r, int i)
{
	struct nst_buf *const all[BUFFERS] = {
		&r->segment, &r->image_offset, &r->shape, &r->codec, &r->checksum,   &r->entry,
		&r->row,     &r->entry_offset, &r->key,   &r->label, &r->key_offset,
	};

	return all[i];
}

static void free_source(struct source *s)
{
	free(s->entry);
	free(s->path);
}

void nst_rows_clear(struct nst_rows *r)
{
	for (int i = 0; i < BUFFERS; i++)
		buffer(r, i)->len = 0;
	for (size_t i = 0; i < r->copies; i++)
		free(r->copy[i]);
	for (size_t i = 0; i < r->sources; i++)
		free_source(&r->source[i]);
	if (r->slots)
		memset(r->slot, 0, r->slots * sizeof(*r->slot));
	r->copies = r->sources = 0;
	r->count = r->bytes = 0;
	r->last = 0;
}

void nst_rows_free(struct nst_rows *r)
{
	if (!r)
		return;
	nst_rows_clear(r);
	for (int i = 0; i < BUFFERS; i++)
		nst_buf_release(buffer(r, i));
	free(r->copy);
	free(r->source);
	free(r->slot);
	free(r->dir);
	free(r);
}

/* ---- references ---- */

/* Path of a file as seen from a directory, both absolute and real; absolute again when they have
 * nothing in common.  NULL on lack of memory. */
static char *relative(const char *dir, const char *path)
{
	size_t common = 1, i;
	struct nst_buf b = {0};
	struct nst_err err;
	int r = 0;

	for (i = 0; path[i] && path[i] == dir[i]; i++)
		if (path[i] == '/')
			common = i + 1;
	if (path[i] == '/' && !dir[i]) /* dir is an ancestor */
		common = i + 1;
	if (common == 1 && dir[1])
		return strdup(path);
	for (const char *p = dir + strnlen(dir, common); !r && *p; p += strcspn(p, "/"), p += *p == '/')
		r = nst_buf_append(&b, "../", 3, &err);
	if (!r)
		r = nst_buf_append(&b, path + common, strlen(path + common) + 1, &err);
	if (r) {
		nst_buf_release(&b);
		return NULL;
	}
	return (char *)b.data;
}

/* Put source number i into the table, which has room. */
static void enter(struct nst_rows *r, size_t i)
{
	size_t at = (size_t)r->source[i].hash & (r->slots - 1);

	while (r->slot[at])
		at = (at + 1) & (r->slots - 1);
	r->slot[at] = (uint32_t)i + 1;
}

static int grow_sources(struct nst_rows *r, struct nst_err *err)
{
	size_t cap = r->sources_cap ? r->sources_cap * 2 : 16;
	struct source *source;
	uint32_t *slot;

	if (cap > UINT32_MAX / 4)
		return nst_fail(err, NST_ELIMIT, "too many files are referred to");
	source = realloc(r->source, cap * sizeof(*source));
	if (!source)
		return nst_fail_mem(err, cap * sizeof(*source));
	r->source = source;
	slot = nst_zalloc(cap * 2, sizeof(*slot), err); /* at most half full */
	if (!slot)
		return err->code;
	free(r->slot);
	r->slot = slot;
	r->slots = cap * 2;
	r->sources_cap = cap;
	for (size_t i = 0; i < r->sources; i++)
		enter(r, i);
	return 0;
}

static int add_source(struct nst_rows *r, const struct nst_sample *s, uint64_t hash,
		      struct nst_err *err)
{
	struct source source = {.path = strdup(s->path), .hash = hash};
	char *path = relative(r->dir, s->path);

	if (path && asprintf(&source.entry, "%s %s", s->uuid, path) < 0)
		source.entry = NULL;
	free(path);
	if (!source.entry || !source.path) {
		free_source(&source);
		return nst_fail_mem(err, strlen(s->path));
	}
	r->source[r->sources] = source;
	enter(r, r->sources++);
	return 0;
}

static int lives_in(const struct nst_sample *s, const struct source *source)
{
	size_t n = strlen(s->uuid);

	return !strncmp(source->entry, s->uuid, n) && source->entry[n] == ' ' &&
	       !strcmp(source->path, s->path);
}

/* Number of the source a sample lives in, adding it when it is new. */
static int find_source(struct nst_rows *r, const struct nst_sample *s, size_t *number,
		       struct nst_err *err)
{
	uint64_t hash = nst_hash64(s->uuid, strlen(s->uuid)) ^ nst_hash64(s->path, strlen(s->path)) * 3;
	int code;

	if (r->slots)
		for (size_t at = (size_t)hash & (r->slots - 1); r->slot[at]; at = (at + 1) & (r->slots - 1))
			if (r->source[r->slot[at] - 1].hash == hash &&
			    lives_in(s, &r->source[r->slot[at] - 1])) {
				*number = r->slot[at] - 1;
				return 0;
			}
	if (r->sources == r->sources_cap) {
		code = grow_sources(r, err);
		if (code)
			return code;
	}
	*number = r->sources;
	return add_source(r, s, hash, err);
}

/* ---- rows ---- */

static int keep_copy(struct nst_rows *r, struct nst_segment *seg, struct nst_err *err)
{
	void *p;

	if (r->copies == r->copies_cap) {
		size_t cap = r->copies_cap ? r->copies_cap * 2 : 256;
		void **more = realloc(r->copy, cap * sizeof(*more));

		if (!more)
			return nst_fail_mem(err, cap * sizeof(*more));
		r->copy = more;
		r->copies_cap = cap;
	}
	p = nst_alloc(seg->size, 1, err);
	if (!p)
		return err->code;
	if (seg->size)
		memcpy(p, seg->data, seg->size);
	seg->data = r->copy[r->copies++] = p;
	return 0;
}

static int add_embedded(struct nst_rows *r, const struct nst_sample *s, int copy, struct nst_err *err)
{
	struct nst_segment seg = {s->data, s->size};
	uint32_t shape[3] = {s->height, s->width, s->channels};
	uint8_t codec = s->codec == NST_CODEC_RAW ? 0 : (uint8_t)s->orientation;
	uint64_t end = r->bytes + s->size, checksum = nst_hash64(s->data, s->size), entry_end;
	int code = copy ? keep_copy(r, &seg, err) : 0;

	if (!code)
		code = nst_buf_append(&r->segment, &seg, sizeof(seg), err);
	if (!code)
		code = nst_buf_append(&r->image_offset, &end, sizeof(end), err);
	if (!code)
		code = nst_buf_append(&r->shape, shape, sizeof(shape), err);
	if (!code)
		code = nst_buf_append(&r->codec, &codec, sizeof(codec), err);
	if (!code)
		code = nst_buf_append(&r->checksum, &checksum, sizeof(checksum), err);
	if (!code)
		code = nst_buf_append(&r->entry, s->entry, s->entries * sizeof(*s->entry), err);
	entry_end = r->entry.len / sizeof(*s->entry);
	if (!code)
		code = nst_buf_append(&r->entry_offset, &entry_end, sizeof(entry_end), err);
	r->bytes = end;
	return code;
}

static int add_reference(struct nst_rows *r, const struct nst_sample *s, struct nst_err *err)
{
	uint64_t row[2];
	int code;

	if (!s->path || !s->uuid)
		return nst_fail(err, NST_EINVAL,
				"sample '%.*s' came through a pipe and cannot be referred to: embed it",
				(int)s->key_len, s->key);
	/* Most rows live where the one before does. */
	if (r->last >= r->sources || !lives_in(s, &r->source[r->last])) {
		code = find_source(r, s, &r->last, err);
		if (code)
			return code;
	}
	row[0] = r->last;
	row[1] = s->row;
	return nst_buf_append(&r->row, row, sizeof(row), err);
}

/* The offset columns begin with a 0 of their own. */
static int begin_offsets(struct nst_buf *b, struct nst_err *err)
{
	static const uint64_t zero;

	return b->len ? 0 : nst_buf_append(b, &zero, sizeof(zero), err);
}

static int add(struct nst_rows *r, const struct nst_sample *s, int copy, struct nst_err *err)
{
	uint64_t end = r->key.len + s->key_len;
	int code = begin_offsets(&r->key_offset, err);

	if (!code)
		code = begin_offsets(&r->image_offset, err);
	if (!code)
		code = begin_offsets(&r->entry_offset, err);
	if (!code)
		code = r->carry == NST_EMBED ? add_embedded(r, s, copy, err) : add_reference(r, s, err);
	if (!code)
		code = nst_buf_append(&r->key, s->key, s->key_len, err);
	if (!code)
		code = nst_buf_append(&r->key_offset, &end, sizeof(end), err);
	if (!code)
		code = nst_buf_append(&r->label, &s->label, sizeof(s->label), err);
	if (!code)
		r->count++;
	return code;
}

int nst_rows_add(struct nst_rows *r, const struct nst_sample *s, struct nst_err *err)
{
	return add(r, s, 0, err);
}

int nst_rows_add_copy(struct nst_rows *r, const struct nst_sample *s, struct nst_err *err)
{
	return add(r, s, 1, err);
}

uint64_t nst_rows_count(const struct nst_rows *r)
{
	return r->count;
}

uint64_t nst_rows_bytes(const struct nst_rows *r)
{
	return r->bytes;
}

static int build_images(struct nst_rows *r, struct nst_build *b, struct nst_err *err)
{
	uint64_t n = r->count;
	int code = nst_build_segments(b, "image/data", (const struct nst_segment *)(void *)r->segment.data,
				      (size_t)n, err);

	if (!code)
		code = nst_build_column(b, "image/offset", NST_U64, n + 1, 0, r->image_offset.data, err);
	if (!code)
		code = nst_build_column(b, "image/shape", NST_U32, n, 3, r->shape.data, err);
	if (!code)
		code = nst_build_column(b, "image/codec", NST_U8, n, 0, r->codec.data, err);
	if (!code)
		code = nst_build_column(b, "image/checksum", NST_U64, n, 0, r->checksum.data, err);
	if (!code && r->entry.len)
		code = nst_build_column(b, "image/entry", NST_U64, r->entry.len / sizeof(uint64_t), 0,
					r->entry.data, err);
	if (!code && r->entry.len)
		code = nst_build_column(b, "image/entry_offset", NST_U64, n + 1, 0,
					r->entry_offset.data, err);
	return code;
}

static int build_references(struct nst_rows *r, struct nst_build *b, struct nst_err *err)
{
	const char **entry = nst_alloc(r->sources, sizeof(*entry), err);
	int code;

	if (!entry)
		return err->code;
	for (size_t i = 0; i < r->sources; i++)
		entry[i] = r->source[i].entry;
	code = nst_build_strings(b, "source/file", entry, r->sources, err);
	free(entry);
	return code ? code : nst_build_column(b, "source/row", NST_U64, r->count, 2, r->row.data, err);
}

int nst_rows_build(struct nst_rows *r, struct nst_build *b, struct nst_err *err)
{
	uint64_t n = r->count;
	int code = begin_offsets(&r->key_offset, err);

	if (!code)
		code = begin_offsets(&r->image_offset, err);
	if (!code)
		code = r->carry == NST_EMBED ? build_images(r, b, err) : build_references(r, b, err);
	if (!code)
		code = nst_build_column(b, "key/data", NST_U8, r->key.len, 0, r->key.data, err);
	if (!code)
		code = nst_build_column(b, "key/offset", NST_U64, n + 1, 0, r->key_offset.data, err);
	if (!code)
		code = nst_build_column(b, "label/class", NST_I32, n, 0, r->label.data, err);
	return code;
}
