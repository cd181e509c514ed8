/* Runs a net of libcore/nn on raw files, for net_torch.py and safetensors_torch.py.
 *
 *   net_tool ARCH                               print the spec
 *   net_tool ARCHFILE SIZE CLASSES SEED FILE    write a model with random weights and statistics
 *   net_tool ARCH PAD SIZE CLASSES              print "name dim dim ... offset" of every parameter
 *   net_tool ARCH PAD SIZE CLASSES ROWS DIR     read DIR/params, DIR/images (rows,size,size,3) and
 *       DIR/dlogits (rows,classes); write DIR/infer and DIR/logits (rows,classes), DIR/grad
 *   net_tool ARCH PAD SIZE CLASSES ROWS DIR STEPS OPTIMIZER LR     read DIR/params, DIR/images
 *       (STEPS,rows,size,size,3) and DIR/labels (STEPS,rows), train one grain a step without noise,
 *       weight decay 1, label smoothing 0.1, EMA 0.9; write DIR/trained and DIR/ema
 *
 * All files are native floats; params, grad, trained and ema are flat vectors as in net.h.  PAD is
 * same, symmetric or own; OPTIMIZER is that of nst-train. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/archfile.h"
#include "libcore/data/modelfile.h"
#include "libcore/data/settings.h"
#include "libcore/nn/blas.h"
#include "libcore/nn/grain.h"
#include "libcore/nn/infer.h"
#include "libcore/nn/trainer.h"
#include "libcore/util/num.h"
#include "libcore/util/rng.h"

static void check(int r, const struct nst_err *err)
{
	if (r) {
		fprintf(stderr, "net_tool: %s\n", err->msg);
		exit(1);
	}
}

static float *floats(size_t n)
{
	struct nst_err err;
	float *p = nst_alloc_aligned(n, sizeof(float), &err);

	check(!p, &err);
	memset(p, 0, n * sizeof(float));
	return p;
}

static void transfer(const char *dir, const char *name, int write, float *data, size_t n)
{
	char path[4096];
	FILE *f;
	size_t done;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, write ? "wb" : "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	done = write ? fwrite(data, sizeof(float), n, f) : fread(data, sizeof(float), n, f);
	if (done != n || fclose(f)) {
		fprintf(stderr, "net_tool: '%s' has not %zu floats\n", path, n);
		exit(1);
	}
}

struct source {
	const float *images;
	size_t floats;
};

static int load(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct source *s = ctx;

	(void)worker;
	(void)err;
	memcpy(dst, s->images + row * s->floats, s->floats * sizeof(float));
	return 0;
}

static size_t number(const char *text)
{
	int64_t n;

	if (nst_parse_int(text, &n) || n < 1) {
		fprintf(stderr, "net_tool: '%s' is not a count\n", text);
		exit(2);
	}
	return (size_t)n;
}

static void run(const struct nst_net *net, size_t rows, const char *dir)
{
	struct source source = { NULL, net->size * net->size * 3 };
	float *params = floats(net->nfloats), *images = floats(rows * source.floats);
	float *logits = floats(rows * net->classes), *grad = floats(net->nfloats);
	const struct nst_kernels *k = nst_kernels_get(&(const char *){ NULL });
	struct nst_pool *pool;
	struct nst_infer *inf;
	struct nst_grain_plan *plan;
	struct nst_grain *g;
	struct nst_pack *pack;
	struct nst_err err;

	transfer(dir, "params", 0, params, net->nfloats);
	transfer(dir, "images", 0, images, rows * source.floats);
	source.images = images;
	check(nst_pool_new(0, &pool, &err), &err);
	check(nst_infer_new(net, params, NST_FLOAT32, pool, &inf, &err), &err);
	check(nst_infer_run(inf, rows, load, &source, logits, &err), &err);
	transfer(dir, "infer", 1, logits, rows * net->classes);

	nst_blas_init();
	check(nst_grain_plan_new(net, k, rows, 0, 0, &plan, &err), &err);
	check(nst_grain_new(plan, &g, &err), &err);
	check(nst_pack_new(net, k, &pack, &err), &err);
	nst_pack_fill(pack, params, pool);
	memcpy(nst_grain_input(g), images, rows * source.floats * sizeof(float));
	nst_grain_forward(g, rows, params, pack);
	memcpy(logits, nst_grain_logits(g), rows * net->classes * sizeof(float));
	transfer(dir, "logits", 1, logits, rows * net->classes);
	transfer(dir, "dlogits", 0, nst_grain_logits_grad(g), rows * net->classes);
	nst_grain_backward(g, rows, params, pack, 1, grad);
	transfer(dir, "grad", 1, grad, net->nfloats);

	nst_pack_free(pack);
	nst_grain_free(g);
	nst_grain_plan_free(plan);
	nst_infer_free(inf);
	nst_pool_free(pool);
	free(grad);
	free(logits);
	free(images);
	free(params);
}

static void train(const struct nst_net *net, size_t rows, const char *dir, size_t steps,
		  const char *optimizer, double lr)
{
	struct source source = { NULL, net->size * net->size * 3 };
	float *images = floats(steps * rows * source.floats), *labels = floats(steps * rows);
	struct nst_row *row = calloc(rows, sizeof(*row));
	struct nst_train_options o;
	struct nst_step_stats stats;
	struct nst_trainer *t;
	struct nst_pool *pool;
	struct nst_err err;

	nst_train_options_init(&o, &net->arch);
	o.grain = rows;
	o.dropout = o.drop_path = 0;
	o.label_smoothing = 0.1;
	o.ema = 0.9;
	o.optim = (struct nst_optim){ .momentum = 0.9, .rho = 0.9, .eps = 0.001,
				      .weight_decay = 1 };
	for (int i = 0; nst_optimizer_words[i]; i++)
		if (!strcmp(optimizer, nst_optimizer_words[i]))
			o.optim.kind = (enum nst_optim_kind)i;
	transfer(dir, "images", 0, images, steps * rows * source.floats);
	transfer(dir, "labels", 0, labels, steps * rows);
	nst_blas_init();
	check(nst_pool_new(0, &pool, &err), &err);
	check(nst_trainer_new(net, &o, pool, &t, &err), &err);
	transfer(dir, "params", 0, nst_trainer_params(t), net->nfloats);
	nst_trainer_reset_ema(t);
	for (size_t s = 0; s < steps; s++) {
		source.images = images + s * rows * source.floats;
		for (size_t i = 0; i < rows; i++) {
			row[i].weight = 1 / (float)rows;
			row[i].target.class = (int32_t)labels[s * rows + i];
		}
		check(nst_trainer_step(t, lr, row, rows, load, &source, &stats, &err), &err);
	}
	transfer(dir, "trained", 1, nst_trainer_params(t), net->nfloats);
	transfer(dir, "ema", 1, nst_trainer_ema(t), net->nfloats);
	nst_trainer_free(t);
	nst_pool_free(pool);
	free(row);
	free(labels);
	free(images);
}

/* A model as a training leaves it: statistics and scales are not those of the start. */
static void make_model(const char *spec, size_t size, size_t classes, uint64_t seed,
		       const char *path)
{
	struct nst_modelfile_content c = { 0 };
	char (*name)[24] = calloc(classes, sizeof(*name));
	const char **names = calloc(classes, sizeof(*names));
	struct nst_modelfile_build b;
	struct nst_preprocess p;
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_rng rng;
	struct nst_err err;
	float *params;

	check(nst_arch_load(spec, &arch, &err), &err);
	check(nst_net_new(&arch, size, classes, &net, &err), &err);
	params = floats(net->nfloats);
	nst_net_init(net, seed, params);
	nst_rng_init(&rng, seed, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < net->nparams; i++) {
		enum nst_param_role role = net->param[i].role;
		int positive = role == NST_PARAM_GAMMA || role == NST_PARAM_VAR;
		float *w = params + net->param[i].offset;

		if (role == NST_PARAM_WEIGHT)
			continue;
		for (size_t k = 0; k < net->param[i].count; k++)
			w[k] = (float)nst_rng_uniform(&rng, positive ? 0.7 : -0.1,
						      positive ? 1.4 : 0.1);
	}
	for (size_t i = 0; i < classes; i++) {
		snprintf(name[i], sizeof(name[i]), "%zu", i);
		names[i] = name[i];
	}
	nst_preprocess_init(&p, size);
	p.crop = 1;
	c.net = net;
	c.preprocess = &p;
	c.class_name = names;
	c.params = params;
	check(nst_modelfile_build(&b, &c, &err), &err);
	check(nst_out_file(path, NULL, b.build, &err), &err);
	nst_modelfile_build_release(&b);
	nst_net_free(net);
	free(params);
	free(names);
	free(name);
}

