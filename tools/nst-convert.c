/* nst-convert: models to and from safetensors files; see nst-convert(1). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/data/exchange.h"
#include "libcore/image/preprocess.h"

struct convert {
	struct nst_common common;
	struct nst_import_options import;
	int64_t size;
	float mean[3], std[3]; /* NaN: not given */
	int weights;   /* enum nst_weights */
	int precision; /* enum nst_dtype, -1: not given */
};

static const char *const filters[] = {"box", "bilinear", "bicubic", "lanczos", NULL};
static const char *const precisions[] = {"f32", "f16", "bf16", NULL};

static int parse_mean(const char *word, void *target, struct nst_err *err)
{
	return nst_preprocess_mean(word, target, err);
}

static int parse_std(const char *word, void *target, struct nst_err *err)
{
	return nst_preprocess_std(word, target, err);
}

static int import(struct convert *c, const char *path, const struct nst_out_options *out,
		  struct nst_err *err)
{
	struct nst_modelfile_build b;
	struct nst_imported m;
	int r;

	if (nst_exchange_import(path, &c->import, &m, err) < 0)
		return err->code;
	r = nst_imported_build(&m, out->run != NULL, &b, err);
	if (r == 0) {
		r = nst_out_file(c->common.output, out, b.build, err);
		nst_modelfile_build_release(&b);
	}
	if (r == 0)
		nst_note("%zu tensors of '%s' imported as %s with %zu class%s", m.net->nparams,
			 path, m.net->arch.name, m.net->classes,
			 m.net->classes == 1 ? "" : "es");
	nst_imported_release(&m);
	return r;
}

static int export(const struct convert *c, const char *path, const char *run, struct nst_err *err)
{
	enum nst_dtype dtype = c->precision < 0 ? NST_DTYPE_F32 : (enum nst_dtype)c->precision;
	struct nst_modelfile m;
	int r;

	if (nst_run_refuse_input(c->common.output, &path, 1, err) < 0 ||
	    nst_modelfile_open(&m, path, err) < 0)
		return err->code;
	r = nst_exchange_export(&m, (enum nst_weights)c->weights, dtype, run, c->common.output,
				err);
	if (r == 0)
		nst_note("%zu tensors of '%s' exported", m.net->nparams, path);
	nst_modelfile_release(&m);
	return r;
}

/* The options of the other direction are refused; that can only be said once the file is known. */
static void check_usage(const struct convert *c, const char *path, int is_model)
{
	const struct nst_import_options *o = &c->import;

	if (is_model && (o->arch || o->arch_file || o->classes))
		nst_usage_error("'%s' is a model, which has an architecture and classes: "
				"--arch, --arch-file and --classes are for imports", path);
	if (is_model && (o->size || !isnan(o->crop_fraction) || !isnan(o->crop_padding) ||
			 o->filter >= 0 || o->mean || o->std))
		nst_usage_error("'%s' is a model, which has its preprocessing: options for that "
				"are for imports", path);
	if (!is_model && (c->weights == NST_WEIGHTS_RAW || c->precision >= 0))
		nst_usage_error("'%s' is no model: --raw-weights and --precision are for exports",
				path);
	if (o->arch && o->arch_file)
		nst_usage_error("--arch and --arch-file are two answers to one question");
	if (!isnan(o->crop_fraction) && !isnan(o->crop_padding))
		nst_usage_error("--crop-fraction and --crop-padding are two answers to one "
				"question");
}

int main(int argc, char **argv)
{
	static struct convert c = {
		.common = NST_COMMON_DEFAULT,
		.import = {.filter = -1, .crop_fraction = NAN, .crop_padding = NAN},
		.mean = {NAN}, .std = {NAN},
		.precision = -1,
	};
	const struct nst_opt opts[] = {
		NST_OPT_SECTION("Import"),
		NST_OPT_STRING('a', "arch", "NAME", &c.import.arch,
			       "the architecture, by its name here or in timm; where the file does "
			       "not name it"),
		NST_OPT_STRING(0, "arch-file", "FILE", &c.import.arch_file,
			       "the architecture, as FILE describes it"),
		NST_OPT_STRING(0, "classes", "FILE", &c.import.classes,
			       "names of the classes, one a line, in their order"),
		NST_OPT_INT(0, "size", "N", &c.size, 1, NST_ARCH_SIDE,
			    "side of the input in pixels"),
		NST_OPT_DOUBLE(0, "crop-fraction", "F", &c.import.crop_fraction, 0, 1,
			       NST_OPEN_LOW,
			       "resize the shorter side to size / F and cut out the middle, "
			       "as timm"),
		NST_OPT_DOUBLE(0, "crop-padding", "P", &c.import.crop_padding, 0, 4096, NST_CLOSED,
			       "cut out the middle, of size / (size + P) of the shorter side, and "
			       "resize it, as the code of Noisy Student"),
		NST_OPT_ENUM(0, "interpolation", "FILTER", &c.import.filter, filters,
			     "how to resize"),
		NST_OPT_WORD(0, "mean", "R,G,B", c.mean, parse_mean, NULL,
			     "means of the channels, of values scaled to [0,1]"),
		NST_OPT_WORD(0, "std", "R,G,B", c.std, parse_std, NULL,
			     "standard deviations of the channels"),
		NST_OPT_SECTION("Export"),
		NST_OPT_SET(0, "raw-weights", &c.weights, NST_WEIGHTS_RAW,
			    "export the weights themselves, not their moving average"),
		NST_OPT_ENUM(0, "precision", "TYPE", &c.precision, precisions,
			     "type of the exported numbers, f32 unless given"),
		NST_OPT_COMMON(&c.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-convert", "WEIGHTS|MODEL",
				      "convert between models and safetensors files", NULL};
	struct nst_err err;
	char *run = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv), is_model;
	const char *path = argv[first];
	struct nst_out_options out = {.inputs = &path, .ninputs = 1};

	if (argc - first != 1 || strcmp(path, "-") == 0)
		nst_usage_error("one file is needed, %s",
				argc - first == 1 ? "standard input is not read" :
						    "a safetensors file or a model");
	nst_refuse_terminal(c.common.output);
	if (!run)
		nst_die(&err);
	c.import.size = (size_t)c.size;
	c.import.mean = isnan(c.mean[0]) ? NULL : c.mean;
	c.import.std = isnan(c.std[0]) ? NULL : c.std;
	out.run = c.common.no_provenance ? NULL : run;
	is_model = nst_exchange_is_model(path, &err);
	nst_must(is_model, &err);
	check_usage(&c, path, is_model);
	nst_must(is_model ? export(&c, path, out.run, &err) : import(&c, path, &out, &err), &err);
	free(run);
	return nst_finish_stdout();
}
