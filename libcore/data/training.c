/* The training run.  Its state is what the trainer holds, the sums of the epoch in progress, and the
 * log so far; which rows a step takes and what noise they get is a function of the step. */
#include "libcore/data/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/loader.h"
#include "libcore/data/sampler.h"
#include "libcore/data/summary.h"
#include "libcore/io/atomic.h"
#include "libcore/nn/infer.h"
#include "libcore/select/metrics.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

enum { VALIDATION_BATCH = 256 }; /* rows at a time; no result depends on it */

/* Sums over the steps of the epoch in progress. */
struct sums {
	struct nst_step_stats stats;
	uint64_t steps;
};

struct nst_training {
	struct nst_training_options o;
	struct nst_settings full; /* those of o with the grain */
	struct nst_train_options working; /* for steps of that size */
	struct nst_net *net;
	struct nst_trainer *trainer;
	struct nst_sampler *sampler;
	struct nst_loader *loader;
	struct nst_draw *draw; /* rows of a step ... */
	struct nst_row *row;
	float *soft;           /* ... and room for their targets */
	uint64_t *asked;       /* rows that the teacher is asked about */
	float *answer;
	double role_weight[2];
	struct nst_loss_means means;
	struct nst_schedule schedule; /* over the epochs that whole steps make */
	double skipped;               /* epochs of it before the first step */
	uint64_t steps, step;
	struct sums sums;
	struct nst_list settings, log, warnings;
};

/* ---- setting up --------------------------------------------------------------------------- */

static int warn(struct nst_training *t, struct nst_err *err, const char *fmt, ...)
	NST_PRINTF(3, 4);
static int warn(struct nst_training *t, struct nst_err *err, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return nst_list_add(&t->warnings, text, err);
}

/* Every row has a class or a soft target; classes without rows are worth a warning. */
static int check_rows(struct nst_training *t, struct nst_err *err)
{
	const struct nst_dataset *ds = t->o.rows;
	size_t classes = nst_dataset_classes(ds), empty = 0, first = 0;
	uint64_t *count = nst_zalloc(classes, sizeof(*count), err);
	float *soft = nst_alloc(classes, sizeof(*soft), err);
	int r = count && soft ? 0 : NST_ENOMEM;

	for (uint64_t i = 0; i < nst_dataset_rows(ds) && r == 0; i++) {
		struct nst_target target;
		struct nst_datum d;
		char name[300];

		nst_dataset_get(ds, i, &d);
		if (d.label >= 0) {
			count[d.label] += 1;
			continue;
		}
		if (t->o.teacher && d.role == NST_ROLE_PSEUDO)
			continue;
		nst_dataset_target(ds, i, soft, &target);
		if (target.soft)
			continue;
		nst_dataset_name(ds, i, name, sizeof(name));
		r = nst_fail(err, NST_EINVAL, "%s has no label: nst-infer, nst-filter and nst-mix give "
			     "unlabeled images one", name);
	}
	for (size_t c = 0; c < classes && r == 0; c++) {
		if (count[c] == 0 && empty++ == 0)
			first = c;
	}
	if (r == 0 && empty == 1)
		r = warn(t, err, "class '%s' has no rows", nst_dataset_class_names(ds)[first]);
	if (r == 0 && empty > 1)
		r = warn(t, err, "%zu of %zu classes have no rows, the first is '%s'", empty, classes,
			 nst_dataset_class_names(ds)[first]);
	free(count);
	free(soft);
	return r;
}

static int check_validation(const struct nst_training *t, struct nst_err *err)
{
	const struct nst_dataset *ds = t->o.validation;

	for (uint64_t i = 0; ds && i < nst_dataset_rows(ds); i++) {
		struct nst_datum d;
		char name[300];

		nst_dataset_get(ds, i, &d);
		if (d.label >= 0)
			continue;
		nst_dataset_name(ds, i, name, sizeof(name));
		return nst_fail(err, NST_EINVAL, "%s has no label and cannot validate", name);
	}
	return 0;
}

