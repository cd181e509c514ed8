/* Samples behind one face: embedded in the image at hand, or rows of shards it refers to.
 *
 * A reference is data, not a link: "uuid path" and a row number.  The path starts at the directory of
 * the file that refers, so a directory of shards and mixes can be moved as a whole; the uuid is
 * compared, so a shard that was replaced is noticed.  Everything is checked when it is opened;
 * fetching a sample is then arithmetic on memory and one checksum, from any thread. */
#include "formats/sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/image.h"
#include "libcore/util/hash.h"
#include "libcore/util/mem.h"

#define REFERABLE \
	(NST_KIND_BIT(NST_SHARD) | NST_KIND_BIT(NST_PREDICTION) | NST_KIND_BIT(NST_SELECTION) | \
	 NST_KIND_BIT(NST_MIX))

enum { MAX_SIDE = 65535, MAX_CODEC = 8 };

/* The image columns of one file image. */
struct pixels {
	uint64_t rows;
	const uint8_t *data;
	const uint64_t *offset;
	const uint32_t *shape; /* (rows,3) */
	const uint8_t *codec;
	const uint64_t *checksum;
	const uint64_t *entry, *entry_offset; /* NULL when absent */
	const char *path, *uuid;
	const struct nst_image *image;
};

struct shard {
	char *path;
	struct nst_image *image;
	struct pixels pixels;
};

struct nst_store {
	struct shard **shard;
	size_t count, cap;
};

struct nst_samples {
	const char *name;       /* of the image, for messages */
	uint64_t rows;
	const uint8_t *key;
	const uint64_t *key_offset;
	const int32_t *label;
	int embedded;
	struct pixels own;              /* when embedded */
	const struct pixels **source;   /* else: (S) */
	const uint64_t *row;            /* (N,2) source, row */
};

/* Check offsets that cut `size` bytes into n pieces. */
static int check_offsets(const struct nst_image *im, const char *name, const uint64_t *offset,
			 uint64_t n, uint64_t size, struct nst_err *err)
{
	if (offset[0] != 0 || offset[n] != size)
		return nst_image_fail(im, err, "'%s' does not span its data", name);
	for (uint64_t i = 0; i < n; i++)
		if (offset[i] > offset[i + 1])
			return nst_image_fail(im, err, "'%s' falls at row %" PRIu64, name, i);
	return 0;
}

static int check_form(const struct nst_image *im, const struct pixels *p, uint64_t i,
		      struct nst_err *err)
{
	const uint32_t *s = p->shape + 3 * i;
	uint64_t size = p->offset[i + 1] - p->offset[i];
	unsigned codec = p->codec[i];

	if (codec > MAX_CODEC)
		return nst_image_fail(im, err, "row %" PRIu64 " has the unknown codec %u", i, codec);
	if (!s[0] || s[0] > MAX_SIDE || !s[1] || s[1] > MAX_SIDE ||
	    (s[2] != 1 && s[2] != 3 && !(s[2] == 4 && codec)))
		return nst_image_fail(im, err, "row %" PRIu64 " has the shape %u x %u x %u", i, s[0], s[1],
				      s[2]);
	if (codec == NST_CODEC_RAW && size != (uint64_t)s[0] * s[1] * s[2])
		return nst_image_fail(im, err, "row %" PRIu64 " has %" PRIu64 " bytes for its pixels", i,
				      size);
	return 0;
}

/* Entry points, for files that have them. */
static int open_entries(struct pixels *p, struct nst_image *im, struct nst_err *err)
{
	struct nst_column entry, offset;
	int there = nst_image_has(im, "image/entry"), r;

	if (there != nst_image_has(im, "image/entry_offset"))
		return nst_image_fail(im, err, "it has only one of 'image/entry' and 'image/entry_offset'");
	if (!there)
		return 0;
	r = nst_image_column(im, "image/entry", &entry, err);
	if (!r)
		r = nst_image_column(im, "image/entry_offset", &offset, err);
	if (!r)
		r = check_offsets(im, "image/entry_offset", offset.data, p->rows,
				  entry.size / sizeof(uint64_t), err);
	if (r)
		return r;
	p->entry = entry.data;
	p->entry_offset = offset.data;
	return 0;
}

