/* Labeling, with or without noise.
 *
 * Every model has its own preprocessing, therefore its own loader.  Probabilities are summed model
 * by model, a batch at a time; those of one model alone, which are what the sum would be, go on as it
 * makes them. */
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
	struct nst_buf logits, sum;   /* (n,K) float, double: unless they go on at once */
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

/* Rows on their way through one model. */
struct asking {
	struct nst_labeler *labeler;
	nst_load_fn load; /* of range */
	struct nst_load_range range;
	size_t rows;
	float *logits;     /* (rows,classes), where they are kept ... */
	nst_take_fn take;  /* ... or who takes them as probabilities, */
	void *ctx;         /* with this */
	atomic_size_t bad; /* the first row whose logits are no numbers, so far */
};

/* Are these the logits of rows row to row + n - 1 all numbers?  If not, a->bad is told. */
static int are_numbers(struct asking *a, size_t row, size_t n, const float *logits)
{
	size_t classes = nst_labeler_classes(a->labeler).n, i = 0, bad = atomic_load(&a->bad);

	while (i < n * classes && isfinite(logits[i]))
		i++;
	if (i == n * classes)
		return 1;
	row += i / classes;
	while (row < bad && !atomic_compare_exchange_weak(&a->bad, &bad, row))
		continue;
	return 0;
}

static void check_rows(void *ctx, size_t number, unsigned worker)
{
	struct asking *a = ctx;
	size_t first, n = task_rows(number, a->rows, &first);

	(void)worker;
	(void)are_numbers(a, first, n, a->logits + first * nst_labeler_classes(a->labeler).n);
}

/* What a model that is asked alone says of some rows goes on while it is in the caches. */
static void take_logits(void *ctx, size_t row, size_t n, unsigned worker, float *logits)
{
	struct asking *a = ctx;
	size_t classes = nst_labeler_classes(a->labeler).n;

	if (!are_numbers(a, row, n, logits))
		return;
	for (size_t i = 0; i < n; i++)
		nst_softmax(logits + i * classes, classes, a->labeler->temperature,
			    logits + i * classes);
	a->take(a->ctx, row, n, worker, logits);
}

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
static int run_noised(struct nst_labeler *l, struct member *m, struct asking *asking,
		      struct nst_err *err)
{
	size_t n = asking->rows;
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
	return nst_noised_run(m->noised, n, key, load_row, asking, asking->logits, err);
}

