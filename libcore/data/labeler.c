/* Labeling, with or without noise.
 *
 * Every model has its own preprocessing, therefore its own loader.  Probabilities are summed model
 * by model, a batch at a time; those of one model alone are what the sum would be. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/labeler.h"
#include "libcore/data/loader.h"
#include "libcore/nn/noised.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

enum {
	ROWS_PER_THREAD = 1024, /* of a batch */
	MOST_CELLS = 1 << 23,   /* probabilities of a batch */
	LEAST_ROWS = 64,        /* of a batch, however many classes there are */
};

struct member {
	struct nst_modelfile file;
	struct nst_infer *infer;
	struct nst_noised *noised;  /* instead of infer, or NULL */
	struct nst_noise noise;     /* with noised */
	struct nst_loader *loader;
	int32_t *map;               /* (K) class of this model -> class of the first one */
};

struct nst_labeler {
	struct member *member;
	size_t members;
	struct nst_pool *pool;
	enum nst_arithmetic arithmetic;
	enum nst_weights weights;
	double temperature;
	struct nst_profile *profile;
	const struct nst_dataset *ds;
	struct nst_buf uuids;
	struct nst_buf logits, sum;   /* (n,K) float, double: of several models */
	struct nst_buf key;           /* (n) uint64_t, with noise */
	void (*at)(void *ctx, uint64_t rows); /* progress */
	void *at_ctx;
	atomic_uint_fast64_t loaded;  /* images, by any model */
};

static const char *name_of(const struct member *m)
{
	return nst_image_name(m->file.image);
}

static struct nst_classes classes_of(const struct member *m)
{
	return (struct nst_classes){m->file.model.class_name, (size_t)m->file.model.classes,
				    name_of(m)};
}

/* The same names in any order: otherwise the sentence of a comparison in order says what differs. */
static int match_classes(struct member *m, const struct member *first, struct nst_err *err)
{
	struct nst_classes from = classes_of(m), to = classes_of(first);

	m->map = nst_alloc(from.n, sizeof(*m->map), err);
	if (!m->map || nst_classes_map(&from, &to, m->map, err) < 0)
		return err->code;
	if (from.n != to.n)
		return nst_classes_same(&to, &from, err);
	for (size_t i = 0; i < from.n; i++) {
		if (m->map[i] < 0)
			return nst_fail(err, NST_EINVAL, "class tables differ: %s has class '%s', %s "
					"does not", from.file, from.name[i], to.file);
	}
	return 0;
}

static int open_member(struct nst_labeler *l, struct member *m, const char *path,
		       enum nst_weights weights, struct nst_err *err)
{
	const float **param;
	int r;

	if (nst_modelfile_open(&m->file, path, err) < 0)
		return err->code;
	param = nst_alloc(m->file.net->nparams, sizeof(*param), err);
	if (!param)
		return NST_ENOMEM;
	r = nst_modelfile_find(&m->file, weights, param, err);
	if (r == 0 && nst_infer_from(m->file.net, param, l->arithmetic, l->pool, &m->infer, err) < 0)
		r = nst_err_prefix(err, "%s", name_of(m));
	free(param);
	if (r < 0)
		return r;
	if (match_classes(m, &l->member[0], err) < 0)
		return err->code;
	return nst_buf_printf(&l->uuids, err, "%s%s", l->uuids.len ? " " : "",
			      nst_image_uuid(m->file.image));
}

int nst_labeler_new(struct nst_labeler **out, const char *const *paths, size_t n,
		    enum nst_weights weights, double temperature, enum nst_arithmetic arithmetic,
		    struct nst_pool *pool, struct nst_err *err)
{
	struct nst_labeler *l = nst_zalloc(1, sizeof(*l), err);

