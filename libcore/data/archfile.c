/* Specs in files of the user.  All that a spec may be is the parser's to say; here are the bytes, and
 * the name, which stands in settings, models and messages and so must be a plain word. */
#include "libcore/data/archfile.h"

#include <string.h>

#include "libcore/io/readall.h"
#include "libcore/util/mem.h"

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "._+-";

/* The base name of path without its suffix. */
static int name_of(const char *path, char name[NST_ARCH_NAME], struct nst_err *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');
	size_t n = dot && dot != base ? (size_t)(dot - base) : strlen(base);

	if (n >= NST_ARCH_NAME)
		return nst_fail(err, NST_ELIMIT,
				"cannot use '%s': its name, which is that of the architecture, is "
				"longer than %d bytes",
				path, NST_ARCH_NAME - 1);
	if (n == 0 || strspn(base, name_letters) < n)
		return nst_fail(err, NST_EINVAL,
				"cannot use '%s': its name, which is that of the architecture, must "
				"be made of letters, digits and . _ + -",
				path);
	memcpy(name, base, n);
	name[n] = 0;
	return 0;
}

int nst_arch_load(const char *path, struct nst_arch *out, struct nst_err *err)
{
	char name[NST_ARCH_NAME];
	struct nst_buf text = {0};
	int r;

	if (!strcmp(path, "-"))
		return nst_fail(err, NST_EINVAL, "an architecture cannot come from standard input");
	if (name_of(path, name, err) < 0)
		return err->code;
	r = nst_read_all(path, NST_ARCH_TEXT, &text, err);
	if (r == 0 && text.len && memchr(text.data, 0, text.len))
		r = nst_fail(err, NST_EFORMAT, "cannot use '%s': it is not a text file", path);
	if (r == 0)
		r = nst_buf_append(&text, "", 1, err);
	if (r == 0) {
		r = nst_arch_parse(name, (const char *)text.data, out, err);
		if (r < 0)
			r = nst_err_prefix(err, "cannot use '%s'", path);
	}
	nst_buf_release(&text);
	return r;
}
