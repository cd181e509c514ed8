/* A shard's columns must be complete before its first byte can be written, so the samples of one
 * shard are collected: their bytes in memory, or in an unlinked temporary file once they are many,
 * their descriptions in an array. */
#include "libcore/pack/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/shard.h"
#include "libcore/io/spool.h"
#include "libcore/util/mem.h"

#define MEMORY_LIMIT ((size_t)256 << 20)
#define FILE_HEADER  (16u << 10) /* HDF5's own structures and the class table, generously */
#define ROW_COLUMNS  72u         /* bytes of a row's columns beside image and key */

struct row {
	struct nst_sample s; /* without pointers */
	size_t data, key, entry; /* where they are */
};

struct nst_shards {
	struct nst_shards_options opt;
	int series;
	struct nst_out *out; /* open, for the shard being collected */
	unsigned written;    /* finished shards */
	uint64_t total;      /* rows */
	uint64_t fixed;      /* bytes of a shard without rows */
	const struct nst_image **parent; /* of the rows collected */
	size_t parents;
	struct row *row;
	size_t rows, cap;
	struct nst_buf bytes, keys, entries;
	struct nst_spool spool;
	int spooled;
};

int nst_shards_pattern(const char *path, struct nst_err *err)
{
	int found = 0;

	for (const char *s = path; s && *s; s++) {
		if (*s != '%')
			continue;
		if (s[1] == '%') {
			s++;
			continue;
		}
		s += 1 + strspn(s + 1, "0123456789");
		if (*s != 'd' || found)
			return nst_fail(err, NST_EINVAL, "'%s' should have one '%%05d' for the number "
					"of the shard", path);
		found = 1;
	}
	return found;
}

char *nst_shards_name(const char *pattern, unsigned n, struct nst_err *err)
{
	struct nst_buf b = {0};
	int r = 0;

	for (const char *s = pattern; r == 0 && *s; s++) {
		if (*s != '%') {
			r = nst_buf_append(&b, s, 1, err);
		} else if (s[1] == '%') {
			r = nst_buf_append(&b, s++, 1, err);
		} else {
			char digits[16];
			int len = snprintf(digits, sizeof digits, "%u", n);
			int width = (int)strtol(s + 1, NULL, 10);
			const char *pad = s[1] == '0' ? "0" : " ";

			for (; r == 0 && len < width; len++)
				r = nst_buf_append(&b, pad, 1, err);
			if (r == 0)
				r = nst_buf_append(&b, digits, strlen(digits), err);
			s += 1 + strspn(s + 1, "0123456789");
		}
	}
	if (r == 0)
		r = nst_buf_append(&b, "", 1, err);
	if (r < 0)
		nst_buf_release(&b);
	return (char *)b.data;
}

static int open_output(struct nst_shards *s, struct nst_err *err)
{
	char *name = NULL;
	int r;

	if (s->series && !(name = nst_shards_name(s->opt.path, s->written, err)))
		return err->code;
	r = nst_out_open(&s->out, s->series ? name : s->opt.path, &s->opt.out, err);
	if (r < 0)
		s->out = NULL;
	free(name);
	return r;
}

int nst_shards_open(struct nst_shards **out, const struct nst_shards_options *opt,
		    struct nst_err *err)
{
	int to_stdout = !opt->path || strcmp(opt->path, "-") == 0;
	int series = to_stdout ? 0 : nst_shards_pattern(opt->path, err);
	struct nst_shards *s;

	if (series < 0)
		return series;
	if (opt->shard_size > 0 && !series && !to_stdout)
		return nst_fail(err, NST_EINVAL, "several shards need a numbered name: -o 'name-%%05d.h5'");
	s = nst_zalloc(1, sizeof *s, err);
	if (!s)
		return err->code;
	s->opt = *opt;
	s->series = series;
	s->fixed = FILE_HEADER;
	for (size_t k = 0; k < opt->classes; k++) {
		uint64_t width = opt->classes * (strlen(opt->class_name[k]) + 1);

		if (FILE_HEADER + width > s->fixed)
			s->fixed = FILE_HEADER + width;
	}
	if (open_output(s, err) < 0) {
		free(s);
		return err->code;
	}
	*out = s;
	return 0;
}

