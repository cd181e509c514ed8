/* Files held open together. */
#include <stdlib.h>
#include <string.h>

#include "formats/shard.h"
#include "libcore/data/held.h"
#include "libcore/util/mem.h"

int nst_held_open(struct nst_held *h, const char *const *paths, size_t n, unsigned kinds,
		  struct nst_err *err)
{
	const struct nst_in_options opt = {.spool = 1};

	memset(h, 0, sizeof(*h));
	h->store = nst_store_new(err);
	if (!h->store || nst_in_open(&h->in, paths, n, kinds, &opt, err) < 0) {
		nst_held_release(h);
		return err->code;
	}
	return 0;
}

/* View an image of any kind with rows and labels as a prediction. */
static int view(struct nst_held_file *f, struct nst_err *err)
{
	struct nst_shard shard;

	if (nst_image_kind(f->image) != NST_SHARD)
		return nst_prediction_view(f->image, &f->prediction, err);
	if (nst_shard_view(f->image, &shard, err) < 0)
		return err->code;
	f->prediction.rows = shard.rows;
	f->prediction.classes = shard.classes;
	f->prediction.class_name = shard.class_name;
	f->prediction.label = shard.label;
	return 0;
}

static void close_file(struct nst_held_file *f)
{
	nst_samples_free(f->samples);
	nst_image_free(f->image);
}

/* Room for one more file and its rows. */
static int reserve(struct nst_held *h, uint64_t rows, struct nst_err *err)
{
	uint64_t need = h->rows + rows;

	if ((h->files & (h->files - 1)) == 0) { /* at every power of two */
		size_t n = h->files ? h->files * 2 : 1, bytes;
		struct nst_held_file *file;

		if (nst_mul_size(n, sizeof(*file), &bytes) < 0)
			return nst_fail_mem(err, UINT64_MAX);
		file = realloc(h->file, bytes);
		if (!file)
			return nst_fail_mem(err, bytes);
		h->file = file;
	}
	if (need < rows || need > SIZE_MAX / 16)
		return nst_fail(err, NST_ELIMIT, "more rows than this machine can number");
	if (need > h->room) {
		size_t n = need > h->room * 2 ? (size_t)need : h->room * 2;
		uint64_t *hash = realloc(h->hash, n * sizeof(*hash));

		if (!hash)
			return nst_fail_mem(err, n * sizeof(*hash));
		h->hash = hash;
		h->room = n;
	}
	return 0;
}

/* Fails when the key of row i of f is the one of row `first` as well. */
static int refuse_duplicate(const struct nst_held *h, const struct nst_held_file *f, uint64_t i,
			    uint64_t first, struct nst_err *err)
{
	struct nst_sample a, b;
	const struct nst_held_file *other = f;
	uint64_t j = first - f->base;

	if (first < f->base)
		other = nst_held_find(h, first, &j);
	nst_samples_peek(f->samples, i, &a);
	nst_samples_peek(other->samples, j, &b);
	if (a.key_len != b.key_len || memcmp(a.key, b.key, a.key_len) != 0)
		return 0; /* two keys with one hash */
	if (other == f)
		return nst_fail(err, NST_EINVAL, "%s: key '%.*s' occurs twice, in rows %llu and "
				"%llu", nst_image_name(f->image), (int)a.key_len, a.key,
				(unsigned long long)j, (unsigned long long)i);
	return nst_fail(err, NST_EINVAL, "key '%.*s' occurs twice, in %s and in %s",
			(int)a.key_len, a.key, nst_image_name(other->image),
			nst_image_name(f->image));
}

static int take_keys(struct nst_held *h, const struct nst_held_file *f, struct nst_err *err)
{
	uint64_t *hash = h->hash + f->base, rows = f->prediction.rows;

	for (uint64_t i = 0; i < rows; i++)
		hash[i] = nst_samples_hash(f->samples, i);
	if (nst_keyset_reserve(&h->keys, h->hash, (size_t)(f->base + rows), err) < 0)
		return err->code;
	for (uint64_t i = 0; i < rows; i++) {
		uint64_t first;
		int r;

		nst_keyset_expect(&h->keys, hash, i, rows);
		r = nst_keyset_add(&h->keys, h->hash, f->base + i, &first, err);
		if (r == 1)
			r = refuse_duplicate(h, f, i, first, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int nst_held_next(struct nst_held *h, struct nst_err *err)
{
	struct nst_held_file f = {.base = h->rows};
	struct nst_classes classes;
	int r = nst_in_next(h->in, &f.image, err);

	if (r <= 0)
		return r;
	if (view(&f, err) < 0 || nst_samples_open(&f.samples, f.image, h->store, err) < 0)
		goto failed;
	classes = (struct nst_classes){f.prediction.class_name, f.prediction.classes,
				       nst_image_name(f.image)};
	if (h->files == 0)
		h->classes = classes;
	else if (nst_classes_same(&h->classes, &classes, err) < 0)
		goto failed;
	if (reserve(h, f.prediction.rows, err) < 0 || take_keys(h, &f, err) < 0)
		goto failed;
	h->file[h->files++] = f;
	h->rows += f.prediction.rows;
	return 1;
failed:
	close_file(&f);
	return err->code;
}

const struct nst_held_file *nst_held_find(const struct nst_held *h, uint64_t row, uint64_t *i)
{
	size_t low = 0, high = h->files;

	/* The last file that begins at or before the row; empty files share their base. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (h->file[middle].base <= row)
			low = middle;
		else
			high = middle;
	}
	*i = row - h->file[low].base;
	return &h->file[low];
}

int nst_held_match(const struct nst_held *h, const struct nst_held_file *f, uint64_t i,
		   uint64_t hash, const struct nst_held_file **match, uint64_t *j,
		   struct nst_err *err)
{
	struct nst_sample a, b;
	uint64_t row;

	nst_samples_peek(f->samples, i, &a);
	if (nst_keyset_find(&h->keys, h->hash, hash, &row)) {
		*match = nst_held_find(h, row, j);
		nst_samples_peek((*match)->samples, *j, &b);
		if (a.key_len == b.key_len && memcmp(a.key, b.key, a.key_len) == 0) {
			if (a.checksum == b.checksum && a.size == b.size)
				return 0;
			return nst_fail(err, NST_EINVAL, "'%.*s' is another image in %s than in %s",
					(int)a.key_len, a.key, nst_image_name(f->image),
					nst_image_name((*match)->image));
		}
	}
	return nst_fail(err, NST_EINVAL, "%s has no prediction of '%.*s', row %llu of %s",
			nst_image_name(h->file[0].image), (int)a.key_len, a.key,
			(unsigned long long)i, nst_image_name(f->image));
}

int nst_held_referable(const struct nst_held_file *f)
{
	return !nst_samples_embedded(f->samples) || nst_image_path(f->image);
}

void nst_held_release(struct nst_held *h)
{
	for (size_t i = 0; i < h->files; i++)
		close_file(&h->file[i]);
	free(h->file);
	free(h->hash);
	nst_keyset_release(&h->keys);
	nst_store_free(h->store);
	nst_in_close(h->in);
	memset(h, 0, sizeof(*h));
}
