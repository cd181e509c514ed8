/* The file keeps tensors by name, one behind the other; the net keeps them in one vector with
 * padding and an order of its own.  Everything here is that translation, checked both ways. */
#include "libcore/data/modelfile.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/util/mem.h"

static int same_shape(const struct nst_param *p, const struct nst_model_tensor *t)
{
	for (size_t d = 0; d < NST_TENSOR_RANK; d++)
		if (t->shape[d] != (d < p->rank ? p->shape[d] : 0))
			return 0;
	return 1;
}

static int check_tensor(const struct nst_modelfile *m, const struct nst_param *p,
			struct nst_err *err)
{
	const struct nst_model_tensor *t = nst_model_find(&m->model, p->name);

	if (!t)
		return nst_fail(err, NST_EINVAL, "%s has no tensor '%s'",
				nst_image_name(m->image), p->name);
	if (!same_shape(p, t))
		return nst_fail(err, NST_EINVAL, "tensor '%s' of %s has another shape", p->name,
				nst_image_name(m->image));
	return 0;
}

/* The spec, joined to the text that the parser takes. */
static int read_arch(const struct nst_modelfile *m, struct nst_arch *arch, struct nst_err *err)
{
	struct nst_buf text = {0};
	int r = 0;

	for (uint64_t i = 0; i < m->model.spec_lines && r == 0; i++)
		r = nst_buf_printf(&text, err, "%s\n", m->model.spec[i]);
	if (r == 0)
		r = nst_arch_parse(m->model.architecture, text.data ? (char *)text.data : "", arch, err);
	nst_buf_release(&text);
	return r;
}

static int build_net(struct nst_modelfile *m, struct nst_err *err)
{
	struct nst_arch arch;

	if (read_arch(m, &arch, err) < 0 ||
	    nst_preprocess_parse(m->model.preprocessing, &m->preprocess, err) < 0 ||
	    nst_net_new(&arch, m->preprocess.size, m->model.classes, &m->net, err) < 0)
		return nst_err_prefix(err, "cannot use %s", nst_image_name(m->image));
	for (size_t i = 0; i < m->net->nparams; i++)
		if (check_tensor(m, &m->net->param[i], err) < 0)
			return err->code;
	if (m->model.tensors != m->net->nparams)
		return nst_fail(err, NST_EFORMAT, "%s has %llu tensors, its architecture has %zu",
				nst_image_name(m->image), (unsigned long long)m->model.tensors,
				m->net->nparams);
	return 0;
}

int nst_modelfile_open(struct nst_modelfile *m, const char *path, struct nst_err *err)
{
	memset(m, 0, sizeof(*m));
	if (nst_image_open(&m->image, path, NST_KIND_BIT(NST_MODEL), err) < 0)
		return err->code;
	if (nst_model_view(m->image, &m->model, err) < 0 || build_net(m, err) < 0) {
		nst_modelfile_release(m);
		return err->code;
	}
	return 0;
}

void nst_modelfile_release(struct nst_modelfile *m)
{
	nst_net_free(m->net);
	nst_image_free(m->image);
	memset(m, 0, sizeof(*m));
}

void nst_modelfile_unpack(const struct nst_modelfile *m, const float *stored, float *flat)
{
	for (size_t i = 0; i < m->net->nparams; i++) {
		const struct nst_param *p = &m->net->param[i];
		const struct nst_model_tensor *t = nst_model_find(&m->model, p->name);

		memcpy(flat + p->offset, stored + t->offset, p->count * sizeof(*flat));
	}
}

/* The weights that are meant, verified. */
static int vector_of(const struct nst_modelfile *m, enum nst_weights which, const float **vector,
		     struct nst_err *err)
{
	int raw = which == NST_WEIGHTS_RAW || (which == NST_WEIGHTS_BEST && !m->model.ema);

	if (!raw && !m->model.ema)
		return nst_fail(err, NST_EINVAL, "%s has no moving average of its weights",
				nst_image_name(m->image));
	*vector = raw ? m->model.data : m->model.ema;
	return nst_model_verify(m->image, raw ? NST_MODEL_DATA : NST_MODEL_EMA, err);
}

int nst_modelfile_find(const struct nst_modelfile *m, enum nst_weights which, const float **param,
		       struct nst_err *err)
{
	const float *from;

	if (vector_of(m, which, &from, err) < 0)
		return err->code;
	for (size_t i = 0; i < m->net->nparams; i++)
		param[i] = from + nst_model_find(&m->model, m->net->param[i].name)->offset;
	return 0;
}

/* 1 for the weight and bias of the last operation. */
static int is_classifier(const struct nst_net *net, size_t param)
{
	const struct nst_op *last = &net->op[net->nops - 1];

	return param == last->param[0] || param == last->param[1];
}