uint64_t nst_shards_rows(const struct nst_shards *s)
{
	return s->total;
}

unsigned nst_shards_count(const struct nst_shards *s)
{
	return s->written;
}

int nst_shards_parent(struct nst_shards *s, const struct nst_image *parent, struct nst_err *err)
{
	const struct nst_image **p = realloc(s->parent, (s->parents + 1) * sizeof *p);

	if (!p)
		return nst_fail_mem(err, (s->parents + 1) * sizeof *p);
	s->parent = p;
	s->parent[s->parents++] = parent;
	return 0;
}

int nst_shards_same_classes(const struct nst_shards *s, const char *const *name, size_t classes)
{
	int same = classes == s->opt.classes;

	for (size_t k = 0; same && k < classes; k++)
		same = strcmp(name[k], s->opt.class_name[k]) == 0;
	return same;
}

int nst_shards_stale(const struct nst_shards *s)
{
	struct nst_err ignored;
	char *name = s->series ? nst_shards_name(s->opt.path, s->written + 1, &ignored) : NULL;
	int stale = name && access(name, F_OK) == 0;

	free(name);
	return stale;
}

/* The rows are written; the next ones come from the newest parent. */
static void clear(struct nst_shards *s)
{
	if (s->parents > 1) {
		s->parent[0] = s->parent[s->parents - 1];
		s->parents = 1;
	}
	s->rows = 0;
	s->bytes.len = 0;
	s->keys.len = 0;
	s->entries.len = 0;
	if (s->spooled)
		nst_spool_release(&s->spool);
	s->spooled = 0;
}