static void print_spec(const struct nst_arch *arch)
{
	struct nst_buf text = { 0 };
	struct nst_err err;

	check(nst_arch_print(arch, &text, &err), &err);
	fputs((const char *)text.data, stdout);
	nst_buf_release(&text);
}

int main(int argc, char **argv)
{
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_err err;
	double lr = 0;

	if (argc == 6) {
		make_model(argv[1], number(argv[2]), number(argv[3]), number(argv[4]), argv[5]);
		return 0;
	}
	if ((argc != 2 && argc != 5 && argc != 7 && argc != 10) ||
	    (argc == 10 && nst_parse_double(argv[9], &lr))) {
		fprintf(stderr, "usage: see the top of net_tool.c\n");
		return 2;
	}
	check(nst_arch_find(argv[1], &arch, &err), &err);
	if (argc == 2) {
		print_spec(&arch);
		return fflush(stdout) ? 1 : 0;
	}
	if (strcmp(argv[2], "own"))
		arch.pad = strcmp(argv[2], "same") ? NST_PAD_SYMMETRIC : NST_PAD_SAME;
	check(nst_net_new(&arch, number(argv[3]), number(argv[4]), &net, &err), &err);
	if (argc == 10) {
		train(net, number(argv[5]), argv[6], number(argv[7]), argv[8], lr);
	} else if (argc == 7) {
		run(net, number(argv[5]), argv[6]);
	} else {
		for (size_t i = 0; i < net->nparams; i++) {
			const struct nst_param *p = &net->param[i];

			printf("%s", p->name);
			for (size_t d = 0; d < p->rank; d++)
				printf(" %zu", p->shape[d]);
			printf(" %zu\n", p->offset);
		}
	}
	nst_net_free(net);
	return fflush(stdout) ? 1 : 0;
}
