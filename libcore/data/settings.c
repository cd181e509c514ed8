/* From a request to the full set of a run's settings, and its text. */
#include "libcore/data/settings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/util/mem.h"

const char *const nst_schedule_words[] = {"constant", "cosine", "staircase", NULL};
const char *const nst_optimizer_words[] = {"sgd", "rmsprop-tf", NULL};
const char *const nst_loss_words[] = {"concat", "alg1", "code", NULL};
const char *const nst_crop_words[] = {"plain", "resized", "shift", NULL};
const char *const nst_filter_words[] = {"box", "bilinear", "bicubic", "lanczos", NULL};
const char *const nst_train_filter_words[] = {"box",     "bilinear", "bicubic",
					      "lanczos", "random",   NULL};
const char *const nst_erasing_words[] = {"const", "rand", "pixel", NULL};
const char *const nst_pseudo_noise_words[] = {"full", "no-randaugment", "no-augment", "none", NULL};

static double given(double asked, double otherwise)
{
	return isnan(asked) ? otherwise : asked;
}

static int chosen(int asked, int otherwise)
{
	return asked < 0 ? otherwise : asked;
}

static void resolve_train(const struct nst_request *r, struct nst_settings *s)
{
	struct nst_train_options *t = &s->train;
	enum nst_optim_kind authors;

	nst_train_options_init(t, &s->arch);
	authors = t->optim.kind;
	t->grain = (size_t)r->grain;
	t->seed = r->seed;
	t->dropout = given(r->dropout, t->dropout);
	t->drop_path = given(r->drop_path, t->drop_path);
	t->label_smoothing = r->label_smoothing;
	t->smooth_pseudo = r->smooth_pseudo;
	t->temperature = r->temperature;
	t->ema = r->ema;
	t->optim.kind = (enum nst_optim_kind)chosen(r->optimizer, (int)authors);
	t->optim.momentum = r->momentum;
	/* What the authors decay by belongs to their optimizer. */
	if (t->optim.kind != authors)
		t->optim.weight_decay = t->optim.kind == NST_OPTIM_SGD ? 1e-4 : 1e-5;
	t->optim.weight_decay = given(r->weight_decay, t->optim.weight_decay);
	t->optim.nesterov = t->optim.kind == NST_OPTIM_SGD && chosen(r->nesterov, t->optim.nesterov);
}

static int resolve_schedule(const struct nst_request *r, struct nst_settings *s,
			    struct nst_err *err)
{
	int rmsprop = s->train.optim.kind == NST_OPTIM_RMSPROP_TF;
	struct nst_schedule *c = &s->schedule;
	double batch = (double)s->batch;

	c->kind = (enum nst_schedule_kind)chosen(r->schedule, rmsprop ? NST_SCHEDULE_STAIRCASE :
						 NST_SCHEDULE_COSINE);
	c->base = given(r->lr, rmsprop ? 0.016 * batch / 256 : 0.1 * batch / 128);
	c->epochs = given(r->epochs, s->arch.size > NST_SMALL_SIDE ? 350 : 100);
	c->warmup = given(r->warmup, fmin(5, c->epochs / 10));
	c->final = c->kind == NST_SCHEDULE_CONSTANT ? c->base : given(r->final_lr, 0);
	c->decay_rate = r->decay_rate;
	c->decay_epochs = given(r->decay_epochs, 2.4 * c->epochs / 350);
	if (c->kind == NST_SCHEDULE_STAIRCASE && !isnan(r->final_lr)) {
		if (!(r->final_lr > 0 && r->final_lr < c->base) || !(c->warmup < c->epochs))
			return nst_fail(err, NST_EINVAL, "the final learning rate of a staircase must "
					"lie between 0 and %g", c->base);
		if (isnan(r->decay_epochs))
			c->decay_epochs = nst_schedule_decay_epochs(c->base, r->final_lr, c->epochs,
								    c->warmup, c->decay_rate);
	}
	return nst_schedule_check(c, err);
}

/* The evaluation path; training takes its size, mean and deviation. */
static int resolve_preprocess(const struct nst_request *r, struct nst_settings *s,
			      struct nst_err *err)
{
	struct nst_preprocess *p = &s->preprocess;

