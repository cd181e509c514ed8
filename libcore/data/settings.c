/* From a request to the full set of a run's settings, and its text. */
#include "libcore/data/settings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/archfile.h"
#include "libcore/nn/grain.h"
#include "libcore/util/mem.h"

const char *const nst_schedule_words[] = {"constant", "cosine", "staircase", "linear", "polynomial",
					  NULL};
const char *const nst_optimizer_words[] = {"sgd", "rmsprop-tf", "adamw", "lamb", NULL};
const char *const nst_loss_words[] = {"concat", "alg1", "code", "normalized", NULL};
const char *const nst_clip_words[] = {"norm", "value", NULL};
const char *const nst_bn_words[] = {"joint", "split", "labeled", NULL};
const char *const nst_mixup_words[] = {"both", "labeled", "pseudo", NULL};
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

/* What goes with an optimizer unless its authors' architecture says otherwise: decay, and the rate
 * for so many rows. */
static const struct {
	double weight_decay, lr, rows;
} custom[] = {
	[NST_OPTIM_SGD] = {1e-4, 0.1, 128},
	[NST_OPTIM_RMSPROP_TF] = {1e-5, 0.016, 256},
	[NST_OPTIM_ADAMW] = {0.05, 5e-4, 512},
	[NST_OPTIM_LAMB] = {0.02, 5e-3, 2048},
};

static void resolve_mixup(const struct nst_request *r, struct nst_mixup *m)
{
	m->mixup = r->mixup;
	m->cutmix = r->cutmix;
	m->prob = given(r->mixup_prob, 1);
	m->switch_prob = given(r->switch_prob, 0.5);
	m->role[NST_ROLE_LABELED] = r->mixup_rows != NST_MIXUP_PSEUDO;
	m->role[NST_ROLE_PSEUDO] = r->mixup_rows != NST_MIXUP_LABELED;
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
	nst_optim_constants(t->optim.kind, &t->optim.rho, &t->optim.eps);
	t->optim.momentum = r->momentum;
	t->optim.rho = given(r->beta2, t->optim.rho);
	t->optim.eps = given(r->eps, t->optim.eps);
	/* What the authors decay by belongs to their optimizer. */
	if (t->optim.kind != authors)
		t->optim.weight_decay = custom[t->optim.kind].weight_decay;
	t->optim.weight_decay = given(r->weight_decay, t->optim.weight_decay);
	t->optim.nesterov = t->optim.kind == NST_OPTIM_SGD && chosen(r->nesterov, t->optim.nesterov);
	t->clip = r->clip;
	t->clip_mode = (enum nst_clip_mode)chosen(r->clip_mode, NST_CLIP_NORM);
	t->freeze = (size_t)r->freeze;
	t->labeled_stats = s->bn_stats == NST_BN_LABELED;
	resolve_mixup(r, &t->mixup);
}

static int resolve_schedule(const struct nst_request *r, struct nst_settings *s,
			    struct nst_err *err)
{
	enum nst_optim_kind kind = s->train.optim.kind;
	struct nst_schedule *c = &s->schedule;
	double rows = (double)s->batch * s->label_prob;

	c->kind = (enum nst_schedule_kind)chosen(r->schedule, kind == NST_OPTIM_RMSPROP_TF ?
						 NST_SCHEDULE_STAIRCASE : NST_SCHEDULE_COSINE);
	c->base = given(r->lr, custom[kind].lr * rows / custom[kind].rows);
	c->power = given(r->power, 1);
	c->epochs = given(r->epochs, s->arch.size > NST_SMALL_SIDE ? 350 : 100);
	c->warmup = given(r->warmup, fmin(5, c->epochs / 10));
	c->final = c->kind == NST_SCHEDULE_CONSTANT ? c->base : given(r->final_lr, 0);
	c->decay_rate = given(r->decay_rate, 0.97);
	c->decay_epochs = given(r->decay_epochs, 2.4 * c->epochs / 350);
	if (c->kind == NST_SCHEDULE_STAIRCASE && !isnan(r->final_lr)) {
		if (!(r->final_lr > 0 && r->final_lr < c->base) || !(c->warmup < c->epochs))
			return nst_fail(err, NST_EINVAL, "the final learning rate of a staircase must "
					"lie between 0 and %g", c->base);
		if (isnan(r->decay_epochs))
			c->decay_epochs = nst_schedule_decay_epochs(c->base, r->final_lr, c->epochs,
								    c->warmup, c->decay_rate);
	}
	if (s->last_epochs > c->epochs)
		return nst_fail(err, NST_EINVAL, "the last %g of %g epochs cannot be trained",
				s->last_epochs, c->epochs);
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
	if (r->mean && nst_preprocess_mean(r->mean, p->mean, err) < 0)
		return nst_err_prefix(err, "--mean");
	if (r->std && nst_preprocess_std(r->std, p->std, err) < 0)
		return nst_err_prefix(err, "--std");
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
	if (r->train_interpolation >= 0 && a->view != NST_VIEW_RESIZED)
		return nst_fail(err, NST_EINVAL, "--train-interpolation is of --crop=resized");
	a->random_filter = nst_train_filter_words[filter + 1] == NULL;
	a->filter = a->random_filter ? NST_BICUBIC : (enum nst_filter)filter;
	s->pseudo_noise = (enum nst_pseudo_noise)r->pseudo_noise;
	s->train.calm_pseudo = s->pseudo_noise == NST_PSEUDO_NONE;
	if (resolve_erasing(r, &a->erasing, err) < 0)
		return err->code;
	return nst_augment_check(a, err);
}