/* What is about rows of a role that are not there has not been meant for these rows. */
static int check_roles(const struct nst_training *t, struct nst_err *err)
{
	enum { LABELED = 1 << NST_ROLE_LABELED, PSEUDO = 1 << NST_ROLE_PSEUDO };
	const struct nst_settings *s = &t->full;
	const struct nst_train_options *o = &s->train;
	const struct {
		const char *option;
		int given, roles; /* those it needs */
	} about[] = {
		{"--ratio", s->ratio_asked, LABELED | PSEUDO},
		{"--loss", s->loss != NST_LOSS_CONCAT, LABELED | PSEUDO},
		{"--loss-alpha", s->loss_alpha != 1, PSEUDO},
		{"--label-sample-prob", s->label_prob < 1, LABELED},
		{"--no-smooth-pseudo", !o->smooth_pseudo, PSEUDO},
		{"--pseudo-noise", s->pseudo_noise != NST_PSEUDO_FULL, PSEUDO},
		{"--mixup-rows=pseudo", !o->mixup.role[NST_ROLE_LABELED], PSEUDO},
		{"--mixup-rows=labeled", !o->mixup.role[NST_ROLE_PSEUDO], LABELED},
	};
	int missing = (nst_sampler_count(t->sampler, NST_ROLE_LABELED) ? 0 : LABELED) |
		      (nst_sampler_count(t->sampler, NST_ROLE_PSEUDO) ? 0 : PSEUDO);

	for (size_t i = 0; i < sizeof(about) / sizeof(*about); i++)
		if (about[i].given && (about[i].roles & missing))
			return nst_fail(err, NST_EINVAL, "%s is given, but there are no %s rows",
					about[i].option,
					missing == LABELED ? "labeled" : "pseudo-labeled");
	return 0;
}

/* A temperature is of soft targets. */
static int check_temperature(const struct nst_training *t, struct nst_err *err)
{
	const struct nst_dataset *ds = t->o.rows;
	float *soft;
	int found = t->o.teacher && !t->full.hard_teacher;

	if (t->full.train.temperature == 1 || found)
		return 0;
	soft = nst_alloc(nst_dataset_classes(ds), sizeof(*soft), err);
	if (!soft)
		return err->code;
	for (uint64_t i = 0; !found && i < nst_dataset_rows(ds); i++) {
		struct nst_target target;

		nst_dataset_target(ds, i, soft, &target);
		found = target.soft != NULL;
	}
	free(soft);
	return found ? 0 : nst_fail(err, NST_EINVAL, "--temperature is given, but there are no soft "
				    "targets");
}

/* Grains of rows of one role need shares of whole grains, but for the last. */
static int check_apart(const struct nst_training *t, struct nst_err *err)
{
	size_t labeled = nst_sampler_share(t->sampler, NST_ROLE_LABELED), grain = t->full.train.grain;

	if (!labeled || !nst_sampler_share(t->sampler, NST_ROLE_PSEUDO))
		return nst_fail(err, NST_EINVAL, "--bn-stats=%s needs labeled and pseudo-labeled rows",
				nst_bn_words[t->full.bn_stats]);
	if (labeled % grain)
		return nst_fail(err, NST_EINVAL, "--bn-stats=%s needs grains of labeled rows alone: "
				"change --batch (%zu) to a multiple of --grain (%zu)",
				nst_bn_words[t->full.bn_stats], labeled, grain);
	return 0;
}

static int check_batch(struct nst_training *t, struct nst_err *err)
{
	size_t batch = nst_sampler_batch(t->sampler), grain, rest;

	if (t->full.train.grain == 0)
		t->full.train.grain = nst_train_grain(batch);
	grain = t->full.train.grain;
	rest = batch % grain;
	for (int role = 0; role < 2; role++) {
		uint64_t rows = nst_sampler_count(t->sampler, (enum nst_role)role);

		if (rows && rows < nst_sampler_share(t->sampler, (enum nst_role)role) &&
		    warn(t, err, "a step takes %zu %s rows, but there are only %llu: they are repeated "
			 "within it", nst_sampler_share(t->sampler, (enum nst_role)role),
			 role == NST_ROLE_LABELED ? "labeled" : "pseudo-labeled",
			 (unsigned long long)rows) < 0)
			return err->code;
	}
	if (t->full.bn_stats != NST_BN_JOINT && check_apart(t, err) < 0)
		return err->code;
	if (nst_settings_training(&t->full, t->net, batch, &t->working, err) < 0)
		return err->code;
	if (rest && rest < grain / 2)
		return warn(t, err, "the last grain of a step has only %zu of %zu rows, which makes its "
			    "batch statistics poor: use a batch that is a multiple of the grain", rest,
			    grain);
	return 0;
}

/* Noise that cannot be what was meant. */
static int check_noise(struct nst_training *t, struct nst_err *err)
{
	const struct nst_randaugment *ra = &t->full.augment.ra;

	if (nst_randaugment_is_capped(ra))
		return warn(t, err,
			    "--randaugment: timm lowers magnitude %g to %g, unless mmax%g is given",
			    ra->m, ra->max, ceil(ra->m));
	return 0;
}

/* The weights to start from are those of this net. */
static int check_init(const struct nst_training *t, struct nst_err *err)
{
	const struct nst_modelfile *init = t->o.init;

	if (!init && t->full.train.freeze)
		return nst_fail(err, NST_EINVAL, "--freeze keeps the blocks of a model: it needs "
				"--init");
	if (init && nst_modelfile_fits(init, t->net, t->o.init_classifier, err) < 0)
		return nst_err_prefix(err, "cannot start from %s (%s)", nst_image_name(init->image),
				      init->model.architecture);
	return 0;
}