/* Ask one model for a->rows rows, which a says where to put. */
static int ask_member(struct nst_labeler *l, struct member *m, struct asking *a, struct nst_err *err)
{
	char name[256];
	int r;

	a->labeler = l;
	a->load = m->noised ? nst_load_train_range : nst_load_range;
	a->range.loader = m->loader;
	a->bad = a->rows;
	if (a->take)
		r = nst_infer_each(m->infer, a->rows, load_row, take_logits, a, err);
	else if (m->noised)
		r = run_noised(l, m, a, err);
	else
		r = nst_infer_run(m->infer, a->rows, load_row, a, a->logits, err);
	if (r < 0)
		return r;
	if (!a->take)
		run_tasks(l, a->rows, check_rows, a);
	if (a->bad == a->rows)
		return 0;
	nst_dataset_name(l->ds, nst_load_row(&a->range, a->bad), name, sizeof(name));
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

/* One model's logits on their way into probabilities, by way of sums if there are several models: the
 * first one sets them, the last one divides them. */
struct adding {
	const struct nst_labeler *labeler;
	size_t number; /* of the model */
	float *logits; /* (rows,classes) */
	double *sum;   /* (rows,classes) or NULL */
	size_t classes, rows;
	nst_take_fn take;
	void *ctx;
};

static void add_rows(void *ctx, size_t number, unsigned worker)
{
	const struct adding *a = ctx;
	const struct nst_labeler *l = a->labeler;
	const int32_t *map = l->member[a->number].map;
	const int last = a->number + 1 == l->members;
	size_t k = a->classes, first, n = task_rows(number, a->rows, &first);

	for (size_t row = first; row < first + n; row++) {
		float *logits = a->logits + row * k;
		double *sum = a->sum ? a->sum + row * k : NULL;

		nst_softmax(logits, k, l->temperature, logits);
		for (size_t i = 0; sum && i < k; i++)
			sum[map[i]] = (a->number ? sum[map[i]] : 0) + logits[i];
		for (size_t i = 0; sum && last && i < k; i++)
			logits[i] = (float)(sum[i] / (double)l->members);
	}
	if (last)
		a->take(a->ctx, first, n, worker, a->logits + first * k);
}

static int run_rows(struct nst_labeler *l, const struct nst_load_range *rows, size_t n,
		    nst_take_fn take, void *ctx, struct nst_err *err)
{
	struct asking asking = {.range = *rows, .rows = n, .take = take, .ctx = ctx};
	struct adding a = {.labeler = l, .classes = nst_labeler_classes(l).n, .rows = n,
			   .take = take, .ctx = ctx};
	size_t cells;

	if (l->members == 1 && !l->member[0].noised)
		return ask_member(l, &l->member[0], &asking, err);
	asking.take = NULL;
	if (reserve_rows(l, n, &l->logits, sizeof(*a.logits), &cells, err) < 0)
		return err->code;
	asking.logits = a.logits = (float *)(void *)l->logits.data;
	if (l->members > 1) {
		if (reserve_rows(l, n, &l->sum, sizeof(*a.sum), &cells, err) < 0)
			return err->code;
		a.sum = (double *)(void *)l->sum.data;
	}
	for (; a.number < l->members; a.number++) {
		if (ask_member(l, &l->member[a.number], &asking, err) < 0)
			return err->code;
		run_tasks(l, n, add_rows, &a);
	}
	return 0;
}

int nst_labeler_each(struct nst_labeler *l, uint64_t first, size_t n, nst_take_fn take, void *ctx,
		     struct nst_err *err)
{
	return run_rows(l, &(struct nst_load_range){.first = first}, n, take, ctx, err);
}

/* Probabilities that go to an array. */
struct collecting {
	float *p;
	size_t classes;
};

static void collect(void *ctx, size_t row, size_t n, unsigned worker, float *p)
{
	const struct collecting *c = ctx;

	(void)worker;
	memcpy(c->p + row * c->classes, p, n * c->classes * sizeof(*p));
}

int nst_labeler_run(struct nst_labeler *l, uint64_t first, size_t n, float *p, struct nst_err *err)
{
	struct collecting c = {p, nst_labeler_classes(l).n};

	return run_rows(l, &(struct nst_load_range){.first = first}, n, collect, &c, err);
}

int nst_labeler_run_rows(struct nst_labeler *l, const uint64_t *row, size_t n, float *p,
			 struct nst_err *err)
{
	struct collecting c = {p, nst_labeler_classes(l).n};

	return run_rows(l, &(struct nst_load_range){.row = row}, n, collect, &c, err);
}

int nst_labeler_logits(struct nst_labeler *l, uint64_t first, size_t n, float *logits,
		       struct nst_err *err)
{
	struct asking asking = {.range = {.first = first}, .rows = n};
	size_t cells, classes = nst_labeler_classes(l).n;

	if (reserve_rows(l, n, &l->logits, sizeof(*logits), &cells, err) < 0)
		return err->code;
	asking.logits = (float *)(void *)l->logits.data;
	for (size_t m = 0; m < l->members; m++) {
		if (ask_member(l, &l->member[m], &asking, err) < 0)
			return err->code;
		for (size_t i = 0; i < cells; i++) {
			size_t row = i / classes, to = (size_t)l->member[m].map[i % classes];

			logits[(row * l->members + m) * classes + to] = asking.logits[i];
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
