/* Import and export.  Both walk the parameters of a net built from the architecture, so that every
 * architecture that can be written down can be exchanged, and nothing else gets in or out. */
#include "libcore/data/exchange.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/data/archfile.h"
#include "libcore/data/timm.h"
#include "libcore/io/map.h"
#include "libcore/nn/torch.h"
#include "libcore/util/mem.h"

static const uint8_t hdf5_signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

int nst_exchange_is_model(const char *path, struct nst_err *err)
{
	struct nst_map map;
	int r = nst_map_file(&map, path, err);

	if (r)
		return r;
	r = map.size >= sizeof(hdf5_signature) &&
	    !memcmp(map.data, hdf5_signature, sizeof(hdf5_signature));
	nst_map_release(&map);
	return r;
}

/* ---- what to import into ------------------------------------------------------------------- */

static int choose_arch(const struct nst_safetensors *st, const struct nst_import_options *o,
		       struct nst_arch *arch, struct nst_err *err)
{
	const char *name = nst_safetensors_meta(st, "architecture");
	const char *spec = nst_safetensors_meta(st, "arch_spec");
	int r;

	if (o->arch_file)
		return nst_arch_load(o->arch_file, arch, err);
	if (o->arch)
		return nst_timm_find(o->arch, arch, err);
	if (!name && !spec)
		return nst_fail(err, NST_EINVAL, "'%s' does not say which architecture it is for",
				nst_safetensors_name(st));
	r = spec ? nst_arch_parse(name ? name : "unnamed", spec, arch, err) :
		   nst_timm_find(name, arch, err);
	return r ? nst_err_prefix(err, "cannot use '%s'", nst_safetensors_name(st)) : 0;
}

static int choose_preprocess(const struct nst_safetensors *st, const struct nst_import_options *o,
			     const struct nst_arch *arch, struct nst_preprocess *p,
			     struct nst_err *err)
{
	nst_timm_preprocess(arch, p);
	if (nst_timm_read(st, p, err))
		return err->code;
	if (o->size)
		p->size = o->size;
	if (!isnan(o->crop_fraction)) {
		p->cropping = NST_CROP_SHORTEST;
		p->crop = o->crop_fraction;
	}
	if (!isnan(o->crop_padding)) {
		p->cropping = NST_CROP_CENTRAL;
		p->crop = (double)p->size / ((double)p->size + o->crop_padding);
	}
	if (o->filter >= 0)
		p->filter = (enum nst_filter)o->filter;
	if (o->mean)
		memcpy(p->mean, o->mean, sizeof(p->mean));
	if (o->std)
		memcpy(p->std, o->std, sizeof(p->std));
	return 0;
}

/* Build the net, with as many classes as the classifier has outputs. */
static int build_net(const struct nst_safetensors *st, const struct nst_arch *arch, size_t size,
		     struct nst_net **net, struct nst_err *err)
{
	const struct nst_safetensor *t;
	const char *name;

	if (nst_net_new(arch, size, 1, net, err))
		return err->code;
	name = (*net)->param[(*net)->op[(*net)->nops - 1].param[0]].name;
	t = nst_safetensors_find(st, name);
	if (!t)
		nst_fail(err, NST_EINVAL, "'%s' has no tensor '%s'", nst_safetensors_name(st),
			 name);
	else if (t->rank != 2 || t->shape[0] == 0)
		nst_fail(err, NST_EINVAL, "tensor '%s' of '%s' is not a matrix, as '%s' needs it",
			 name, nst_safetensors_name(st), arch->name);
	nst_net_free(*net);
	*net = NULL;
	if (!t || t->rank != 2 || t->shape[0] == 0)
		return err->code;
	return nst_net_new(arch, size, t->shape[0], net, err);
}

/* ---- tensors ------------------------------------------------------------------------------- */

/* "2 x 3", "a single number" */
static void format_shape(const size_t *shape, size_t rank, char *out, size_t size)
{
	size_t n = 0;

	snprintf(out, size, "a single number");
	for (size_t d = 0; d < rank && n < size; d++)
		n += (size_t)snprintf(out + n, size - n, "%s%zu", d ? " x " : "", shape[d]);
}

/* The tensor of a parameter, held against what it should be; NULL with a sentence. */
static const struct nst_safetensor *find_tensor(const struct nst_safetensors *st,
						const struct nst_net *net, size_t number,
						struct nst_err *err)
{
	const char *name = net->param[number].name, *file = nst_safetensors_name(st);
	const struct nst_safetensor *t = nst_safetensors_find(st, name);
	size_t shape[4], rank = nst_torch_shape(net, number, shape);
	char has[200], needs[100];