	nst_preprocess_init(p, r->size < 0 ? s->arch.size : (size_t)r->size);
	if (r->crop_padding >= 0 && !isnan(r->crop_fraction))
		return nst_fail(err, NST_EINVAL, "--crop-padding and --crop-fraction are two ways of "
				"cropping test images: give one of them");
	if (r->crop_padding >= 0)
		nst_preprocess_crop_padding(p, (size_t)r->crop_padding);
	if (!isnan(r->crop_fraction))
		nst_preprocess_crop_fraction(p, r->crop_fraction);
	p->filter = (enum nst_filter)chosen(r->interpolation, (int)p->filter);
	return 0;
}

static int resolve_erasing(const struct nst_request *r, struct nst_erasing *e, struct nst_err *err)
{
	if (!(r->erasing > 0) && (r->erasing_mode >= 0 || r->erasing_count))
		return nst_fail(err, NST_EINVAL, "nothing is erased: --random-erasing-mode and "
				"--random-erasing-count need --random-erasing");
	e->p = r->erasing;
	e->mode = (enum nst_erasing_mode)chosen(r->erasing_mode, NST_ERASING_CONST);
	e->count = r->erasing_count ? (unsigned)r->erasing_count : 1;
	return 0;
}

static int resolve_augment(const struct nst_request *r, struct nst_settings *s, struct nst_err *err)
{
	struct nst_augment *a = &s->augment;
	int filter = chosen(r->train_interpolation, NST_BICUBIC);

	nst_augment_init(a, s->preprocess.size);
	a->view = (enum nst_view_kind)chosen(r->crop, (int)a->view);
	a->flip = r->flip;
	a->cutout = (size_t)r->cutout;
	if (r->randaugment && nst_randaugment_parse(r->randaugment, a->size, &a->ra, err) < 0)
		return nst_err_prefix(err, "--randaugment");
	if (r->autoaugment && nst_autoaugment_parse(r->autoaugment, &a->aa, err) < 0)
		return nst_err_prefix(err, "--autoaugment");
	nst_fill_mean(s->preprocess.mean, a->ra.fill);
	nst_fill_mean(s->preprocess.mean, a->aa.fill);
	a->random_filter = nst_train_filter_words[filter + 1] == NULL;
	a->filter = a->random_filter ? NST_BICUBIC : (enum nst_filter)filter;
	s->pseudo_noise = (enum nst_pseudo_noise)r->pseudo_noise;
	s->train.calm_pseudo = s->pseudo_noise == NST_PSEUDO_NONE;
	if (resolve_erasing(r, &a->erasing, err) < 0)
		return err->code;
	return nst_augment_check(a, err);
}

int nst_settings_resolve(const struct nst_request *r, struct nst_settings *s, struct nst_err *err)
{
	memset(s, 0, sizeof(*s));
	if (!r->arch)
		return nst_fail(err, NST_EINVAL, "no architecture: give one with --arch, "
				"--list-archs shows them");
	if (nst_arch_find(r->arch, &s->arch, err) < 0)
		return err->code;
	if (resolve_preprocess(r, s, err) < 0)
		return err->code;
	s->batch = (size_t)r->batch;
	s->loss = (enum nst_loss_form)r->loss;
	resolve_train(r, s);
	if (resolve_schedule(r, s, err) < 0 || resolve_augment(r, s, err) < 0)
		return err->code;
	return 0;
}

/* ---- text --------------------------------------------------------------------------------- */

char *nst_number(double d, char *out)
{
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(out, 32, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			break;
	}
	return out;
}

static int line(struct nst_list *l, struct nst_err *err, const char *fmt, ...) NST_PRINTF(3, 4);
static int line(struct nst_list *l, struct nst_err *err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return nst_list_add(l, text, err);
}

static int real(struct nst_list *l, const char *name, double d, struct nst_err *err)
{
	char text[32];

	return line(l, err, "%s=%s", name, nst_number(d, text));
}

static int schedule_lines(const struct nst_schedule *s, struct nst_list *l, struct nst_err *err)
{
	if (real(l, "epochs", s->epochs, err) < 0 || real(l, "lr", s->base, err) < 0 ||
	    line(l, err, "schedule=%s", nst_schedule_words[s->kind]) < 0 ||
	    real(l, "warmup", s->warmup, err) < 0)
		return err->code;
	if (s->kind == NST_SCHEDULE_COSINE)
		return real(l, "final-lr", s->final, err);
	if (s->kind == NST_SCHEDULE_STAIRCASE &&
	    (real(l, "decay-rate", s->decay_rate, err) < 0 ||
	     real(l, "decay-epochs", s->decay_epochs, err) < 0))
		return err->code;
	return 0;
}