int nst_modelfile_fits(const struct nst_modelfile *m, const struct nst_net *net, int classifier,
		       struct nst_err *err)
{
	for (size_t i = 0; i < net->nparams; i++)
		if ((classifier || !is_classifier(net, i)) && check_tensor(m, &net->param[i], err) < 0)
			return err->code;
	return 0;
}

int nst_modelfile_init(const struct nst_modelfile *m, const struct nst_net *net, int classifier,
		       float *params, struct nst_err *err)
{
	const float *from;

	if (vector_of(m, NST_WEIGHTS_BEST, &from, err) < 0)
		return err->code;
	for (size_t i = 0; i < net->nparams; i++) {
		const struct nst_param *p = &net->param[i];

		if (classifier || !is_classifier(net, i))
			memcpy(params + p->offset, from + nst_model_find(&m->model, p->name)->offset,
			       p->count * sizeof(*params));
	}
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* What the built image borrows, and where the tensors lie in the vectors: these are written from
 * there, since a copy of them would be most of the memory of a training once more. */
struct memory {
	struct nst_model_tensor *tensor;
	const float **part;
	const char **line;
	struct nst_buf spec, preprocessing;
};

/* Where the parameters of a flat vector lie.  Returns what is behind in the list. */
static const float **place(const struct nst_net *net, const float *flat, const float **part)
{
	for (size_t i = 0; i < net->nparams; i++)
		*part++ = flat + net->param[i].offset;
	return part;
}

/* Cut the spec into lines, in place. */
static int spec_lines(struct memory *mem, struct nst_model *m, struct nst_err *err)
{
	char *text = (char *)mem->spec.data, *save = NULL;
	size_t n = 0;

	for (const char *s = text; *s; s++)
		n += *s == '\n';
	mem->line = nst_alloc(n + 1, sizeof(*mem->line), err);
	if (!mem->line)
		return err->code;
	for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save))
		mem->line[m->spec_lines++] = s;
	m->spec = mem->line;
	return 0;
}

static int fill(struct memory *mem, const struct nst_modelfile_content *c, struct nst_model *m,
		struct nst_err *err)
{
	const struct nst_net *net = c->net;
	const float **at;

	while (m->slots < 2 && c->slot[m->slots])
		m->slots++;
	m->data = c->params;
	m->ema = c->ema;
	m->slot = c->slot[0];
	mem->tensor = nst_zalloc(net->nparams, sizeof(*mem->tensor), err);
	mem->part = nst_alloc(net->nparams, (2 + m->slots) * sizeof(*mem->part), err);
	if (!mem->tensor || !mem->part || nst_arch_print(&net->arch, &mem->spec, err) < 0 ||
	    spec_lines(mem, m, err) < 0 ||
	    nst_preprocess_format(c->preprocess, &mem->preprocessing, err) < 0 ||
	    nst_buf_append(&mem->preprocessing, "", 1, err) < 0)
		return err->code;

	m->tensor = mem->tensor;
	m->tensors = net->nparams;
	for (size_t i = 0; i < net->nparams; i++) {
		mem->tensor[i].name = net->param[i].name;
		for (size_t d = 0; d < net->param[i].rank; d++)
			mem->tensor[i].shape[d] = (uint32_t)net->param[i].shape[d];
	}
	at = place(net, c->params, mem->part);
	if (c->ema)
		at = place(net, c->ema, at);
	for (size_t s = 0; s < m->slots; s++)
		at = place(net, c->slot[s], at);
	return 0;
}

int nst_modelfile_build(struct nst_modelfile_build *b, const struct nst_modelfile_content *c,
			struct nst_err *err)
{
	struct nst_model m = {
		.architecture = c->net->arch.name,
		.epoch = c->epoch,
		.step = c->step,
		.seed = c->seed,
		.class_name = c->class_name,
		.classes = c->net->classes,
		.option = c->option,
		.options = c->options,
		.log = c->log,
		.log_lines = c->log_lines,
	};
	struct memory *mem = nst_zalloc(1, sizeof(*mem), err);

	b->build = NULL;
	b->memory = mem;
	if (!mem)
		return err->code;
	if (fill(mem, c, &m, err) == 0) {
		m.preprocessing = (const char *)mem->preprocessing.data;
		if (nst_model_build_parts(&b->build, &m, mem->part, err) == 0)
			return 0;
	}
	nst_modelfile_build_release(b);
	return err->code;
}

void nst_modelfile_build_release(struct nst_modelfile_build *b)
{
	struct memory *mem = b->memory;

	nst_build_free(b->build);
	if (mem) {
		free(mem->tensor);
		free(mem->part);
		free(mem->line);
		nst_buf_release(&mem->spec);
		nst_buf_release(&mem->preprocessing);
		free(mem);
	}
	b->build = NULL;
	b->memory = NULL;
}
