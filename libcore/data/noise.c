/* Settings of noise, read back from a model. */
#include "libcore/data/noise.h"

#include <string.h>

#include "libcore/data/settings.h"
#include "libcore/util/num.h"

int nst_noise_asked(const struct nst_noise_request *r)
{
	return r->randaugment || !isnan(r->dropout) || !isnan(r->drop_path) || r->crop >= 0 ||
	       r->flip >= 0 || r->cutout >= 0;
}

/* The value of a stored setting "name=value", or NULL. */
static const char *stored(const struct nst_modelfile *m, const char *name)
{
	size_t n = strlen(name);

	for (uint64_t i = 0; i < m->model.options; i++) {
		const char *line = m->model.option[i];

		if (strncmp(line, name, n) == 0 && line[n] == '=')
			return line + n + 1;
	}
	return NULL;
}

static int refuse(const struct nst_modelfile *m, const char *name, const char *value,
		  struct nst_err *err)
{
	return nst_fail(err, NST_EFORMAT, "%s was trained with '%s=%s', which makes no sense",
			nst_image_name(m->image), name, value);
}

/* A rate in [0,1): as asked for, else as stored, else as it is. */
static int take_rate(double asked, const struct nst_modelfile *m, const char *name, double *rate,
		     struct nst_err *err)
{
	const char *value = stored(m, name);

	if (!isnan(asked)) {
		*rate = asked;
		return 0;
	}
	if (!value)
		return 0;
	if (nst_parse_double(value, rate) < 0 || !(*rate >= 0 && *rate < 1))
		return refuse(m, name, value, err);
	return 0;
}

/* The same for a whole number from 0 to most. */
static int take_int(int64_t asked, const struct nst_modelfile *m, const char *name, int64_t most,
		    int64_t *number, struct nst_err *err)
{
	const char *value = stored(m, name);

	if (asked >= 0) {
		*number = asked;
		return 0;
	}
	if (!value)
		return 0;
	if (nst_parse_int(value, number) < 0 || *number < 0 || *number > most)
		return refuse(m, name, value, err);
	return 0;
}

static int word_of(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

/* What settings.c stores only of runs that had it: AutoAugment, random erasing, the filter of crops. */
static int take_rare(const struct nst_modelfile *m, struct nst_augment *a, struct nst_err *err)
{
	const char *aa = stored(m, "autoaugment"), *mode = stored(m, "random-erasing-mode");
	const char *filter = stored(m, "train-interpolation");
	int64_t count = 1;
	int found;

	if (aa && nst_autoaugment_parse(aa, &a->aa, err) < 0)
		return refuse(m, "autoaugment", aa, err);
	if (take_rate(NAN, m, "random-erasing", &a->erasing.p, err) < 0 ||
	    take_int(-1, m, "random-erasing-count", 100, &count, err) < 0)
		return err->code;
	a->erasing.count = count > 0 ? (unsigned)count : 1;
	if (mode) {
		found = word_of(nst_erasing_words, mode);
		if (found < 0)
			return refuse(m, "random-erasing-mode", mode, err);
		a->erasing.mode = (enum nst_erasing_mode)found;
	}
	if (filter) {
		found = word_of(nst_train_filter_words, filter);
		if (found < 0)
			return refuse(m, "train-interpolation", filter, err);
		a->random_filter = nst_train_filter_words[found + 1] == NULL;
		a->filter = a->random_filter ? NST_BICUBIC : (enum nst_filter)found;
	}
	return 0;
}

static int take_augment(const struct nst_noise_request *r, const struct nst_modelfile *m,
			struct nst_augment *a, struct nst_err *err)
{
	const char *crop = stored(m, "crop"), *ra = stored(m, "randaugment");
	int64_t flip = 1, cutout = 0;

	nst_augment_init(a, m->preprocess.size);
	if (take_int(r->flip, m, "flip", 1, &flip, err) < 0 ||
	    take_int(r->cutout, m, "cutout", 4096, &cutout, err) < 0)
		return err->code;
	a->flip = (int)flip;
	a->cutout = (size_t)cutout;
	if (r->crop >= 0)
		a->view = (enum nst_view_kind)r->crop;
	else if (crop && nst_view_parse(crop, &a->view) < 0)
		return refuse(m, "crop", crop, err);
	if (take_rare(m, a, err) < 0)
		return err->code;
	if (r->randaugment) {
		a->aa.policy = NST_AA_NONE;
		if (nst_randaugment_parse(r->randaugment, a->size, &a->ra, err) < 0)
			return nst_err_prefix(err, "--randaugment");
	} else if (ra && nst_randaugment_parse(ra, a->size, &a->ra, err) < 0) {
		return refuse(m, "randaugment", ra, err);
	}
	return nst_augment_check(a, err);
}

int nst_noise_resolve(const struct nst_noise_request *r, const struct nst_modelfile *m,
		      struct nst_noise *out, struct nst_err *err)
{
	*out = (struct nst_noise){
		.dropout = m->net->arch.dropout, .drop_path = m->net->arch.drop_path,
		.seed = r->seed,
	};
	if (take_rate(r->dropout, m, "dropout", &out->dropout, err) < 0 ||
	    take_rate(r->drop_path, m, "drop-path", &out->drop_path, err) < 0)
		return err->code;
	return take_augment(r, m, &out->augment, err);
}
