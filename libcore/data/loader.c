/* Loading: one lane of buffers for each worker, nothing shared but the cache of decoded images,
 * whose rows are filled by whoever comes first. */
#include "libcore/data/loader.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/image/decode.h"
#include "libcore/util/mem.h"

struct lane {
	struct nst_buf bytes; /* of the file of an image */
	struct nst_decoder *decoder;
	struct nst_pixels pixels;
	struct nst_preprocessor preprocessor;
	struct nst_augmenter augmenter;
	uint8_t *view; /* (size,size,3) */
};

/* Decoded images.  A row goes from EMPTY to FILLING (by one worker; others that need it meanwhile
 * decode for themselves) to READY. */
enum { EMPTY, FILLING, READY };

struct cache {
	uint8_t *pixels;
	uint64_t *offset; /* (rows + 1); equal neighbours: the row is not kept */
	_Atomic unsigned char *state;
};

struct nst_loader {
	const struct nst_dataset *ds;
	struct nst_loader_options o;
	struct nst_augment weak; /* crop and flip of o.augment alone */
	struct lane *lane;
	struct cache cache;
};

/* Upright size of a stored sample. */
static void upright(const struct nst_sample *s, size_t *h, size_t *w)
{
	int turned = s->orientation >= 5;

	*h = turned ? s->width : s->height;
	*w = turned ? s->height : s->width;
}

static int cache_open(struct nst_loader *l, struct nst_err *err)
{
	uint64_t rows = nst_dataset_rows(l->ds), total = 0, small = 2 * l->o.preprocess.size;
	struct cache *c = &l->cache;

	c->offset = nst_alloc(rows + 1, sizeof(*c->offset), err);
	if (!c->offset)
		return err->code;
	for (uint64_t i = 0; i < rows; i++) {
		struct nst_datum d;

		c->offset[i] = total;
		nst_dataset_get(l->ds, i, &d);
		if (d.sample.height < small && d.sample.width < small)
			total += (uint64_t)d.sample.height * d.sample.width * 3;
	}
	c->offset[rows] = total;
	if (total && total <= l->o.cache) {
		c->pixels = nst_alloc(total, 1, err);
		c->state = nst_zalloc(rows, 1, err);
		return c->pixels && c->state ? 0 : err->code;
	}
	free(c->offset);
	c->offset = NULL;
	return 0;
}

int nst_loader_new(struct nst_loader **out, const struct nst_dataset *ds,
		   const struct nst_loader_options *o, struct nst_err *err)
{
	size_t side = o->preprocess.size;
	struct nst_loader *l;

	if (o->train && nst_augment_check(&o->augment, err) < 0)
		return err->code;
	l = nst_zalloc(1, sizeof(*l), err);
	if (!l)
		return err->code;
	l->ds = ds;
	l->o = *o;
	l->weak = o->augment;
	nst_augment_weaken(&l->weak);
	l->lane = nst_zalloc(o->workers, sizeof(*l->lane), err);
	if (!l->lane)
		goto fail;
	for (unsigned w = 0; w < o->workers; w++) {
		l->lane[w].decoder = nst_decoder_new(err);
		l->lane[w].view = nst_alloc(side * side, 3, err);
		if (!l->lane[w].decoder || !l->lane[w].view)
			goto fail;
	}
	if (o->train && o->cache && cache_open(l, err) < 0)
		goto fail;
	*out = l;
	return 0;
fail:
	nst_loader_free(l);
	return err->code;
}

void nst_loader_free(struct nst_loader *l)
{
	if (!l)
		return;
	for (unsigned w = 0; l->lane && w < l->o.workers; w++) {
		nst_buf_release(&l->lane[w].bytes);
		nst_decoder_free(l->lane[w].decoder);
		nst_pixels_release(&l->lane[w].pixels);
		nst_preprocessor_release(&l->lane[w].preprocessor);
		nst_augmenter_release(&l->lane[w].augmenter);
		free(l->lane[w].view);
	}
	free(l->lane);
	free(l->cache.pixels);
	free(l->cache.offset);
	free(l->cache.state);
	free(l);
}

/* Decode row i, or the part of it that is needed, reduced by at most `reduce`: into the lane's pixels,
 * or with `to` on to there. */
static int decode(struct nst_loader *l, struct lane *lane, uint64_t i, double reduce,
		  const struct nst_box *part, const struct nst_rows *to, struct nst_err *err)
{
	struct nst_picture picture;
	struct nst_sample s;
	char name[300];
	int r;

	if (nst_dataset_sample(l->ds, i, &lane->bytes, &s, err) < 0)
		return err->code;
	picture = (struct nst_picture){s.codec, s.data,     s.size,        s.height,
				       s.width, s.channels, s.orientation, {s.entry, s.entries}};
	r = to ? nst_decode_rows(lane->decoder, &picture, reduce, part, to, err) :
		 nst_decode_part(lane->decoder, &picture, reduce, part, &lane->pixels, err);
	if (r == 0)
		return 0;
	nst_dataset_name(l->ds, i, name, sizeof(name));
	return nst_err_prefix(err, "cannot decode %s", name);
}

/* decode() through the cache; h x w is the upright size. */
static int decode_cached(struct nst_loader *l, struct lane *lane, uint64_t i, size_t h, size_t w,
			 double reduce, const struct nst_box *part, const struct nst_rows *to,
			 struct nst_err *err)
{
	struct cache *c = &l->cache;
	unsigned char expected = EMPTY;
	uint64_t size;
	uint8_t *kept;
	int r;

