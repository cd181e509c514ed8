#include "libcore/pack/inspect.h"

#include "libcore/image/entries.h"
#include "libcore/util/mem.h"

struct inspector {
	struct nst_buf scratch, again;
};

static int inspect_sample(void *ctx, const struct nst_sample *s, struct nst_err *err)
{
	const struct nst_entries entries = {s->entry, s->entries};
	struct inspector *in = ctx;

	return nst_entries_check(s->data, s->size, &entries, &in->scratch, &in->again, err);
}

int nst_inspect(const char *path, struct nst_verify_result *out, struct nst_err *err)
{
	struct inspector in = {0};
	const struct nst_verify_more more = {inspect_sample, &in};
	int r = nst_verify(path, &more, out, err);

	nst_buf_release(&in.scratch);
	nst_buf_release(&in.again);
	return r;
}