	if (!t) {
		nst_fail(err, NST_EINVAL, "'%s' has no tensor '%s'", file, name);
		return NULL;
	}
	if (t->rank != rank || memcmp(t->shape, shape, rank * sizeof(*shape)) != 0) {
		format_shape(t->shape, t->rank, has, sizeof(has));
		format_shape(shape, rank, needs, sizeof(needs));
		nst_fail(err, NST_EINVAL, "tensor '%s' of '%s' is %s, '%s' needs %s", name, file,
			 has, net->arch.name, needs);
		return NULL;
	}
	if (!nst_dtype_is_float(t->dtype)) {
		nst_fail(err, NST_EINVAL,
			 "tensor '%s' of '%s' has the type %s, not a floating-point one", name,
			 file, nst_dtype_name(t->dtype));
		return NULL;
	}
	return t;
}

/* 1 for the counter of batches that PyTorch keeps with a norm of this net. */
static int is_counter(const struct nst_net *net, const struct nst_safetensor *t)
{
	static const char counter[] = ".num_batches_tracked", mean[] = ".running_mean";
	size_t n = strlen(t->name), tail = sizeof(counter) - 1;
	char norm[sizeof(net->param[0].name)];

	if (n < tail || strcmp(t->name + n - tail, counter) != 0 ||
	    n - tail + sizeof(mean) > sizeof(norm) || t->dtype != NST_DTYPE_I64 || t->rank != 0)
		return 0;
	memcpy(norm, t->name, n - tail);
	memcpy(norm + n - tail, mean, sizeof(mean));
	return nst_net_find(net, norm) != NULL;
}

static int refuse_strangers(const struct nst_safetensors *st, const struct nst_net *net,
			    struct nst_err *err)
{
	for (size_t i = 0; i < nst_safetensors_count(st); i++) {
		const struct nst_safetensor *t = nst_safetensors_at(st, i);

		if (!nst_net_find(net, t->name) && !is_counter(net, t))
			return nst_fail(err, NST_EINVAL,
					"'%s' has a tensor '%s', which '%s' has not",
					nst_safetensors_name(st), t->name, net->arch.name);
	}
	return 0;
}

/* All tensors are looked at before memory is taken for the first. */
static int read_params(const struct nst_safetensors *st, const struct nst_net *net, float **params,
		       struct nst_err *err)
{
	size_t largest = 0;
	float *tmp;

	for (size_t i = 0; i < net->nparams; i++) {
		if (!find_tensor(st, net, i, err))
			return err->code;
		if (net->param[i].count > largest)
			largest = net->param[i].count;
	}
	if (refuse_strangers(st, net, err))
		return err->code;
	*params = nst_zalloc(net->nfloats, sizeof(**params), err);
	tmp = nst_alloc(largest, sizeof(*tmp), err);
	for (size_t i = 0; *params && tmp && i < net->nparams; i++) {
		nst_safetensor_floats(nst_safetensors_find(st, net->param[i].name), tmp);
		nst_torch_import(net, i, tmp, *params + net->param[i].offset);
	}
	free(tmp);
	return *params && tmp ? 0 : NST_ENOMEM;
}

/* ---- classes ------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int refuse_twins(const struct nst_list *names, struct nst_err *err)
{
	char **sorted = nst_alloc(names->count, sizeof(*sorted), err);
	int r = 0;

	if (!sorted)
		return err->code;
	memcpy(sorted, names->item, names->count * sizeof(*sorted));
	qsort(sorted, names->count, sizeof(*sorted), by_text);
	for (size_t i = 1; !r && i < names->count; i++)
		if (!strcmp(sorted[i - 1], sorted[i]))
			r = nst_fail(err, NST_EINVAL, "two classes have the name '%s'", sorted[i]);
	free(sorted);
	return r;
}

static int choose_classes(const struct nst_safetensors *st, const char *file, size_t n,
			  struct nst_list *names, struct nst_err *err)
{
	int r = file ? nst_list_read(names, file, '\n', err) :
		       nst_safetensors_meta_strings(st, "label_names", names, err);

	if (r < 0)
		return r;
	for (size_t i = 0; !file && r == 0 && i < n; i++) {
		char number[24];

		snprintf(number, sizeof(number), "%zu", i);
		if (nst_list_add(names, number, err))
			return err->code;
	}
	if (names->count != n)
		return nst_fail(err, NST_EINVAL,
				"'%s' has %zu class names, but '%s' has %zu classes",
				file ? file : nst_safetensors_name(st), names->count,
				nst_safetensors_name(st), n);
	return refuse_twins(names, err);
}

/* ---- import -------------------------------------------------------------------------------- */

static int import(const struct nst_safetensors *st, const struct nst_import_options *o,
		  struct nst_imported *out, struct nst_err *err)
{
	const char *history = nst_safetensors_meta(st, "history");
	struct nst_arch arch;

	if (choose_arch(st, o, &arch, err) ||
	    choose_preprocess(st, o, &arch, &out->preprocess, err) ||
	    build_net(st, &arch, out->preprocess.size, &out->net, err) ||
	    read_params(st, out->net, &out->params, err) ||
	    choose_classes(st, o->classes, out->net->classes, &out->classes, err))
		return err->code;
	out->history = nst_strdup(history ? history : "", err);
	return out->history ? 0 : err->code;
}