/* Options of presets that would be without effect: who overrides a part of a preset need not know
 * the rest, so they are refused without one only. */
static int refuse_idle_of_preset(const struct nst_request *r, const struct nst_settings *s,
				 struct nst_err *err)
{
	if (s->schedule.kind != NST_SCHEDULE_STAIRCASE &&
	    (!isnan(r->decay_rate) || !isnan(r->decay_epochs)))
		return nst_fail(err, NST_EINVAL, "--decay-rate and --decay-epochs are of "
				"--schedule=staircase");
	if (s->schedule.kind == NST_SCHEDULE_CONSTANT && !isnan(r->final_lr))
		return nst_fail(err, NST_EINVAL, "--schedule=constant has no --final-lr");
	if (s->train.optim.kind == NST_OPTIM_SGD && (!isnan(r->beta2) || !isnan(r->eps)))
		return nst_fail(err, NST_EINVAL, "--optimizer=sgd has no --beta2 and no --eps");
	return 0;
}

/* Options that would be without effect beside the others. */
static int refuse_idle(const struct nst_request *r, const struct nst_settings *s,
		       struct nst_err *err)
{
	int mixes = r->mixup > 0 || r->cutmix > 0;

	if (r->clip_mode >= 0 && !(r->clip > 0))
		return nst_fail(err, NST_EINVAL, "--clip-mode needs --clip-grad");
	if (!mixes && (!isnan(r->mixup_prob) || r->mixup_rows >= 0))
		return nst_fail(err, NST_EINVAL, "nothing is mixed: --mixup-prob and --mixup-rows need "
				"--mixup or --cutmix");
	if (!isnan(r->switch_prob) && !(r->mixup > 0 && r->cutmix > 0))
		return nst_fail(err, NST_EINVAL, "--mixup-switch-prob needs both --mixup and --cutmix");
	if (!isnan(r->power) && s->schedule.kind != NST_SCHEDULE_POLYNOMIAL)
		return nst_fail(err, NST_EINVAL, "--power is of --schedule=polynomial");
	if (r->nesterov == 1 && s->train.optim.kind != NST_OPTIM_SGD)
		return nst_fail(err, NST_EINVAL, "--nesterov is of --optimizer=sgd");
	return r->preset ? 0 : refuse_idle_of_preset(r, s, err);
}

int nst_settings_resolve(const struct nst_request *r, struct nst_settings *s, struct nst_err *err)
{
	memset(s, 0, sizeof(*s));
	if (!r->arch && !r->arch_file)
		return nst_fail(err, NST_EINVAL, "no architecture: give one with --arch, "
				"--list-archs shows them");
	if ((r->arch_file ? nst_arch_load(r->arch_file, &s->arch, err) :
			    nst_arch_find(r->arch, &s->arch, err)) < 0)
		return err->code;
	if (resolve_preprocess(r, s, err) < 0)
		return err->code;
	s->batch = (size_t)(r->batch * r->accumulate);
	s->loss = (enum nst_loss_form)r->loss;
	s->loss_alpha = r->loss_alpha;
	s->last_epochs = r->last_epochs;
	s->label_prob = r->label_prob;
	s->ratio = given(r->ratio, 0);
	s->ratio_asked = !isnan(r->ratio) && !r->preset;
	s->bn_stats = (enum nst_bn_stats)r->bn_stats;
	s->hard_teacher = r->hard_teacher;
	resolve_train(r, s);
	if (resolve_schedule(r, s, err) < 0 || resolve_augment(r, s, err) < 0)
		return err->code;
	return refuse_idle(r, s, err);
}

