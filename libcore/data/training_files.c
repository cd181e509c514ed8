/* What a training run writes and reads again: its log, its model, its checkpoint. */
#include "libcore/data/training_state.h"

#include <stdio.h>
#include <string.h>

#include "libcore/io/atomic.h"

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
	const struct nst_training_sums *s = &t->sums;
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
	struct nst_training_sums *s = &t->sums;
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
	if (nst_model_verify(m->image, NST_MODEL_DATA, err) < 0 ||
	    nst_model_verify(m->image, NST_MODEL_EMA, err) < 0 ||
	    nst_model_verify(m->image, NST_MODEL_SLOT, err) < 0)
		return err->code;
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