	if (!l)
		return NST_ENOMEM;
	l->pool = pool;
	l->arithmetic = arithmetic;
	l->weights = weights;
	l->temperature = temperature;
	l->member = nst_zalloc(n, sizeof(*l->member), err);
	if (!l->member)
		goto failed;
	for (; l->members < n; l->members++) {
		if (open_member(l, &l->member[l->members], paths[l->members], weights, err) < 0) {
			l->members++; /* half open */
			goto failed;
		}
	}
	*out = l;
	return 0;
failed:
	nst_labeler_free(l);
	return err->code;
}

void nst_labeler_free(struct nst_labeler *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->members; i++) {
		nst_loader_free(l->member[i].loader);
		nst_infer_free(l->member[i].infer);
		nst_noised_free(l->member[i].noised);
		nst_modelfile_release(&l->member[i].file);
		free(l->member[i].map);
	}
	free(l->member);
	nst_buf_release(&l->uuids);
	nst_buf_release(&l->logits);
	nst_buf_release(&l->sum);
	nst_buf_release(&l->key);
	free(l);
}

static int put_noise(struct nst_labeler *l, struct member *m, const struct nst_noise_request *r,
		     struct nst_err *err)
{
	const struct nst_net *net = m->file.net;
	const float **param;
	int code = nst_noise_resolve(r, &m->file, &m->noise, err);

	if (code < 0)
		return code;
	param = nst_alloc(net->nparams, sizeof(*param), err);
	if (!param)
		return NST_ENOMEM;
	code = nst_modelfile_find(&m->file, l->weights, param, err);
	if (code == 0 && nst_noised_new(net, param, m->noise.dropout, m->noise.drop_path,
					m->noise.seed, l->pool, &m->noised, err) < 0)
		code = nst_err_prefix(err, "%s", name_of(m));
	free(param);
	nst_infer_free(m->infer);
	m->infer = NULL;
	return code;
}

int nst_labeler_noise(struct nst_labeler *l, const struct nst_noise_request *r, struct nst_err *err)
{
	for (size_t i = 0; i < l->members; i++) {
		if (put_noise(l, &l->member[i], r, err) < 0)
			return err->code;
	}
	return 0;
}

int nst_labeler_profile(struct nst_labeler *l, struct nst_profile *profile, struct nst_err *err)
{
	l->profile = profile;
	for (size_t i = 0; i < l->members; i++) {
		const struct member *m = &l->member[i];

		if ((m->noised ? nst_noised_profile(m->noised, profile, err) :
				 nst_infer_profile(m->infer, profile, err)) < 0)
			return err->code;
	}
	return 0;
}

void nst_labeler_progress(struct nst_labeler *l, void (*at)(void *ctx, uint64_t rows), void *ctx)
{
	l->at = at;
	l->at_ctx = ctx;
	atomic_store(&l->loaded, 0);
}

struct nst_classes nst_labeler_classes(const struct nst_labeler *l)
{
	return classes_of(&l->member[0]);
}

const char *nst_labeler_uuids(const struct nst_labeler *l)
{
	return (const char *)l->uuids.data;
}

size_t nst_labeler_models(const struct nst_labeler *l)
{
	return l->members;
}

const struct nst_image *nst_labeler_image(const struct nst_labeler *l, size_t i)
{
	return l->member[i].file.image;
}

size_t nst_labeler_batch(const struct nst_labeler *l)
{
	size_t rows = ROWS_PER_THREAD * (size_t)nst_pool_threads(l->pool);
	size_t most = MOST_CELLS / nst_labeler_classes(l).n;

	rows = rows < most ? rows : most;
	return rows > LEAST_ROWS ? rows : LEAST_ROWS;
}

int nst_labeler_begin(struct nst_labeler *l, const struct nst_dataset *ds, struct nst_err *err)
{
	l->ds = ds;
	for (size_t i = 0; i < l->members; i++) {
		struct member *m = &l->member[i];
		const struct nst_loader_options o = {
			.preprocess = m->file.preprocess,
			.train = m->noised != NULL,
			.augment = m->noise.augment,
			.seed = m->noise.seed,
			.workers = nst_pool_threads(l->pool),
			.profile = l->profile,
		};

		nst_loader_free(m->loader);
		m->loader = NULL;
		if (nst_loader_new(&m->loader, ds, &o, err) < 0)
			return err->code;
	}
	return 0;
}