int nst_exchange_import(const char *path, const struct nst_import_options *o,
			struct nst_imported *out, struct nst_err *err)
{
	struct nst_safetensors *st;
	int r;

	memset(out, 0, sizeof(*out));
	if (nst_safetensors_open(&st, path, err))
		return err->code;
	r = import(st, o, out, err);
	nst_safetensors_free(st);
	if (r)
		nst_imported_release(out);
	return r;
}

void nst_imported_release(struct nst_imported *m)
{
	nst_net_free(m->net);
	free(m->params);
	nst_list_release(&m->classes);
	free(m->history);
	memset(m, 0, sizeof(*m));
}

int nst_imported_build(const struct nst_imported *m, int with_history,
		       struct nst_modelfile_build *b, struct nst_err *err)
{
	const struct nst_modelfile_content c = {
		.net = m->net,
		.preprocess = &m->preprocess,
		.class_name = (const char *const *)m->classes.item,
		.params = m->params,
	};

	if (nst_modelfile_build(b, &c, err))
		return err->code;
	if (!with_history || nst_build_history(b->build, m->history, err) == 0)
		return 0;
	nst_modelfile_build_release(b);
	return err->code;
}

/* ---- export -------------------------------------------------------------------------------- */

/* File names on command lines can be any bytes: those that are not UTF-8 lose their upper half. */
static int put_history(struct nst_safetensors_out *out, const struct nst_image *im, const char *run,
		       struct nst_err *err)
{
	const char *before = nst_image_history(im);
	struct nst_buf text = {0};
	int r = nst_buf_printf(&text, err, "%s%s%s < %s", before, *before ? "\n" : "", run,
			       nst_image_uuid(im));

	if (!r)
		r = nst_safetensors_put_meta(out, "history", (const char *)text.data, err);
	if (r == NST_EINVAL) {
		for (size_t i = 0; i < text.len; i++)
			text.data[i] = text.data[i] < 0x80 ? text.data[i] : '?';
		r = nst_safetensors_put_meta(out, "history", (const char *)text.data, err);
	}
	nst_buf_release(&text);
	return r;
}

static int put_metadata(struct nst_safetensors_out *out, const struct nst_modelfile *m,
			const char *run, struct nst_err *err)
{
	struct nst_buf spec = {0};
	int r = nst_arch_print(&m->net->arch, &spec, err);

	if (!r)
		r = nst_safetensors_put_meta(out, "format", "pt", err);
	if (!r)
		r = nst_safetensors_put_meta(out, "architecture", m->net->arch.name, err);
	if (!r)
		r = nst_safetensors_put_meta(out, "arch_spec", (const char *)spec.data, err);
	if (!r)
		r = nst_timm_write(out, &m->preprocess, err);
	if (!r)
		r = nst_safetensors_put_strings(out, "label_names", m->model.class_name,
						(size_t)m->model.classes, err);
	if (!r && run)
		r = put_history(out, m->image, run, err);
	nst_buf_release(&spec);
	return r;
}

static int put_tensors(struct nst_safetensors_out *out, const struct nst_net *net,
		       const float *const *param, enum nst_dtype dtype, struct nst_err *err)
{
	size_t largest = 0, shape[4];
	float *tmp;
	int r = 0;

	for (size_t i = 0; !r && i < net->nparams; i++) {
		size_t rank = nst_torch_shape(net, i, shape);

		if (net->param[i].count > largest)
			largest = net->param[i].count;
		r = nst_safetensors_declare(out, net->param[i].name, dtype, rank, shape, err);
	}
	tmp = nst_alloc(largest, sizeof(*tmp), err);
	if (!tmp)
		r = err->code;
	for (size_t i = 0; !r && i < net->nparams; i++) {
		nst_torch_export(net, i, param[i], tmp);
		r = nst_safetensors_write(out, tmp, err);
		if (r == NST_ELIMIT)
			nst_err_prefix(err, "tensor '%s'", net->param[i].name);
	}
	free(tmp);
	return r;
}

int nst_exchange_export(const struct nst_modelfile *m, enum nst_weights which, enum nst_dtype dtype,
			const char *run, const char *path, struct nst_err *err)
{
	const float **param = nst_alloc(m->net->nparams, sizeof(*param), err);
	struct nst_safetensors_out *out = NULL;
	int r = param ? nst_modelfile_find(m, which, param, err) : err->code;

	if (!r)
		r = nst_safetensors_create(&out, path, err);
	if (!r)
		r = put_metadata(out, m, run, err);
	if (!r)
		r = put_tensors(out, m->net, param, dtype, err);
	free(param);
	if (!r)
		return nst_safetensors_close(out, err);
	nst_safetensors_abort(out);
	return r;
}