static void set_weights(struct nst_training *t)
{
	if (!t->o.init)
		return;
	nst_modelfile_init(t->o.init, t->net, t->o.init_classifier, nst_trainer_params(t->trainer));
	if (nst_trainer_ema(t->trainer))
		nst_trainer_reset_ema(t->trainer);
}

/* The teacher's classes must be ours, in our order: its probabilities are targets as they are. */
static int open_teacher(struct nst_training *t, size_t rows, struct nst_err *err)
{
	const struct nst_dataset *ds = t->o.rows;
	struct nst_classes own = {nst_dataset_class_names(ds), nst_dataset_classes(ds),
				  nst_image_name(nst_dataset_image(ds, 0))};
	struct nst_classes teacher;

	if (!t->o.teacher)
		return t->full.hard_teacher ? nst_fail(err, NST_EINVAL, "--hard-teacher needs --teacher")
					    : 0;
	if (!nst_sampler_count(t->sampler, NST_ROLE_PSEUDO))
		return nst_fail(err, NST_EINVAL, "--teacher labels unlabeled or pseudo-labeled rows, but "
				"there are none");
	teacher = nst_labeler_classes(t->o.teacher);
	if (nst_classes_same(&own, &teacher, err) < 0)
		return err->code;
	t->asked = nst_alloc(rows, sizeof(*t->asked), err);
	t->answer = nst_alloc(rows, own.n * sizeof(*t->answer), err);
	if (!t->asked || !t->answer)
		return err->code;
	return nst_labeler_begin(t->o.teacher, ds, err);
}

/* What computes, and room for the rows of a step. */
static int open_engine(struct nst_training *t, size_t batch, struct nst_err *err)
{
	const struct nst_settings *s = &t->full;
	const struct nst_loader_options loading = {
		.preprocess = s->preprocess,
		.train = 1,
		.augment = s->augment,
		.pseudo = s->pseudo_noise,
		.seed = s->train.seed,
		.cache = t->o.cache,
		.workers = nst_pool_threads(t->o.pool),
		.profile = t->o.profile,
	};

	if (nst_loader_new(&t->loader, t->o.rows, &loading, err) < 0 ||
	    nst_trainer_new(t->net, &t->working, t->o.pool, &t->trainer, err) < 0 ||
	    nst_trainer_profile(t->trainer, t->o.profile, err) < 0)
		return err->code;
	set_weights(t);
	t->draw = nst_alloc(batch, sizeof(*t->draw), err);
	t->row = nst_alloc(batch, sizeof(*t->row), err);
	t->soft = nst_alloc(batch, t->net->classes * sizeof(*t->soft), err);
	return t->draw && t->row && t->soft ? 0 : err->code;
}

static int open_parts(struct nst_training *t, struct nst_err *err)
{
	const struct nst_settings *s = &t->full;
	size_t classes = nst_dataset_classes(t->o.rows), batch;
	double asked = nst_dataset_ratio(t->o.rows);
	const struct nst_sampler_options drawing = {
		.batch = s->batch,
		.ratio = s->ratio > 0 ? s->ratio : asked > 0 ? asked : 1,
		.label_prob = s->label_prob,
		.apart = s->bn_stats != NST_BN_JOINT,
		.seed = s->train.seed,
	};

	if (classes < 2)
		return nst_fail(err, NST_EINVAL, "%s has %zu class%s, training needs two or more",
				nst_image_name(nst_dataset_image(t->o.rows, 0)), classes,
				classes == 1 ? "" : "es");
	if (check_rows(t, err) < 0 || check_validation(t, err) < 0 ||
	    nst_net_new(&s->arch, s->preprocess.size, classes, &t->net, err) < 0 ||
	    check_init(t, err) < 0 ||
	    nst_sampler_new(&t->sampler, t->o.rows, &drawing, err) < 0 ||
	    check_roles(t, err) < 0 || check_temperature(t, err) < 0 || check_batch(t, err) < 0 ||
	    check_noise(t, err) < 0)
		return err->code;
	batch = nst_sampler_batch(t->sampler);
	if (open_teacher(t, batch, err) < 0 || (!t->o.plan_only && open_engine(t, batch, err) < 0))
		return err->code;
	t->schedule = s->schedule;
	t->skipped = s->last_epochs > 0 ? s->schedule.epochs - s->last_epochs : 0;
	t->steps = nst_sampler_steps(t->sampler, s->schedule.epochs - t->skipped);
	t->schedule.epochs = t->skipped + nst_sampler_epochs(t->sampler, t->steps);
	return 0;
}

