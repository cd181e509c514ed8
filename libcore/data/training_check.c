/* What may be trained together: rows, options, the model to start from. */
#include "libcore/data/training_state.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcore/nn/grain.h"
#include "libcore/util/mem.h"

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
static int check_training_rows(struct nst_training *t, struct nst_err *err)
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

/* An option about labeled or pseudo-labeled rows is a mistake where there are none. */
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
		t->full.train.grain = nst_grain_rows(batch);
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

/* timm's magnitudes have a limit that its strings may exceed. */
static int check_magnitude(struct nst_training *t, struct nst_err *err)
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

int nst_training_check_rows(struct nst_training *t, struct nst_err *err)
{
	size_t classes = nst_dataset_classes(t->o.rows);

	if (classes < 2)
		return nst_fail(err, NST_EINVAL, "%s has %zu class%s, training needs two or more",
				nst_image_name(nst_dataset_image(t->o.rows, 0)), classes,
				classes == 1 ? "" : "es");
	return check_training_rows(t, err) < 0 ? err->code : check_validation(t, err);
}

int nst_training_check_settings(struct nst_training *t, struct nst_err *err)
{
	if (check_init(t, err) < 0 || check_roles(t, err) < 0 || check_temperature(t, err) < 0 ||
	    check_batch(t, err) < 0 || check_magnitude(t, err) < 0)
		return err->code;
	return 0;
}
