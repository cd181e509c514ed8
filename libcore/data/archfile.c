/* A spec in a file is the same text as in a model, so the parser is the same, too. */
#include "libcore/data/archfile.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/io/readall.h"

int nst_arch_load(const char *path, struct nst_arch *out, struct nst_err *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	struct nst_buf text = {0};
	char *name = nst_strdup(base, err), *dot = name ? strrchr(name, '.') : NULL;
	int r = name ? nst_read_all(path, NST_ARCH_TEXT, &text, err) : NST_ENOMEM;

	if (dot && dot != name)
		*dot = '\0';
	if (!r && text.len && memchr(text.data, '\0', text.len))
		r = nst_fail(err, NST_EFORMAT, "'%s' is not text", path);
	if (!r)
		r = nst_buf_append(&text, "", 1, err);
	if (!r && nst_arch_parse(name, (const char *)text.data, out, err))
		r = nst_err_prefix(err, "cannot use '%s'", path);
	nst_buf_release(&text);
	free(name);
	return r;
}