static int train_lines(const struct nst_train_options *t, struct nst_list *l, struct nst_err *err)
{
	const struct nst_optim *o = &t->optim;

	if (line(l, err, "optimizer=%s", nst_optimizer_words[o->kind]) < 0 ||
	    real(l, "momentum", o->momentum, err) < 0 ||
	    line(l, err, "nesterov=%d", o->nesterov) < 0 ||
	    real(l, "weight-decay", o->weight_decay, err) < 0 || real(l, "ema", t->ema, err) < 0 ||
	    real(l, "label-smoothing", t->label_smoothing, err) < 0 ||
	    line(l, err, "smooth-pseudo=%d", t->smooth_pseudo) < 0 ||
	    real(l, "temperature", t->temperature, err) < 0 ||
	    real(l, "dropout", t->dropout, err) < 0 || real(l, "drop-path", t->drop_path, err) < 0 ||
	    line(l, err, "grain=%zu", t->grain) < 0 ||
	    line(l, err, "seed=%llu", (unsigned long long)t->seed) < 0)
		return err->code;
	return 0;
}

static int augment_lines(const struct nst_augment *a, struct nst_list *l, struct nst_err *err)
{
	struct nst_buf word = {0};
	int r = nst_randaugment_format(&a->ra, &word, err);

	if (r == 0)
		r = line(l, err, "randaugment=%.*s", (int)word.len, (const char *)word.data);
	nst_buf_release(&word);
	if (r < 0 || line(l, err, "crop=%s", nst_view_name(a->view)) < 0 ||
	    line(l, err, "flip=%d", a->flip) < 0 || line(l, err, "cutout=%zu", a->cutout) < 0)
		return err->code;
	return 0;
}

/* Noise that a run has only when it was asked for. */
static int extra_lines(const struct nst_settings *s, struct nst_list *l, struct nst_err *err)
{
	const struct nst_augment *a = &s->augment;
	struct nst_buf word = {0};
	int r = 0;

	if (a->aa.policy != NST_AA_NONE) {
		r = nst_autoaugment_format(&a->aa, &word, err);
		if (r == 0)
			r = line(l, err, "autoaugment=%.*s", (int)word.len,
				 (const char *)word.data);
		nst_buf_release(&word);
	}
	if (r == 0 && a->erasing.p > 0) {
		r = real(l, "random-erasing", a->erasing.p, err);
		if (r == 0)
			r = line(l, err, "random-erasing-mode=%s",
				 nst_erasing_words[a->erasing.mode]);
		if (r == 0)
			r = line(l, err, "random-erasing-count=%u", a->erasing.count);
	}
	if (r == 0 && (a->random_filter || a->filter != NST_BICUBIC))
		r = line(l, err, "train-interpolation=%s",
			 a->random_filter ? "random" : nst_filter_name(a->filter));
	if (r == 0 && s->pseudo_noise != NST_PSEUDO_FULL)
		r = line(l, err, "pseudo-noise=%s", nst_pseudo_noise_words[s->pseudo_noise]);
	return r;
}

/* What is not the default of the size: models say it in full, see formats/model.h. */
static int preprocess_lines(const struct nst_preprocess *p, struct nst_list *l, struct nst_err *err)
{
	struct nst_preprocess usual;

	nst_preprocess_init(&usual, p->size);
	if (p->cropping == NST_CROP_SHORTEST && real(l, "crop-fraction", p->crop, err) < 0)
		return err->code;
	if (p->cropping == NST_CROP_CENTRAL && p->crop != usual.crop &&
	    line(l, err, "crop-padding=%ld", nst_preprocess_padding(p)) < 0)
		return err->code;
	if (p->filter != usual.filter)
		return line(l, err, "interpolation=%s", nst_filter_name(p->filter));
	return 0;
}

int nst_settings_lines(const struct nst_settings *s, struct nst_list *l, struct nst_err *err)
{
	if (line(l, err, "arch=%s", s->arch.name) < 0 ||
	    line(l, err, "size=%zu", s->preprocess.size) < 0 ||
	    line(l, err, "batch=%zu", s->batch) < 0 || schedule_lines(&s->schedule, l, err) < 0 ||
	    train_lines(&s->train, l, err) < 0 || augment_lines(&s->augment, l, err) < 0 ||
	    line(l, err, "loss=%s", nst_loss_words[s->loss]) < 0 ||
	    extra_lines(s, l, err) < 0 || preprocess_lines(&s->preprocess, l, err) < 0)
		return err->code;
	return 0;
}