static int open_pixels(struct pixels *p, struct nst_image *im, struct nst_err *err)
{
	struct nst_column data, offset, shape, codec, checksum;
	uint64_t n = nst_image_rows(im);
	int r = nst_image_column(im, "image/data", &data, err);

	if (!r)
		r = nst_image_column(im, "image/offset", &offset, err);
	if (!r)
		r = nst_image_column(im, "image/shape", &shape, err);
	if (!r)
		r = nst_image_column(im, "image/codec", &codec, err);
	if (!r)
		r = nst_image_column(im, "image/checksum", &checksum, err);
	if (!r)
		r = check_offsets(im, "image/offset", offset.data, n, data.size, err);
	if (r)
		return r;
	*p = (struct pixels){
		.rows = n,
		.data = data.data,
		.offset = offset.data,
		.shape = shape.data,
		.codec = codec.data,
		.checksum = checksum.data,
		.path = nst_image_path(im),
		.uuid = nst_image_uuid(im),
		.image = im,
	};
	for (uint64_t i = 0; !r && i < n; i++)
		r = check_form(im, p, i, err);
	return r ? r : open_entries(p, im, err);
}

/* ---- shards that are referred to ---- */

struct nst_store *nst_store_new(struct nst_err *err)
{
	return nst_zalloc(1, sizeof(struct nst_store), err);
}

void nst_store_free(struct nst_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		nst_image_free(s->shard[i]->image);
		free(s->shard[i]->path);
		free(s->shard[i]);
	}
	free(s->shard);
	free(s);
}

static int store_add(struct nst_store *s, struct shard *shard, struct nst_err *err)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct shard **more = realloc(s->shard, cap * sizeof(*more));

		if (!more)
			return nst_fail_mem(err, cap * sizeof(*more));
		s->shard = more;
		s->cap = cap;
	}
	s->shard[s->count++] = shard;
	return 0;
}

/* Find the image of a uuid in a file, which may hold several. */
static int find_image(struct nst_image **found, const char *path, const char *uuid,
		      const struct nst_image *from, struct nst_err *err)
{
	char seen[NST_UUID_LEN + 1] = "";
	struct nst_image *im = NULL;
	struct nst_in *in = NULL;
	int r = nst_in_open(&in, &path, 1, REFERABLE, NULL, err);

	if (r)
		return r;
	while ((r = nst_in_next(in, &im, err)) > 0) {
		if (!strcmp(nst_image_uuid(im), uuid))
			break;
		memcpy(seen, nst_image_uuid(im), sizeof(seen));
		nst_image_free(im);
	}
	nst_in_close(in);
	if (r < 0)
		return nst_err_prefix(err, "%s refers to a file that is of no use",
				      nst_image_name(from));
	if (r == 0)
		return nst_fail(err, NST_EFORMAT,
				"%s refers to '%s' as %s, but that file is now %s: it was replaced",
				nst_image_name(from), path, uuid, seen);
	*found = im;
	return 0;
}

static int store_get(struct nst_store *s, const char *path, const char *uuid,
		     const struct nst_image *from, const struct pixels **out, struct nst_err *err)
{
	struct shard *shard;
	int r;

	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->shard[i]->pixels.uuid, uuid) && !strcmp(s->shard[i]->path, path)) {
			*out = &s->shard[i]->pixels;
			return 0;
		}
	shard = nst_zalloc(1, sizeof(*shard), err);
	if (!shard)
		return err->code;
	shard->path = nst_strdup(path, err);
	r = shard->path ? find_image(&shard->image, path, uuid, from, err) : err->code;
	if (!r)
		r = open_pixels(&shard->pixels, shard->image, err);
	if (!r)
		r = store_add(s, shard, err);
	if (r) {
		nst_image_free(shard->image);
		free(shard->path);
		free(shard);
		return r;
	}
	*out = &shard->pixels;
	return 0;
}

/* ---- samples of an image ---- */

static int open_source(struct nst_samples *s, size_t i, const char *entry, struct nst_image *im,
		       struct nst_store *store, struct nst_err *err)
{
	char uuid[NST_UUID_LEN + 1] = "", *path;
	const char *rel = entry + NST_UUID_LEN + 1;
	int r;

	if (strlen(entry) > NST_UUID_LEN + 1)
		memcpy(uuid, entry, NST_UUID_LEN);
	if (!nst_uuid_is(uuid) || entry[NST_UUID_LEN] != ' ')
		return nst_image_fail(im, err, "'source/file' %zu is not a uuid and a path", i);
	if (asprintf(&path, "%s%s%s", *rel == '/' ? "" : nst_image_dir(im), *rel == '/' ? "" : "/", rel) <
	    0)
		return nst_fail_mem(err, strlen(rel));
	r = store_get(store, path, uuid, im, &s->source[i], err);
	free(path);
	return r;
}

static int open_sources(struct nst_samples *s, struct nst_image *im, struct nst_store *store,
			struct nst_err *err)
{
	const char *const *entry;
	struct nst_column row;
	uint64_t n;
	int r = nst_image_column(im, "source/row", &row, err);

