/* The training run.  Its state is what the trainer holds, the sums of the epoch in progress, and the
 * log so far; which rows a step takes and what noise they get is a function of the step. */
#include "libcore/data/training_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/summary.h"
#include "libcore/nn/infer.h"
#include "libcore/select/metrics.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

enum { VALIDATION_BATCH = 256 }; /* rows at a time; no result depends on it */

/* ---- setting up --------------------------------------------------------------------------- */

static int set_weights(struct nst_training *t, struct nst_err *err)
{
	if (!t->o.init)
		return 0;
	if (nst_modelfile_init(t->o.init, t->net, t->o.init_classifier,
			       nst_trainer_params(t->trainer), err) < 0)
		return err->code;
	if (nst_trainer_ema(t->trainer))
		nst_trainer_reset_ema(t->trainer);
	return 0;
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
	    nst_trainer_profile(t->trainer, t->o.profile, err) < 0 || set_weights(t, err) < 0)
		return err->code;
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

	if (nst_training_check_rows(t, err) < 0 ||
	    nst_net_new(&s->arch, s->preprocess.size, classes, &t->net, err) < 0 ||
	    nst_sampler_new(&t->sampler, t->o.rows, &drawing, err) < 0 ||
	    nst_training_check_settings(t, err) < 0)
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

static void add_stats(struct nst_training_sums *s, const struct nst_step_stats *one)
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
	t->sums = (struct nst_training_sums){.steps = 0};
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