static uint64_t collected(const struct nst_shards *s)
{
	return s->spooled ? s->spool.size : s->bytes.len;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Put the collected rows whose bytes begin at base; last = 1 ends the stream. */
static int put_rows(struct nst_shards *s, const uint8_t *base, int last, struct nst_err *err)
{
	struct nst_rows *rows = nst_rows_new(NST_EMBED, NULL, err);
	struct nst_build *b = NULL;
	int r = rows ? 0 : err->code;

	for (size_t i = 0; r == 0 && i < s->rows; i++) {
		struct nst_sample sample = s->row[i].s;

		sample.data = sample.size ? base + s->row[i].data : NULL;
		sample.key = sample.key_len ? (const char *)s->keys.data + s->row[i].key : "";
		if (sample.entries)
			sample.entry = (const uint64_t *)(void *)(s->entries.data + s->row[i].entry);
		r = nst_rows_add(rows, &sample, err);
	}
	if (r == 0)
		r = nst_shard_build(&b, rows, s->opt.class_name, s->opt.classes, err);
	for (size_t i = 0; r == 0 && i < s->parents; i++)
		r = nst_build_parent(b, s->parent[i], err);
	if (r == 0)
		r = last ? nst_out_put_last(s->out, b, err) : nst_out_put(s->out, b, err);
	nst_build_free(b);
	nst_rows_free(rows);
	return r;
}

static int put_collected(struct nst_shards *s, int last, struct nst_err *err)
{
	const uint8_t *base = s->bytes.data;
	size_t size = (size_t)collected(s);
	int r;

	if (s->spooled && !(base = nst_spool_map(&s->spool, 0, size, err)))
		return err->code;
	r = put_rows(s, base, last, err);
	if (s->spooled)
		nst_spool_unmap(base, size);
	if (r == 0) {
		clear(s);
		s->written += !s->series;
	}
	return r;
}

/* Finish the present file of a series. */
static int finish_file(struct nst_shards *s, struct nst_err *err)
{
	struct nst_out *out = s->out;

	if (put_collected(s, 1, err) < 0)
		return err->code;
	s->out = NULL;
	if (nst_out_close(out, err) < 0)
		return err->code;
	s->written++;
	return 0;
}

int nst_shards_flush(struct nst_shards *s, struct nst_err *err)
{
	int r = s->rows ? put_collected(s, 0, err) : 0;

	s->parents = 0;
	return r;
}

static int next_shard(struct nst_shards *s, struct nst_err *err)
{
	if (!s->series)
		return put_collected(s, 0, err);
	if (finish_file(s, err) < 0)
		return err->code;
	return open_output(s, err);
}

/* ---- collecting --------------------------------------------------------------------------- */

static int store_bytes(struct nst_shards *s, const void *p, size_t n, struct nst_err *err)
{
	if (!s->spooled && s->bytes.len + n > MEMORY_LIMIT) {
		if (nst_spool_open(&s->spool, err) < 0)
			return err->code;
		s->spooled = 1;
		if (nst_spool_append(&s->spool, s->bytes.data, s->bytes.len, err) < 0)
			return err->code;
		nst_buf_release(&s->bytes);
	}
	return s->spooled ? nst_spool_append(&s->spool, p, n, err)
			  : nst_buf_append(&s->bytes, p, n, err);
}

static struct row *new_row(struct nst_shards *s, struct nst_err *err)
{
	if (s->rows == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 1024;
		struct row *row = realloc(s->row, cap * sizeof *row);

		if (!row) {
			nst_fail_mem(err, (unsigned long long)cap * sizeof *row);
			return NULL;
		}
		s->row = row;
		s->cap = cap;
	}
	return &s->row[s->rows];
}

int nst_shards_add(struct nst_shards *s, const struct nst_sample *sample, struct nst_err *err)
{
	const size_t entries = sample->entries * sizeof(*sample->entry);
	uint64_t need = sample->size + sample->key_len + entries + ROW_COLUMNS;
	uint64_t used = s->fixed + collected(s) + s->keys.len + s->entries.len +
			s->rows * ROW_COLUMNS;
	struct row *row;

	if (s->opt.shard_size > 0 && s->rows > 0 && used + need > s->opt.shard_size &&
	    next_shard(s, err) < 0)
		return err->code;
	row = new_row(s, err);
	if (!row)
		return err->code;
	row->s = *sample;
	row->s.path = NULL;
	row->s.uuid = NULL;
	row->data = (size_t)collected(s);
	row->key = s->keys.len;
	row->entry = s->entries.len;
	if (store_bytes(s, sample->data, sample->size, err) < 0 ||
	    nst_buf_append(&s->keys, sample->key, sample->key_len, err) < 0 ||
	    nst_buf_append(&s->entries, sample->entry, entries, err) < 0)
		return err->code;
	s->rows++;
	s->total++;
	return 0;
}

/* ---- the end ------------------------------------------------------------------------------ */

static void release(struct nst_shards *s)
{
	clear(s);
	nst_buf_release(&s->bytes);
	nst_buf_release(&s->keys);
	nst_buf_release(&s->entries);
	free(s->parent);
	free(s->row);
	free(s);
}

void nst_shards_abort(struct nst_shards *s)
{
	if (!s)
		return;
	nst_out_abort(s->out);
	for (unsigned n = 0; s->series && n < s->written; n++) {
		struct nst_err ignored;
		char *name = nst_shards_name(s->opt.path, n, &ignored);

		if (name)
			unlink(name);
		free(name);
	}
	release(s);
}

int nst_shards_close(struct nst_shards *s, struct nst_err *err)
{
	int r = 0;

	if (s->series) {
		r = finish_file(s, err);
	} else {
		struct nst_out *out = s->out;

		if (s->rows > 0)
			r = put_collected(s, 1, err);
		if (r == 0) {
			s->out = NULL;
			r = nst_out_close(out, err);
		}
	}
	if (r < 0) {
		nst_shards_abort(s);
		return r;
	}
	release(s);
	return 0;
}