	if (!r)
		r = nst_image_strings(im, "source/file", &entry, &n, err);
	if (r)
		return r;
	if (!store)
		return nst_fail(err, NST_EINVAL, "%s refers to other files", im->name);
	s->row = row.data;
	s->source = nst_zalloc(n, sizeof(*s->source), err);
	if (!s->source)
		return err->code;
	for (uint64_t i = 0; !r && i < n; i++)
		r = open_source(s, i, entry[i], im, store, err);
	for (uint64_t i = 0; !r && i < s->rows; i++)
		if (s->row[2 * i] >= n || s->row[2 * i + 1] >= s->source[s->row[2 * i]]->rows)
			r = nst_image_fail(im, err, "row %" PRIu64 " refers to a row that does not exist", i);
	return r;
}

int nst_samples_open(struct nst_samples **out, struct nst_image *im, struct nst_store *store,
		     struct nst_err *err)
{
	struct nst_samples *s = nst_zalloc(1, sizeof(*s), err);
	struct nst_column key, offset, label;
	int r;

	if (!s)
		return err->code;
	s->name = nst_image_name(im);
	s->rows = nst_image_rows(im);
	r = nst_image_column(im, "key/data", &key, err);
	if (!r)
		r = nst_image_column(im, "key/offset", &offset, err);
	if (!r)
		r = nst_image_column(im, "label/class", &label, err);
	if (!r)
		r = check_offsets(im, "key/offset", offset.data, s->rows, key.size, err);
	if (!r) {
		s->key = key.data;
		s->key_offset = offset.data;
		s->label = label.data;
		s->embedded = nst_image_has(im, "image/data");
		if (s->embedded == nst_image_has(im, "source/row"))
			r = nst_image_fail(im, err, "it must either hold images or refer to them");
	}
	if (!r)
		r = s->embedded ? open_pixels(&s->own, im, err) : open_sources(s, im, store, err);
	if (r) {
		nst_samples_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void nst_samples_free(struct nst_samples *s)
{
	if (!s)
		return;
	free(s->source);
	free(s);
}

uint64_t nst_samples_count(const struct nst_samples *s)
{
	return s->rows;
}

int nst_samples_embedded(const struct nst_samples *s)
{
	return s->embedded;
}

void nst_samples_peek(const struct nst_samples *s, uint64_t i, struct nst_sample *out)
{
	const struct pixels *p = s->embedded ? &s->own : s->source[s->row[2 * i]];
	uint64_t row = s->embedded ? i : s->row[2 * i + 1];
	const uint32_t *shape = p->shape + 3 * row;
	unsigned codec = p->codec[row];

	*out = (struct nst_sample){
		.data = p->data + p->offset[row],
		.size = (size_t)(p->offset[row + 1] - p->offset[row]),
		.checksum = p->checksum[row],
		.height = shape[0],
		.width = shape[1],
		.channels = shape[2],
		.codec = codec ? NST_CODEC_JPEG : NST_CODEC_RAW,
		.orientation = codec ? (int)codec : 1,
		.entry = p->entry ? p->entry + p->entry_offset[row] : NULL,
		.entries = p->entry ? (size_t)(p->entry_offset[row + 1] - p->entry_offset[row]) : 0,
		.key = (const char *)s->key + s->key_offset[i],
		.key_len = (size_t)(s->key_offset[i + 1] - s->key_offset[i]),
		.label = s->label[i],
		.path = p->path,
		.uuid = p->uuid,
		.row = row,
	};
}

int nst_samples_get(const struct nst_samples *s, uint64_t i, struct nst_sample *out,
		    struct nst_err *err)
{
	return nst_samples_read(s, i, NULL, out, err);
}

int nst_samples_read(const struct nst_samples *s, uint64_t i, struct nst_buf *buf,
		     struct nst_sample *out, struct nst_err *err)
{
	const struct pixels *p = s->embedded ? &s->own : s->source[s->row[2 * i]];

	nst_samples_peek(s, i, out);
	if (buf && nst_image_read(p->image, out->data, out->size, buf, &out->data, err) < 0)
		return err->code;
	if (nst_hash64(out->data, out->size) != out->checksum)
		return nst_image_fail(p->image, err, "sample '%.*s' (row %" PRIu64 ") is damaged",
				      (int)out->key_len, out->key, out->row);
	return 0;
}

uint64_t nst_sample_hash(const struct nst_sample *s)
{
	return nst_hash64(s->key, s->key_len);
}

uint64_t nst_samples_hash(const struct nst_samples *s, uint64_t i)
{
	return nst_hash64(s->key + s->key_offset[i], (size_t)(s->key_offset[i + 1] - s->key_offset[i]));
}