static int describe_teacher(struct nst_training *t, struct nst_err *err)
{
	struct nst_buf text = {0};
	int r;

	if (!t->o.teacher)
		return 0;
	r = nst_buf_printf(&text, err, "teacher=%s", nst_labeler_uuids(t->o.teacher));
	if (r == 0)
		r = nst_list_add(&t->settings, (const char *)text.data, err);
	nst_buf_release(&text);
	if (r == 0 && t->full.hard_teacher)
		r = nst_list_add(&t->settings, "hard-teacher=1", err);
	return r;
}

/* The settings as text, with the models that the training started from and learns from. */
static int describe(struct nst_training *t, struct nst_err *err)
{
	char init[64];

	if (nst_settings_lines(&t->full, &t->settings, err) < 0 || describe_teacher(t, err) < 0)
		return err->code;
	if (!t->o.init)
		return 0;
	snprintf(init, sizeof(init), "init=%s", nst_image_uuid(t->o.init->image));
	if (nst_list_add(&t->settings, init, err) < 0)
		return err->code;
	return t->o.init_classifier ? 0 : nst_list_add(&t->settings, "init-classifier=new", err);
}

int nst_training_new(struct nst_training **out, const struct nst_training_options *o,
		     struct nst_err *err)
{
	struct nst_training *t = nst_zalloc(1, sizeof(*t), err);

	if (!t)
		return err->code;
	t->o = *o;
	t->full = *o->settings;
	if (open_parts(t, err) < 0 || describe(t, err) < 0 ||
	    nst_list_add(&t->log, "epoch\tstep\tlr\tloss\tlabeled_loss\tlabeled_accuracy\t"
			 "pseudo_loss\tpseudo_agreement\tval_top1\tval_nll", err) < 0) {
		nst_training_free(t);
		return err->code;
	}
	*out = t;
	return 0;
}

void nst_training_free(struct nst_training *t)
{
	if (!t)
		return;
	nst_trainer_free(t->trainer);
	nst_loader_free(t->loader);
	nst_sampler_free(t->sampler);
	nst_net_free(t->net);
	free(t->draw);
	free(t->row);
	free(t->soft);
	free(t->asked);
	free(t->answer);
	nst_list_release(&t->settings);
	nst_list_release(&t->log);
	nst_list_release(&t->warnings);
	free(t);
}

const struct nst_list *nst_training_warnings(const struct nst_training *t)
{
	return &t->warnings;
}

size_t nst_training_batch(const struct nst_training *t)
{
	return nst_sampler_batch(t->sampler);
}

uint64_t nst_training_steps(const struct nst_training *t)
{
	return t->steps;
}

uint64_t nst_training_step_count(const struct nst_training *t)
{
	return t->step;
}

int nst_training_done(const struct nst_training *t)
{
	return t->step >= t->steps;
}

static int plan_line(struct nst_list *l, struct nst_err *err, const char *fmt, ...)
	NST_PRINTF(3, 4);
static int plan_line(struct nst_list *l, struct nst_err *err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return nst_list_add(l, text, err);
}

int nst_training_plan(const struct nst_training *t, struct nst_list *l, struct nst_err *err)
{
	unsigned threads = nst_pool_threads(t->o.pool);
	size_t memory;

	if (nst_train_memory(t->net, &t->working, nst_training_batch(t), threads, &memory, err) < 0)
		return err->code;
	if (plan_line(l, err, "rows: %llu labeled, %llu pseudo-labeled, %zu classes",
		      (unsigned long long)nst_sampler_count(t->sampler, NST_ROLE_LABELED),
		      (unsigned long long)nst_sampler_count(t->sampler, NST_ROLE_PSEUDO),
		      t->net->classes) < 0 ||
	    plan_line(l, err, "steps: %llu of %zu labeled and %zu pseudo-labeled rows",
		      (unsigned long long)t->steps,
		      nst_sampler_share(t->sampler, NST_ROLE_LABELED),
		      nst_sampler_share(t->sampler, NST_ROLE_PSEUDO)) < 0 ||
	    plan_line(l, err, "net: %zu parameters, %.1f million multiply-adds for an image",
		      t->net->ncounted, (double)t->net->macs * 1e-6) < 0 ||
	    plan_line(l, err, "arithmetic: %.3g floating-point operations in all",
		      6 * (double)t->net->macs * (double)nst_training_batch(t) * (double)t->steps) < 0 ||
	    plan_line(l, err, "memory: %.0f MiB for %u threads, besides the rows",
		      (double)memory / (1 << 20), threads) < 0)
		return err->code;
	return nst_settings_lines(&t->full, l, err);
}

int nst_training_summary(const struct nst_training *t, struct nst_table *table, struct nst_err *err)
{
	return nst_summary_fill(table, t->net, &t->working, nst_training_batch(t),
				nst_pool_threads(t->o.pool), err);
}

