/* The label file is read whole and cut up in place: paths and classes are pointers into it. */
#include "libcore/pack/labels.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/io/readall.h"

#define MAX_TEXT ((uint64_t)4 << 30)

/* Take the quotes off a field, in place.  Returns NULL when they do not match. */
static char *unquote(char *s)
{
	size_t n = strlen(s);
	char *to = s;

	if (*s != '"')
		return s;
	if (n < 2 || s[n - 1] != '"')
		return NULL;
	s[n - 1] = '\0';
	for (char *from = s + 1; *from != '\0'; from++) {
		if (*from == '"' && *++from != '"')
			return NULL;
		*to++ = *from;
	}
	*to = '\0';
	return s;
}

/* Cut a line at its separator.  Returns 0, or -1 when it has none or bad quotes. */
static int cut(char *line, char **path, char **class)
{
	char *at = strchr(line, '\t');

	if (!at)
		at = strrchr(line, ',');
	if (!at)
		return -1;
	*at = '\0';
	*path = unquote(line);
	*class = unquote(at + 1);
	if (!*path || !*class || **path == '\0')
		return -1;
	while (strncmp(*path, "./", 2) == 0)
		*path += 2;
	return 0;
}

static int is_heading(const char *path)
{
	static const char *const word[] = {"path", "file", "filename", "image", "key"};

	for (size_t i = 0; i < sizeof word / sizeof *word; i++)
		if (strcmp(path, word[i]) == 0)
			return 1;
	return 0;
}

static int add_line(struct nst_labels *t, size_t number, char *line, const char *file,
		    struct nst_err *err)
{
	char *path, *class;

	if (cut(line, &path, &class) < 0)
		return nst_fail(err, NST_EFORMAT, "line %zu of '%s' is not 'path,class'", number,
				file);
	if (number == 1 && is_heading(path))
		return 0;
	if (nst_names_find(&t->path, path, strlen(path)) >= 0)
		return nst_fail(err, NST_EINVAL, "line %zu of '%s' repeats the path '%.200s'",
				number, file, path);
	if (nst_names_add(&t->path, path, err) < 0)
		return err->code;
	t->class[t->path.count - 1] = class;
	return 0;
}

int nst_labels_read(struct nst_labels *t, const char *path, struct nst_err *err)
{
	size_t lines = 1, number = 0;
	int r;

	memset(t, 0, sizeof *t);
	r = nst_read_all(path, MAX_TEXT, &t->text, err);
	if (r == 0)
		r = nst_buf_append(&t->text, "\n", 2, err); /* a line end and a NUL behind it */
	if (r == 0 && memchr(t->text.data, '\0', t->text.len - 1))
		r = nst_fail(err, NST_EFORMAT, "'%s' is not a text file", path);
	for (size_t i = 0; r == 0 && i + 1 < t->text.len; i++)
		lines += t->text.data[i] == '\n';
	if (r == 0 && !(t->class = nst_alloc(lines, sizeof *t->class, err)))
		r = err->code;
	for (char *s = (char *)t->text.data, *end; r == 0 && *s != '\0'; s = end + 1) {
		end = strchr(s, '\n');
		*end = '\0';
		if (end > s && end[-1] == '\r')
			end[-1] = '\0';
		number++;
		if (*s != '\0')
			r = add_line(t, number, s, path, err);
	}
	if (r == 0 && t->path.count == 0)
		r = nst_fail(err, NST_EINVAL, "'%s' holds no labels", path);
	if (r < 0)
		nst_labels_release(t);
	return r;
}

void nst_labels_release(struct nst_labels *t)
{
	nst_names_release(&t->path);
	free(t->class);
	nst_buf_release(&t->text);
	memset(t, 0, sizeof *t);
}