	if (!c->offset || c->offset[i] == c->offset[i + 1])
		return decode(l, lane, i, reduce, part, to, err);
	kept = c->pixels + c->offset[i];
	size = c->offset[i + 1] - c->offset[i];
	if (atomic_load_explicit(&c->state[i], memory_order_acquire) == READY) {
		r = nst_pixels_copy(&lane->pixels, kept, h, w, err);
	} else {
		/* Whatever this view needs, others will need all of it. */
		r = decode(l, lane, i, 0, NULL, NULL, err);
		if (r == 0 && atomic_compare_exchange_strong(&c->state[i], &expected, FILLING)) {
			memcpy(kept, lane->pixels.data, size);
			atomic_store_explicit(&c->state[i], READY, memory_order_release);
		}
	}
	if (r == 0 && to)
		r = to->begin(to->ctx, h, w, err);
	if (r == 0 && to)
		to->take(to->ctx, lane->pixels.data, 0, h);
	return r;
}

/* A picture on its way through the evaluation path. */
struct evaluation {
	const struct nst_loader *l;
	unsigned worker;
	float *dst;
	double since; /* the last that the profile knows */
};

/* What was done since the last call was this phase. */
static void profiled(struct evaluation *e, enum nst_phase phase, size_t images)
{
	e->since = nst_profile_add(e->l->o.profile, e->worker, phase, images, e->since);
}

static int evaluation_begin(void *ctx, size_t h, size_t w, struct nst_err *err)
{
	struct evaluation *e = ctx;

	return nst_preprocess_begin(&e->l->o.preprocess, &e->l->lane[e->worker].preprocessor, h, w,
				    e->dst, err);
}

static void evaluation_take(void *ctx, const uint8_t *rows, size_t y, size_t n)
{
	struct evaluation *e = ctx;

	profiled(e, NST_PHASE_DECODE, 0);
	nst_preprocess_take(&e->l->lane[e->worker].preprocessor, rows, y, n);
	profiled(e, NST_PHASE_AUGMENT, 0);
}

int nst_load_eval(struct nst_loader *l, uint64_t i, unsigned worker, float *dst,
		  struct nst_err *err)
{
	const struct nst_preprocess *p = &l->o.preprocess;
	struct evaluation e = {l, worker, dst, nst_profile_now(l->o.profile)};
	const struct nst_rows to = {evaluation_begin, evaluation_take, &e};
	struct nst_datum d;
	struct nst_box part;
	size_t h, w;

	nst_dataset_get(l->ds, i, &d);
	upright(&d.sample, &h, &w);
	part = nst_preprocess_part(p, h, w);
	if (decode_cached(l, &l->lane[worker], i, h, w, nst_preprocess_reduce(p, h, w), &part, &to,
			  err) < 0)
		return err->code;
	profiled(&e, NST_PHASE_DECODE, 1);
	profiled(&e, NST_PHASE_AUGMENT, 1);
	return 0;
}

int nst_load_train(struct nst_loader *l, uint64_t i, uint32_t epoch, unsigned worker, float *dst,
		   struct nst_err *err)
{
	const struct nst_augment *a = &l->o.augment;
	struct lane *lane = &l->lane[worker];
	struct nst_datum d;
	double since = nst_profile_now(l->o.profile);
	struct nst_view view;
	struct nst_box part;
	struct nst_rng rng;
	size_t h, w;

	nst_dataset_get(l->ds, i, &d);
	if (d.role == NST_ROLE_PSEUDO && l->o.pseudo >= NST_PSEUDO_NO_AUGMENT)
		return nst_load_eval(l, i, worker, dst, err);
	if (d.role == NST_ROLE_PSEUDO && l->o.pseudo == NST_PSEUDO_NO_RANDAUGMENT)
		a = &l->weak;
	upright(&d.sample, &h, &w);
	nst_rng_init(&rng, l->o.seed, NST_RNG_AUGMENT, epoch, d.hash);
	nst_augment_draw(a, &rng, h, w, &view);
	part = nst_augment_part(a, &view);
	if (decode_cached(l, lane, i, h, w, nst_augment_reduce(a, &view), &part, NULL,
			  err) < 0)
		return err->code;
	since = nst_profile_add(l->o.profile, worker, NST_PHASE_DECODE, 1, since);
	if (nst_augment_apply(a, &rng, &view, &lane->augmenter, &lane->pixels, lane->view, err) < 0)
		return err->code;
	nst_preprocess_normalise(&l->o.preprocess, lane->view, a->size * a->size, dst);
	nst_erase(&a->erasing, &rng, dst, a->size, a->size);
	nst_profile_add(l->o.profile, worker, NST_PHASE_AUGMENT, 1, since);
	return 0;
}

uint64_t nst_load_row(const struct nst_load_range *range, size_t i)
{
	return range->row ? range->row[i] : range->first + i;
}

int nst_load_range(void *range, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct nst_load_range *r = range;

	return nst_load_eval(r->loader, nst_load_row(r, row), worker, dst, err);
}

int nst_load_train_range(void *range, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct nst_load_range *r = range;

	return nst_load_train(r->loader, nst_load_row(r, row), 0, worker, dst, err);
}