int nst_settings_training(const struct nst_settings *s, const struct nst_net *net, size_t rows,
			  struct nst_train_options *o, struct nst_err *err)
{
	size_t grain = s->train.grain ? s->train.grain : nst_grain_rows(rows);

	if ((rows - 1) % grain + 1 < nst_net_least_grain(net, s->train.freeze))
		return nst_fail(err, NST_EINVAL, "a step of %zu row%s leaves a grain of a single row, "
				"which has no batch statistics where maps have a single pixel: change "
				"--batch or --grain (%zu), or take a larger --size", rows,
				rows == 1 ? "" : "s", grain);
	*o = s->train;
	o->grain = grain < rows ? grain : rows;
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
	if (s->kind == NST_SCHEDULE_POLYNOMIAL && real(l, "power", s->power, err) < 0)
		return err->code;
	if (s->kind == NST_SCHEDULE_COSINE || s->kind == NST_SCHEDULE_LINEAR ||
	    s->kind == NST_SCHEDULE_POLYNOMIAL)
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
	    real(l, "beta2", o->rho, err) < 0 || real(l, "eps", o->eps, err) < 0 ||
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

/* Lines of what is off unless asked for stand only where it is on. */
static int extra_lines(const struct nst_settings *s, struct nst_list *l, struct nst_err *err)
{
	const struct nst_train_options *t = &s->train;
	const struct nst_mixup *m = &t->mixup;

	if (t->clip > 0 && (real(l, "clip-grad", t->clip, err) < 0 ||
			    line(l, err, "clip-mode=%s", nst_clip_words[t->clip_mode]) < 0))
		return err->code;
	if (t->freeze && line(l, err, "freeze=%zu", t->freeze) < 0)
		return err->code;
	if (s->last_epochs > 0 && real(l, "last-epochs", s->last_epochs, err) < 0)
		return err->code;
	if (s->label_prob < 1 && real(l, "label-sample-prob", s->label_prob, err) < 0)
		return err->code;
	if (s->ratio > 0 && real(l, "ratio", s->ratio, err) < 0)
		return err->code;
	if (s->bn_stats && line(l, err, "bn-stats=%s", nst_bn_words[s->bn_stats]) < 0)
		return err->code;
	if (!(m->mixup > 0) && !(m->cutmix > 0))
		return 0;
	if (real(l, "mixup", m->mixup, err) < 0 || real(l, "cutmix", m->cutmix, err) < 0 ||
	    real(l, "mixup-prob", m->prob, err) < 0 ||
	    real(l, "mixup-switch-prob", m->switch_prob, err) < 0)
		return err->code;
	return line(l, err, "mixup-rows=%s", nst_mixup_words[!m->role[NST_ROLE_PSEUDO] ?
		    NST_MIXUP_LABELED : !m->role[NST_ROLE_LABELED] ? NST_MIXUP_PSEUDO :
		    NST_MIXUP_BOTH]);
}

/* Mean and deviation, where they are not those of ImageNet. */
static int channel_lines(const struct nst_preprocess *p, struct nst_list *l, struct nst_err *err)
{
	const float *of[] = {p->mean, p->std};
	const char *const name[] = {"mean", "std"};
	struct nst_preprocess usual;

	nst_preprocess_init(&usual, p->size);
	for (size_t i = 0; i < 2; i++) {
		const float *v = of[i];

		if (!memcmp(v, i ? usual.std : usual.mean, sizeof(usual.mean)))
			continue;
		if (line(l, err, "%s=%.9g,%.9g,%.9g", name[i], (double)v[0], (double)v[1],
			 (double)v[2]) < 0)
			return err->code;
	}
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
static int noise_lines(const struct nst_settings *s, struct nst_list *l, struct nst_err *err)
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
	    real(l, "loss-alpha", s->loss_alpha, err) < 0 || noise_lines(s, l, err) < 0 ||
	    preprocess_lines(&s->preprocess, l, err) < 0)
		return err->code;
	return channel_lines(&s->preprocess, l, err) < 0 ? err->code : extra_lines(s, l, err);
}