enum { ROWS_PER_TASK = 16 }; /* behind the net */

/* Rows of a task, of `rows`. */
static size_t task_rows(size_t number, size_t rows, size_t *first)
{
	size_t left;

	*first = number * ROWS_PER_TASK;
	left = rows - *first;
	return left < ROWS_PER_TASK ? left : ROWS_PER_TASK;
}

static void run_tasks(struct nst_labeler *l, size_t rows, nst_task_fn *fn, void *ctx)
{
	nst_pool_run(l->pool, (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, fn, ctx);
}

/* Logits (rows,classes) that are to be numbers. */
struct checking {
	const float *logits;
	size_t classes, rows;
	atomic_size_t bad; /* the first row that is not, so far */
};

static void check_rows(void *ctx, size_t number, unsigned worker)
{
	struct checking *c = ctx;
	size_t first, n = task_rows(number, c->rows, &first), i = first * c->classes;
	size_t end = (first + n) * c->classes;

	(void)worker;
	while (i < end && isfinite(c->logits[i]))
		i++;
	if (i < end) {
		size_t row = i / c->classes, bad = atomic_load(&c->bad);

		while (row < bad && !atomic_compare_exchange_weak(&c->bad, &bad, row))
			continue;
	}
}

/* One model's logits on their way into probabilities p, by way of sums if there are several models:
 * the first one sets them, the last one divides them. */
struct adding {
	const struct nst_labeler *labeler;
	size_t number;     /* of the model */
	float *logits, *p; /* (rows,classes); of one model alone the same */
	double *sum;       /* (rows,classes) or NULL */
	size_t classes, rows;
};

static void add_rows(void *ctx, size_t number, unsigned worker)
{
	const struct adding *a = ctx;
	const struct nst_labeler *l = a->labeler;
	const int32_t *map = l->member[a->number].map;
	size_t k = a->classes, first, n = task_rows(number, a->rows, &first);

	(void)worker;
	for (size_t row = first; row < first + n; row++) {
		float *logits = a->logits + row * k;
		double *sum = a->sum ? a->sum + row * k : NULL;

		nst_softmax(logits, k, l->temperature, logits);
		for (size_t i = 0; sum && i < k; i++)
			sum[map[i]] = (a->number ? sum[map[i]] : 0) + logits[i];
		for (size_t i = 0; sum && a->number + 1 == l->members && i < k; i++)
			a->p[row * k + i] = (float)(sum[i] / (double)l->members);
	}
}

/* Rows on their way into one model. */
struct asking {
	struct nst_labeler *labeler;
	nst_load_fn load; /* of range */
	struct nst_load_range range;
};

static int load_row(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	struct asking *a = ctx;
	struct nst_labeler *l = a->labeler;
	uint64_t loaded = atomic_fetch_add_explicit(&l->loaded, 1, memory_order_relaxed) + 1;

	/* Worker 0 is the thread that runs the others. */
	if (l->at && worker == 0)
		l->at(l->at_ctx, loaded / l->members);
	return a->load(&a->range, row, worker, dst, err);
}

/* The same as nst_infer_run with noise; draws are keyed by the keys of the rows. */
static int run_noised(struct nst_labeler *l, struct member *m, struct asking *asking, size_t n,
		      float *logits, struct nst_err *err)
{
	uint64_t *key;

	l->key.len = 0;
	if (nst_buf_reserve(&l->key, n * sizeof(*key), err) < 0)
		return err->code;
	key = (uint64_t *)(void *)l->key.data;
	for (size_t i = 0; i < n; i++) {
		struct nst_datum d;

		nst_dataset_get(l->ds, nst_load_row(&asking->range, i), &d);
		key[i] = d.hash;
	}
	return nst_noised_run(m->noised, n, key, load_row, asking, logits, err);
}

/* One model's logits of n rows. */
static int ask_member(struct nst_labeler *l, struct member *m, const struct nst_load_range *rows,
		      size_t n, float *logits, struct nst_err *err)
{
	struct asking asking = {
		l, m->noised ? nst_load_train_range : nst_load_range,
		{m->loader, rows->first, rows->row},
	};
	struct checking c = {logits, (size_t)m->file.model.classes, n, n};
	char name[256];

	if ((m->noised ? run_noised(l, m, &asking, n, logits, err) :
			 nst_infer_run(m->infer, n, load_row, &asking, logits, err)) < 0)
		return err->code;
	run_tasks(l, n, check_rows, &c);
	if (c.bad == n)
		return 0;
	nst_dataset_name(l->ds, nst_load_row(rows, c.bad), name, sizeof(name));
	return nst_fail(err, NST_EINVAL, "%s gives no number for %s: the model has diverged",
			name_of(m), name);
}

/* Room for n rows of numbers of so many bytes; *cells becomes n * classes. */
static int reserve_rows(struct nst_labeler *l, size_t n, struct nst_buf *b, size_t bytes,
			size_t *cells, struct nst_err *err)
{
	if (nst_mul_size(n, nst_labeler_classes(l).n, cells) < 0 || *cells > SIZE_MAX / bytes)
		return nst_fail_mem(err, UINT64_MAX);
	b->len = 0;
	return nst_buf_reserve(b, *cells * bytes, err);
}

static int run_rows(struct nst_labeler *l, const struct nst_load_range *rows, size_t n, float *p,
		    struct nst_err *err)
{
	struct adding a = {
		.labeler = l, .logits = p, .p = p, .classes = nst_labeler_classes(l).n, .rows = n,
	};
	size_t cells;

	if (l->members > 1) {
		if (reserve_rows(l, n, &l->logits, sizeof(*a.logits), &cells, err) < 0 ||
		    reserve_rows(l, n, &l->sum, sizeof(*a.sum), &cells, err) < 0)
			return err->code;
		a.logits = (float *)(void *)l->logits.data;
		a.sum = (double *)(void *)l->sum.data;
	}
	for (; a.number < l->members; a.number++) {
		if (ask_member(l, &l->member[a.number], rows, n, a.logits, err) < 0)
			return err->code;
		run_tasks(l, n, add_rows, &a);
	}
	return 0;
}

int nst_labeler_run(struct nst_labeler *l, uint64_t first, size_t n, float *p, struct nst_err *err)
{
	return run_rows(l, &(struct nst_load_range){.first = first}, n, p, err);
}

int nst_labeler_run_rows(struct nst_labeler *l, const uint64_t *row, size_t n, float *p,
			 struct nst_err *err)
{
	return run_rows(l, &(struct nst_load_range){.row = row}, n, p, err);
}

int nst_labeler_logits(struct nst_labeler *l, uint64_t first, size_t n, float *logits,
		       struct nst_err *err)
{
	const struct nst_load_range rows = {.first = first};
	size_t cells, classes = nst_labeler_classes(l).n;

	if (reserve_rows(l, n, &l->logits, sizeof(*logits), &cells, err) < 0)
		return err->code;
	for (size_t m = 0; m < l->members; m++) {
		float *own = (float *)(void *)l->logits.data;

		if (ask_member(l, &l->member[m], &rows, n, own, err) < 0)
			return err->code;
		for (size_t i = 0; i < cells; i++) {
			size_t row = i / classes, to = (size_t)l->member[m].map[i % classes];

			logits[(row * l->members + m) * classes + to] = own[i];
		}
	}
	return 0;
}

void nst_labeler_set_temperature(struct nst_labeler *l, double temperature)
{
	l->temperature = temperature;
}

double nst_labeler_temperature(const struct nst_labeler *l)
{
	return l->temperature;
}