/* ---- steps -------------------------------------------------------------------------------- */

static int load_row(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct nst_training *t = ctx;

	return nst_load_train(t->loader, t->draw[row].row, t->draw[row].pass, worker, dst, err);
}

/* What the teacher says of the pseudo rows of a step is their target. */
static int ask_teacher(struct nst_training *t, struct nst_err *err)
{
	size_t n = nst_sampler_batch(t->sampler), classes = t->net->classes, asked = 0;
	const float *p = t->answer;

	if (!t->o.teacher)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (t->row[i].role == NST_ROLE_PSEUDO)
			t->asked[asked++] = t->draw[i].row;
	if (nst_labeler_run_rows(t->o.teacher, t->asked, asked, t->answer, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		size_t top = 0;

		if (t->row[i].role != NST_ROLE_PSEUDO)
			continue;
		for (size_t c = 1; c < classes; c++)
			if (p[c] > p[top])
				top = c;
		t->row[i].target = (struct nst_target){.class = (int32_t)top,
						       .soft = t->full.hard_teacher ? NULL : p};
		p += classes;
	}
	return 0;
}

/* Draw the rows of the next step, with their targets and weights. */
static int prepare(struct nst_training *t, struct nst_err *err)
{
	size_t n = nst_sampler_batch(t->sampler), classes = t->net->classes;

	nst_loss_weights(t->full.loss, nst_sampler_share(t->sampler, NST_ROLE_LABELED),
			 nst_sampler_share(t->sampler, NST_ROLE_PSEUDO), t->full.loss_alpha, &t->means,
			 &t->role_weight[NST_ROLE_LABELED], &t->role_weight[NST_ROLE_PSEUDO]);
	nst_sampler_draw(t->sampler, t->step, t->draw);
	for (size_t i = 0; i < n; i++) {
		struct nst_row *row = &t->row[i];
		struct nst_datum d;

		nst_dataset_get(t->o.rows, t->draw[i].row, &d);
		row->key = d.hash;
		row->epoch = t->draw[i].pass;
		row->role = d.role;
		row->weight = (float)(t->role_weight[d.role] * d.weight);
		if (d.role == NST_ROLE_LABELED &&
		    !nst_sampler_counts(t->sampler, row->epoch, row->key))
			row->weight = 0;
		nst_dataset_target(t->o.rows, t->draw[i].row, t->soft + i * classes, &row->target);
	}
	return ask_teacher(t, err);
}

static void add_stats(struct sums *s, const struct nst_step_stats *one)
{
	s->stats.loss += one->loss;
	s->stats.labeled_loss += one->labeled_loss;
	s->stats.pseudo_loss += one->pseudo_loss;
	s->stats.labeled += one->labeled;
	s->stats.pseudo += one->pseudo;
	s->stats.labeled_correct += one->labeled_correct;
	s->stats.pseudo_agree += one->pseudo_agree;
	s->steps++;
}

static int validate_rows(struct nst_training *t, struct nst_loader *loader, struct nst_infer *infer,
			 struct nst_metrics *m, struct nst_err *err)
{
	uint64_t rows = nst_dataset_rows(t->o.validation);
	size_t classes = t->net->classes;
	float *p = nst_alloc(VALIDATION_BATCH, classes * sizeof(*p), err);
	int r = p ? 0 : err->code;

	for (uint64_t first = 0; first < rows && r == 0; first += VALIDATION_BATCH) {
		struct nst_load_range range = {.loader = loader, .first = first};
		size_t n = rows - first < VALIDATION_BATCH ? (size_t)(rows - first) : VALIDATION_BATCH;

		r = nst_infer_run(infer, n, nst_load_range, &range, p, err);
		for (size_t i = 0; i < n && r == 0; i++) {
			struct nst_outcome outcome;
			struct nst_datum d;

			nst_dataset_get(t->o.validation, first + i, &d);
			nst_softmax(p + i * classes, classes, 1, p + i * classes);
			outcome = nst_outcome_of(p + i * classes, classes, (size_t)d.label);
			nst_metrics_add(m, &outcome);
		}
	}
	free(p);
	return r;
}

/* Accuracy of the moving average (of the weights, where there is none) on the validation rows. */
static int validate(struct nst_training *t, struct nst_epoch *e, struct nst_err *err)
{
	const struct nst_loader_options loading = {
		.preprocess = t->full.preprocess,
		.workers = nst_pool_threads(t->o.pool),
	};
	const float *params = nst_trainer_ema(t->trainer);
	struct nst_loader *loader = NULL;
	struct nst_infer *infer = NULL;
	struct nst_metrics m = {0};
	int r;

	r = nst_loader_new(&loader, t->o.validation, &loading, err);
	if (r == 0)
		r = nst_metrics_init(&m, t->net->classes, err);
	if (r == 0)
		r = nst_infer_new(t->net, params ? params : nst_trainer_params(t->trainer),
				  NST_FLOAT32, t->o.pool, &infer, err);
	if (r == 0)
		r = validate_rows(t, loader, infer, &m, err);
	if (r == 0) {
		e->val_top1 = nst_metrics_top1(&m);
		e->val_nll = nst_metrics_nll(&m);
	}
	nst_infer_free(infer);
	nst_loader_free(loader);
	nst_metrics_release(&m);
	return r;
}

static double mean(double sum, uint64_t n)
{
	return n ? sum / (double)n : NAN;
}

/* Append the epoch to the log. */
static int log_epoch(struct nst_training *t, const struct nst_epoch *e, struct nst_err *err)
{
	const double value[] = {e->lr, e->loss, e->labeled_loss, e->labeled_accuracy, e->pseudo_loss,
				e->pseudo_agreement, e->val_top1, e->val_nll};
	char text[300];
	int n = snprintf(text, sizeof(text), "%.7g\t%llu", e->epoch, (unsigned long long)e->step);

	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
		n += isnan(value[i]) ? snprintf(text + n, sizeof(text) - (size_t)n, "\tNA") :
				       snprintf(text + n, sizeof(text) - (size_t)n, "\t%.6g", value[i]);
	return nst_list_add(&t->log, text, err);
}

/* ", NAME LOSS (ACCURACY% WHAT)" behind out, unless there were no such rows. */
static void format_part(char *out, size_t size, const char *name, double loss, double accuracy,
			const char *what)
{
	size_t n = strlen(out);

	if (!isnan(loss))
		snprintf(out + n, size - n, ", %s %.4f (%.2f%% %s)", name, loss, 100 * accuracy, what);
}

char *nst_epoch_format(const struct nst_epoch *e, char *out, size_t size)
{
	size_t n;

	snprintf(out, size, "epoch %.6g: loss %.4f", e->epoch, e->loss);
	format_part(out, size, "labeled", e->labeled_loss, e->labeled_accuracy, "right");
	format_part(out, size, "pseudo", e->pseudo_loss, e->pseudo_agreement, "agree");
	format_part(out, size, "validation", e->val_nll, e->val_top1, "right");
	n = strlen(out);
	snprintf(out + n, size - n, ", lr %.3g", e->lr);
	return out;
}

static int end_epoch(struct nst_training *t, double lr, struct nst_epoch *e, struct nst_err *err)
{
	const struct nst_step_stats *s = &t->sums.stats;
	double position = nst_sampler_epochs(t->sampler, t->step);
	int last = nst_training_done(t);

	*e = (struct nst_epoch){
		.epoch = last ? position : floor(position),
		.step = t->step,
		.lr = lr,
		.loss = mean(s->loss, t->sums.steps),
		.labeled_loss = mean(s->labeled_loss, s->labeled),
		.labeled_accuracy = mean((double)s->labeled_correct, s->labeled),
		.pseudo_loss = mean(s->pseudo_loss, s->pseudo),
		.pseudo_agreement = mean((double)s->pseudo_agree, s->pseudo),
		.val_top1 = NAN,
		.val_nll = NAN,
	};
	if (t->o.validation && (last || (uint64_t)e->epoch % t->o.validate_every == 0) &&
	    validate(t, e, err) < 0)
		return err->code;
	t->sums = (struct sums){.steps = 0};
	return log_epoch(t, e, err);
}

int nst_training_step(struct nst_training *t, struct nst_epoch *e, struct nst_err *err)
{
	double before = nst_sampler_epochs(t->sampler, t->step);
	/* The rate of the middle of the step: a run of few steps has no step at rate 0. */
	double lr = nst_schedule_rate(&t->schedule, t->skipped +
				      (before + nst_sampler_epochs(t->sampler, t->step + 1)) / 2);
	struct nst_step_stats stats;

	if (prepare(t, err) < 0 ||
	    nst_trainer_step(t->trainer, lr, t->row, nst_sampler_batch(t->sampler), load_row, t,
			     &stats, err) < 0)
		return err->code;
	t->step++;
	add_stats(&t->sums, &stats);
	if (stats.labeled && stats.pseudo)
		nst_loss_means_add(&t->means, stats.labeled_loss / (double)stats.labeled,
				   stats.pseudo_loss / (double)stats.pseudo);
	if (floor(nst_sampler_epochs(t->sampler, t->step)) == floor(before) && !nst_training_done(t))
		return 0;
	return end_epoch(t, lr, e, err) < 0 ? err->code : 1;
}

/* ---- files -------------------------------------------------------------------------------- */

/* Written whole each time: after a resume the file holds what the checkpoint knew. */
int nst_training_write_log(const struct nst_training *t, const char *path, struct nst_err *err)
{
	struct nst_buf text = {0};
	int r = 0;

	for (size_t i = 0; i < t->log.count && r == 0; i++)
		r = nst_buf_printf(&text, err, "%s\n", t->log.item[i]);
	if (r == 0)
		r = nst_atomic_write(path, text.data, text.len, err);
	nst_buf_release(&text);
	return r;
}

static int content(const struct nst_training *t, const struct nst_list *options, int whole,
		   struct nst_modelfile_build *b, struct nst_err *err)
{
	struct nst_modelfile_content c = {
		.net = t->net,
		.preprocess = &t->full.preprocess,
		.class_name = nst_dataset_class_names(t->o.rows),
		.params = nst_trainer_params(t->trainer),
		.ema = nst_trainer_ema(t->trainer),
		.epoch = (uint64_t)nst_sampler_epochs(t->sampler, t->step),
		.step = t->step,
		.seed = t->full.train.seed,
		.option = (const char *const *)options->item,
		.options = options->count,
		.log = (const char *const *)t->log.item,
		.log_lines = t->log.count,
	};
	struct nst_trainer_array array[NST_TRAINER_ARRAYS];
	size_t n = nst_trainer_arrays(t->trainer, array), slots = 0;

	for (size_t i = 0; whole && i < n; i++)
		if (array[i].data != c.params && array[i].data != c.ema)
			c.slot[slots++] = array[i].data;
	return nst_modelfile_build(b, &c, err);
}

int nst_training_build(const struct nst_training *t, struct nst_modelfile_build *b,
		       struct nst_err *err)
{
	const struct nst_dataset *rows = t->o.rows;
	int r = content(t, &t->settings, 0, b, err);

	if (r == 0 && t->o.init)
		r = nst_build_parent(b->build, t->o.init->image, err);
	for (size_t i = 0; t->o.teacher && i < nst_labeler_models(t->o.teacher) && r == 0; i++)
		r = nst_build_parent(b->build, nst_labeler_image(t->o.teacher, i), err);
	for (size_t i = 0; i < nst_dataset_images(rows) && r == 0; i++)
		r = nst_build_parent(b->build, nst_dataset_image(rows, i), err);
	if (r < 0)
		nst_modelfile_build_release(b);
	return r;
}

/* What must be the same for a run to go on: settings and inputs. */
static int identity(const struct nst_training *t, struct nst_list *l, struct nst_err *err)
{
	const struct nst_dataset *set[] = {t->o.rows, t->o.validation};
	const char *const name[] = {"input", "validation"};
	char text[100];

	for (size_t i = 0; i < t->settings.count; i++)
		if (nst_list_add(l, t->settings.item[i], err) < 0)
			return err->code;
	for (size_t s = 0; s < 2; s++)
		for (size_t i = 0; set[s] && i < nst_dataset_images(set[s]); i++) {
			snprintf(text, sizeof(text), "%s=%s", name[s],
				 nst_image_uuid(nst_dataset_image(set[s], i)));
			if (nst_list_add(l, text, err) < 0)
				return err->code;
		}
	if (!t->o.validation)
		return 0;
	snprintf(text, sizeof(text), "val-every=%llu", (unsigned long long)t->o.validate_every);
	return nst_list_add(l, text, err);
}

/* Sums of the epoch in progress, exactly, in the order of struct nst_step_stats, and the running means
 * of the losses. */
#define SUMS_FORMAT "sums=%la,%la,%la,%la,%la,%llu,%llu,%llu,%llu,%llu"

static int sums_print(const struct nst_training *t, struct nst_list *l, struct nst_err *err)
{
	const struct sums *s = &t->sums;
	const struct nst_step_stats *p = &s->stats;
	char text[300];

	snprintf(text, sizeof(text), SUMS_FORMAT, t->means.labeled, t->means.pseudo, p->loss,
		 p->labeled_loss, p->pseudo_loss,
		 (unsigned long long)p->labeled, (unsigned long long)p->pseudo,
		 (unsigned long long)p->labeled_correct, (unsigned long long)p->pseudo_agree,
		 (unsigned long long)s->steps);
	return nst_list_add(l, text, err);
}

static int sums_parse(const char *text, struct nst_training *t)
{
	struct sums *s = &t->sums;
	unsigned long long n[5];
	int got = sscanf(text, SUMS_FORMAT, &t->means.labeled, &t->means.pseudo, &s->stats.loss,
			 &s->stats.labeled_loss,
			 &s->stats.pseudo_loss, &n[0], &n[1], &n[2], &n[3], &n[4]);

	if (got != 10)
		return -1;
	s->stats.labeled = n[0];
	s->stats.pseudo = n[1];
	s->stats.labeled_correct = n[2];
	s->stats.pseudo_agree = n[3];
	s->steps = n[4];
	return 0;
}

int nst_training_save(const struct nst_training *t, const char *path, struct nst_err *err)
{
	struct nst_modelfile_build b = {0};
	struct nst_list options = {0};
	double since = nst_profile_now(t->o.profile);
	int r;

	r = identity(t, &options, err);
	if (r == 0)
		r = sums_print(t, &options, err);
	if (r == 0)
		r = content(t, &options, 1, &b, err);
	if (r == 0)
		r = nst_out_file(path, NULL, b.build, err);
	nst_modelfile_build_release(&b);
	nst_list_release(&options);
	nst_profile_add(t->o.profile, 0, NST_PHASE_WRITE, 0, since);
	return r;
}

int nst_training_interrupted(const struct nst_training *t, const char *path, struct nst_err *err)
{
	if (path && nst_training_save(t, path, err) < 0)
		return err->code;
	return nst_fail(err, NST_EINTERRUPTED, "interrupted at step %llu of %llu, %s%s%s",
			(unsigned long long)t->step, (unsigned long long)t->steps,
			path ? "--resume continues from '" : "nothing is saved", path ? path : "",
			path ? "'" : "");
}

/* A file of the user's may have changed under its name since. */
static int check_arch(const struct nst_training *t, const struct nst_modelfile *m,
		      struct nst_err *err)
{
	struct nst_buf theirs = {0}, own = {0};
	int r = nst_arch_print(&m->net->arch, &theirs, err);

	if (r == 0)
		r = nst_arch_print(&t->net->arch, &own, err);
	if (r == 0 && strcmp((const char *)theirs.data, (const char *)own.data))
		r = nst_fail(err, NST_EINVAL, "%s is of a run whose architecture '%s' is another one: "
			     "finish that run first, or remove the file", nst_image_name(m->image),
			     m->model.architecture);
	nst_buf_release(&theirs);
	nst_buf_release(&own);
	return r;
}

/* Compare what the file was made with to this run, line by line. */
static int check_identity(const struct nst_training *t, const struct nst_modelfile *m,
			  struct nst_err *err)
{
	const char *file = nst_image_name(m->image);
	struct nst_list own = {0};
	int r = identity(t, &own, err);

	for (size_t i = 0; i < own.count && r == 0; i++) {
		const char *theirs = i + 1 < m->model.options ? m->model.option[i] : "something else";

		if (strcmp(own.item[i], theirs))
			r = nst_fail(err, NST_EINVAL, "%s is of a run with %s, this one has %s: finish "
				     "that run first, or remove the file", file, theirs, own.item[i]);
	}
	if (r == 0 && m->model.options != own.count + 1)
		r = nst_fail(err, NST_EINVAL, m->model.slots ? "%s is of a run with other inputs" :
			     "%s is a model, not a checkpoint", file);
	nst_list_release(&own);
	return r == 0 ? check_arch(t, m, err) : r;
}

static int restore(struct nst_training *t, const struct nst_modelfile *m, struct nst_err *err)
{
	struct nst_trainer_array array[NST_TRAINER_ARRAYS];
	size_t n = nst_trainer_arrays(t->trainer, array), slot = 0;
	const float *ema = nst_trainer_ema(t->trainer);

	if (m->model.slots + 1 + !!ema != n || !!m->model.ema != !!ema ||
	    m->net->nfloats != t->net->nfloats || m->model.step > t->steps ||
	    sums_parse(m->model.option[m->model.options - 1], t) < 0)
		return nst_fail(err, NST_EFORMAT, "%s is not a checkpoint of this program",
				nst_image_name(m->image));
	for (size_t i = 0; i < n; i++) {
		const float *stored = array[i].data == nst_trainer_params(t->trainer) ? m->model.data :
				      array[i].data == ema ? m->model.ema :
				      m->model.slot + slot++ * m->model.count;

		nst_modelfile_unpack(m, stored, array[i].data);
	}
	t->step = m->model.step;
	nst_trainer_set_step_count(t->trainer, t->step);
	nst_list_release(&t->log);
	for (uint64_t i = 0; i < m->model.log_lines; i++)
		if (nst_list_add(&t->log, m->model.log[i], err) < 0)
			return err->code;
	return 0;
}

int nst_training_resume(struct nst_training *t, const char *path, struct nst_err *err)
{
	struct nst_modelfile m;
	int r;

	if (nst_modelfile_open(&m, path, err) < 0)
		return err->code;
	r = check_identity(t, &m, err);
	if (r == 0)
		r = restore(t, &m, err);
	nst_modelfile_release(&m);
	return r;
}
