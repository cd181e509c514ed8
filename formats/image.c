/* One file image, read with suspicion.
 *
 * libhdf5 is asked for names, types, dimensions, filters and offsets, and everything it says is held
 * against the schema before a byte is used: exact names, hard links only, fixed types, no external or
 * virtual storage, filters from a short list, offsets inside the image.  The bytes of contiguous
 * columns are then ours: plain memory, their checksums verified on first use.  Variable-length data,
 * where most of libhdf5's known holes are, never occurs. */
#include "formats/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/h5.h"
#include "formats/mapvfd.h"
#include "formats/plugin/zfilter.h"
#include "libcore/io/rw.h"
#include "libcore/io/spool.h"
#include "libcore/util/hash.h"
#include "libcore/util/mem.h"

enum {
	MAX_ATTR_STR = 64 * 1024,
	MAX_STR_WIDTH = 64 * 1024,
	MAX_CHUNK = 1 << 30,
	READ_FROM = 16 * 1024, /* bytes of a piece that is read, not touched where it is mapped */
};

int nst_image_fail(const struct nst_image *im, struct nst_err *err, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return nst_fail(err, NST_EFORMAT, "cannot read %s: %s", im->name, msg);
}

/* libhdf5 refused, or answered what the schema forbids. */
static int damaged(const struct nst_image *im, const char *what, struct nst_err *err)
{
	return nst_image_fail(im, err, "its HDF5 structure is damaged at '%s'", what);
}

/* ---- attributes ---- */

/* Open an attribute and check that it is scalar (n == 0) or a list of n.  Returns 1, 0 when absent,
 * or a negative code. */
static int open_attr(const struct nst_image *im, hid_t file, const char *name, uint64_t n, hid_t *attr,
		     hid_t *type, struct nst_err *err)
{
	htri_t there = H5Aexists(file, name);
	hid_t space;
	hsize_t dim = 0;
	int ok;

	if (there == 0)
		return 0;
	*attr = there > 0 ? H5Aopen(file, name, H5P_DEFAULT) : -1;
	if (*attr < 0)
		return damaged(im, name, err);
	*type = H5Aget_type(*attr);
	space = H5Aget_space(*attr);
	ok = *type >= 0 && space >= 0 && H5Tcommitted(*type) == 0;
	if (ok && n == 0)
		ok = H5Sget_simple_extent_type(space) == H5S_SCALAR;
	else if (ok)
		ok = H5Sget_simple_extent_ndims(space) == 1 &&
		     H5Sget_simple_extent_dims(space, &dim, NULL) == 1 && dim == n;
	if (space >= 0)
		H5Sclose(space);
	if (ok)
		return 1;
	if (*type >= 0)
		H5Tclose(*type);
	H5Aclose(*attr);
	return nst_image_fail(im, err, "its attribute '%s' has another type or size", name);
}

/* Read a number or list of numbers.  Returns 1, 0 when absent, or a negative code. */
static int get_attr(const struct nst_image *im, hid_t file, const char *name, hid_t want, uint64_t n,
		    void *out, struct nst_err *err)
{
	hid_t attr, type;
	int r = open_attr(im, file, name, n, &attr, &type, err), ok;

	if (r <= 0)
		return r;
	ok = H5Tequal(type, want) > 0;
	if (!ok)
		r = nst_image_fail(im, err, "its attribute '%s' has another type or size", name);
	else if (H5Aread(attr, want, out) < 0)
		r = damaged(im, name, err);
	H5Tclose(type);
	H5Aclose(attr);
	return r;
}

/* Width of a fixed-length string type, or 0 when it is not one we take. */
static size_t string_width(hid_t type)
{
	H5T_str_t pad;
	size_t n;

	if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0)
		return 0;
	pad = H5Tget_strpad(type);
	if (pad != H5T_STR_NULLTERM && pad != H5T_STR_NULLPAD)
		return 0;
	n = H5Tget_size(type);
	return n <= MAX_STR_WIDTH ? n : 0;
}

/* Read a string into *out, which the caller frees.  Returns 1, 0 when absent, or a negative code. */
static int get_attr_str(const struct nst_image *im, hid_t file, const char *name, char **out,
			struct nst_err *err)
{
	hid_t attr, type;
	int r = open_attr(im, file, name, 0, &attr, &type, err);
	size_t n;

	if (r <= 0)
		return r;
	n = string_width(type);
	if (!n || n > MAX_ATTR_STR) {
		r = nst_image_fail(im, err, "its attribute '%s' is not a fixed-length string", name);
	} else {
		*out = nst_zalloc(n + 1, 1, err);
		if (!*out)
			r = err->code;
		else if (H5Aread(attr, type, *out) < 0)
			r = damaged(im, name, err);
	}
	H5Tclose(type);
	H5Aclose(attr);
	return r;
}

/* The absent attribute of a file that must have it. */
static int lacks(const struct nst_image *im, const char *name, struct nst_err *err)
{
	return nst_image_fail(im, err, "it lacks the attribute '%s', so it is not a file of nst", name);
}

static int need_attr_str(const struct nst_image *im, hid_t file, const char *name, char **out,
			 struct nst_err *err)
{
	int r = get_attr_str(im, file, name, out, err);

	return r == 0 ? lacks(im, name, err) : r < 0 ? r : 0;
}

static int need_attr(const struct nst_image *im, hid_t file, const char *name, hid_t type, uint64_t n,
		     void *out, struct nst_err *err)
{
	int r = get_attr(im, file, name, type, n, out, err);

	return r == 0 ? lacks(im, name, err) : r < 0 ? r : 0;
}

/* "a shard or a mix" */
static void kinds_text(unsigned kinds, char *out, size_t n)
{
	size_t at = 0;

	*out = '\0';
	for (int k = 0; k < NST_KINDS; k++)
		if (kinds & NST_KIND_BIT(k) && at < n)
			at += (size_t)snprintf(out + at, n - at, "%s%s%s", at ? " or " : "",
					       k == NST_STATISTICS ? "" : "a ", nst_kind_name(k));
}

static int find_kind(struct nst_image *im, hid_t file, unsigned kinds, struct nst_err *err)
{
	char *conventions = NULL, *kind = NULL, is[32], needed[160];
	int r = need_attr_str(im, file, "Conventions", &conventions, err);

	if (!r && strcmp(conventions, NST_CONVENTIONS))
		r = nst_image_fail(im, err, "its conventions are '%s', not " NST_CONVENTIONS, conventions);
	if (!r)
		r = need_attr_str(im, file, "nst_kind", &kind, err);
	if (!r) {
		int k = 0;

		while (k < NST_KINDS && strcmp(kind, nst_kind_name(k)))
			k++;
		im->kind = k;
		if (k == NST_KINDS) {
			r = nst_image_fail(im, err, "its kind '%s' is unknown", kind);
		} else if (!(kinds & NST_KIND_BIT(k))) {
			kinds_text(NST_KIND_BIT(k), is, sizeof(is));
			kinds_text(kinds, needed, sizeof(needed));
			r = nst_fail(err, NST_EFORMAT, "%s is %s, %s is needed", im->name, is, needed);
		}
	}
	free(conventions);
	free(kind);
	return r;
}

static int get_attrs(struct nst_image *im, hid_t file, struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(im->kind);
	char *uuid = NULL;
	uint8_t last = 0;
	int r = need_attr_str(im, file, "uuid", &uuid, err);

	if (!r && !nst_uuid_is(uuid))
		r = nst_image_fail(im, err, "its uuid is '%s'", uuid);
	if (!r)
		memcpy(im->uuid, uuid, sizeof(im->uuid));
	free(uuid);
	if (!r)
		r = need_attr(im, file, "rows", H5T_STD_U64LE, 0, &im->rows, err);
	if (!r)
		r = need_attr(im, file, "stream_last", H5T_STD_U8LE, 0, &last, err);
	if (!r)
		r = need_attr(im, file, "stream_total", H5T_STD_U64LE, 2, im->total, err);
	if (!r && last > 1)
		r = nst_image_fail(im, err, "its attribute 'stream_last' is %u", last);
	im->last = last;
	if (!r)
		r = get_attr_str(im, file, "history", &im->history, err);
	for (int i = 0; r >= 0 && schema->attr[i].name; i++) {
		const struct nst_schema_attr *a = &schema->attr[i];
		uint64_t n = a->n > 1 ? a->n : 0;

		if (a->type == NST_STR)
			r = get_attr_str(im, file, a->name, &im->attr[i].str, err);
		else if (a->type == NST_F64)
			r = get_attr(im, file, a->name, H5T_IEEE_F64LE, n, im->attr[i].f64, err);
		else
			r = get_attr(im, file, a->name, H5T_STD_U64LE, n, im->attr[i].u64, err);
		im->attr[i].present = r == 1;
	}
	return r < 0 ? r : 0;
}

/* ---- objects ---- */

/* What is allowed in one group: its links must all be hard, and as many as the names of the schema
 * that exist.  They are asked for by name and counted, never listed: listing the links of a damaged
 * group is where libhdf5 1.10 frees what it never set. */
static int check_link(struct nst_image *im, hid_t group, const char *path, const char *name, int *found,
		      struct nst_err *err)
{
	htri_t there = H5Lexists(group, name, H5P_DEFAULT);
	H5L_info_t info;

	*found = there > 0;
	if (there == 0)
		return 0;
	if (there < 0 || H5Lget_info(group, name, &info, H5P_DEFAULT) < 0)
		return damaged(im, path, err);
	if (info.type != H5L_TYPE_HARD)
		return nst_image_fail(im, err, "'%s' is a link to elsewhere", path);
	return 0;
}

static int check_count(struct nst_image *im, hid_t group, const char *path, uint64_t known,
		       struct nst_err *err)
{
	H5G_info_t info;

	if (H5Gget_info(group, &info) < 0)
		return damaged(im, path, err);
	if (info.nlinks != known)
		return nst_image_fail(im, err, "it holds objects in '%s' that no %s has", path,
				      nst_schema(im->kind)->name);
	return 0;
}

/* Columns [first, end) of the schema belong to one group; sets present on those that exist. */
static int check_group(struct nst_image *im, hid_t file, const char *name, int first, int end,
		       struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(im->kind);
	hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
	uint64_t known = 0;
	int r = group < 0 ? damaged(im, name, err) : 0;

	for (int i = first; !r && i < end; i++) {
		const char *path = schema->column[i].name;

		r = check_link(im, group, path, path + strlen(name) + 1, &im->column[i].id.present, err);
		known += (uint64_t)im->column[i].id.present;
	}
	if (!r)
		r = check_count(im, group, name, known, err);
	if (group >= 0)
		H5Gclose(group);
	return r;
}

/* Walk the root and the groups of the schema; sets present on every column that is there. */
static int find_objects(struct nst_image *im, hid_t file, struct nst_err *err)
{
	const struct nst_schema_column *c = nst_schema(im->kind)->column;
	uint64_t known = 0;
	int r = 0;

	for (int first = 0, end; !r && c[first].name; first = end) {
		size_t n = strcspn(c[first].name, "/") + 1;
		char group[32];
		int found;

		for (end = first; c[end].name && !strncmp(c[end].name, c[first].name, n); end++)
			;
		snprintf(group, sizeof(group), "%.*s", (int)n - 1, c[first].name);
		r = check_link(im, file, group, group, &found, err);
		known += (uint64_t)found;
		if (!r && found)
			r = check_group(im, file, group, first, end, err);
	}
	if (!r)
		r = check_count(im, file, "/", known, err);
	for (int i = 0; !r && c[i].name; i++)
		if (!im->column[i].id.present && !(c[i].flags & NST_OPTIONAL))
			r = nst_image_fail(im, err, "it lacks '%s', which every %s has", c[i].name,
					   nst_schema(im->kind)->name);
	return r;
}

static int find_type(struct nst_image_column *c, const struct nst_schema_column *s, hid_t set)
{
	hid_t type = H5Dget_type(set);
	int found = 0;

	if (type < 0 || H5Tcommitted(type) != 0)
		goto out;
	for (int t = NST_U8; t < NST_STR && !found; t++)
		if (s->types & 1u << t && H5Tequal(type, nst_h5_type(t)) > 0) {
			c->id.type = t;
			c->elem = nst_type_size(t);
			found = 1;
		}
	if (!found && s->types & 1u << NST_STR) {
		c->id.type = NST_STR;
		c->elem = string_width(type);
		found = c->elem != 0;
	}
out:
	if (type >= 0)
		H5Tclose(type);
	return found;
}

static int find_shape(struct nst_image *im, struct nst_image_column *c,
		      const struct nst_schema_column *s, hid_t set)
{
	hid_t space = H5Dget_space(set);
	hsize_t dim[2] = {0, 1};
	int ok = space >= 0 && H5Sis_simple(space) > 0 && H5Sget_simple_extent_ndims(space) == s->rank &&
		 H5Sget_simple_extent_dims(space, dim, NULL) == s->rank;

	if (space >= 0)
		H5Sclose(space);
	if (!ok || (s->cols && dim[1] != s->cols) || (s->length == NST_ROWS && dim[0] != im->rows) ||
	    (s->length == NST_ROWS_AND_END && (im->rows == UINT64_MAX || dim[0] != im->rows + 1)) ||
	    nst_mul_size(dim[0], dim[1], &c->size) || nst_mul_size(c->size, c->elem, &c->size))
		return 0;
	c->id.rank = s->rank;
	c->id.dim[0] = dim[0];
	c->id.dim[1] = dim[1];
	return 1;
}

/* Chunked storage with filters we know, sizes we can bear. */
static int chunks_ok(const struct nst_image *im, const struct nst_image_column *c, hid_t dcpl)
{
	hsize_t dim[2] = {0, 1};
	int n = H5Pget_nfilters(dcpl);
	size_t bytes;

	if (H5Pget_chunk(dcpl, 2, dim) != c->id.rank || n < 0 || n > 4 || c->size > im->max_column ||
	    nst_mul_size(dim[0], dim[1], &bytes) || nst_mul_size(bytes, c->elem, &bytes) || !bytes ||
	    bytes > MAX_CHUNK)
		return 0;
	for (int i = 0; i < n; i++) {
		unsigned flags, cd[8], config;
		size_t ncd = sizeof(cd) / sizeof(*cd);
		char name[1];
		int id = H5Pget_filter2(dcpl, (unsigned)i, &flags, &ncd, cd, sizeof(name), name, &config);

		if (id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_FLETCHER32 &&
		    id != NST_ZFILTER_ID)
			return 0;
	}
	return 1;
}

static int find_storage(struct nst_image *im, struct nst_image_column *c,
			const struct nst_schema_column *s, hid_t set, struct nst_err *err)
{
	hid_t dcpl = H5Dget_create_plist(set);
	H5D_layout_t layout = dcpl >= 0 ? H5Pget_layout(dcpl) : H5D_LAYOUT_ERROR;
	int r = 0;

	if (layout == H5D_CONTIGUOUS && H5Pget_external_count(dcpl) == 0) {
		haddr_t at = c->size ? H5Dget_offset(set) : 0;

		if (at == HADDR_UNDEF || at > im->size || c->size > im->size - at)
			r = nst_image_fail(im, err, "'%s' lies outside of the file", s->name);
		c->offset = at;
	} else if (layout == H5D_CHUNKED && s->flags & NST_COMPRESSIBLE) {
		c->chunked = 1;
		if (!chunks_ok(im, c, dcpl))
			r = nst_image_fail(im, err, "'%s' has filters or chunks that are not supported",
					   s->name);
	} else if (layout == H5D_LAYOUT_ERROR) {
		r = damaged(im, s->name, err);
	} else {
		r = nst_image_fail(im, err, "'%s' must be stored as one contiguous block", s->name);
	}
	if (dcpl >= 0)
		H5Pclose(dcpl);
	return r;
}

static int find_column(struct nst_image *im, hid_t file, int i, struct nst_err *err)
{
	const struct nst_schema_column *s = &nst_schema(im->kind)->column[i];
	struct nst_image_column *c = &im->column[i];
	hid_t set = H5Dopen2(file, s->name, H5P_DEFAULT);
	int r;

	if (set < 0)
		return damaged(im, s->name, err);
	if (!find_type(c, s, set) || !find_shape(im, c, s, set))
		r = nst_image_fail(im, err, "'%s' has another type or shape than it should", s->name);
	else
		r = find_storage(im, c, s, set, err);
	H5Dclose(set);
	return r;
}

/* Checksums and the uuid that guards them. */
static int check_identity(struct nst_image *im, hid_t file, struct nst_err *err)
{
	const struct nst_schema *schema = nst_schema(im->kind);
	struct nst_column_id id[NST_MAX_COLUMNS];
	uint64_t checksum[NST_MAX_COLUMNS];
	char uuid[NST_UUID_LEN + 1];
	size_t n = 0;
	int r;

	for (int i = 0; schema->column[i].name; i++)
		n += (size_t)im->column[i].id.present;
	r = need_attr(im, file, "checksums", H5T_STD_U64LE, n, checksum, err);
	if (r)
		return r;
	n = 0;
	for (int i = 0; schema->column[i].name; i++) {
		if (im->column[i].id.present)
			im->column[i].id.checksum = checksum[n++];
		id[i] = im->column[i].id;
	}
	r = nst_uuid(uuid, im->kind, im->rows, id, im->attr, err);
	if (!r && strcmp(uuid, im->uuid))
		r = nst_image_fail(im, err, "its uuid does not belong to its contents: it was damaged or "
				   "changed");
	return r;
}

static hid_t open_h5(const struct nst_image *im, struct nst_region *region)
{
	hid_t fapl, file;

	*region = (struct nst_region){(uint8_t *)(uintptr_t)im->base, im->size, 0, 0};
	fapl = nst_region_fapl(region);
	if (fapl < 0)
		return -1;
	file = H5Fopen("nst", H5F_ACC_RDONLY, fapl);
	H5Pclose(fapl);
	return file;
}

int nst_image_parse(struct nst_image *im, unsigned kinds, struct nst_err *err)
{
	struct nst_region region;
	hid_t file;
	int r = nst_h5_begin(err);

	if (r)
		return r;
	file = open_h5(im, &region);
	if (file < 0)
		return damaged(im, "/", err);
	r = find_kind(im, file, kinds, err);
	if (!r)
		r = get_attrs(im, file, err);
	if (!r)
		r = find_objects(im, file, err);
	for (int i = 0; !r && nst_schema(im->kind)->column[i].name; i++)
		if (im->column[i].id.present)
			r = find_column(im, file, i, err);
	if (!r)
		r = check_identity(im, file, err);
	if (H5Fclose(file) < 0 && !r)
		r = damaged(im, "/", err);
	return r;
}

/* ---- bytes ---- */

static int expand(struct nst_image *im, int i, struct nst_err *err)
{
	const char *name = nst_schema(im->kind)->column[i].name;
	struct nst_image_column *c = &im->column[i];
	struct nst_region region;
	hid_t file, set = -1;
	int r = nst_h5_begin(err), ok;

	if (r)
		return r;
	c->owned = nst_alloc_aligned(c->size, 1, err);
	if (!c->owned)
		return err->code;
	file = open_h5(im, &region);
	if (file >= 0)
		set = H5Dopen2(file, name, H5P_DEFAULT);
	ok = set >= 0 &&
	     H5Dread(set, nst_h5_type(c->id.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, c->owned) >= 0;
	if (set >= 0)
		H5Dclose(set);
	if (file >= 0)
		H5Fclose(file);
	if (!ok) {
		free(c->owned);
		c->owned = NULL;
		return nst_image_fail(im, err, "'%s' does not expand", name);
	}
	c->data = c->owned;
	return 0;
}

/* Point c->data at the bytes: in place when they are aligned, as those of our writer are. */
static int fetch(struct nst_image *im, int i, struct nst_err *err)
{
	struct nst_image_column *c = &im->column[i];
	size_t align = c->id.type == NST_STR ? 1 : c->elem;

	if (!c->size || c->data)
		return 0;
	if (c->chunked)
		return expand(im, i, err);
	c->data = im->base + c->offset;
	if ((uintptr_t)c->data % align) {
		c->owned = nst_alloc_aligned(c->size, 1, err);
		if (!c->owned)
			return err->code;
		memcpy(c->owned, c->data, c->size);
		c->data = c->owned;
	}
	return 0;
}

int nst_image_verify_column(struct nst_image *im, int i, struct nst_err *err)
{
	struct nst_image_column *c = &im->column[i];
	int r;

	if (!c->id.present || c->verified)
		return 0;
	r = fetch(im, i, err);
	if (r)
		return r;
	if (nst_hash64(c->data, c->size) != c->id.checksum)
		return nst_image_fail(im, err, "the checksum of '%s' is wrong",
				      nst_schema(im->kind)->column[i].name);
	c->verified = 1;
	return 0;
}

static int index_of(const struct nst_image *im, const char *name)
{
	int i = nst_schema_column_index(nst_schema(im->kind), name);

	return i >= 0 && im->column[i].id.present ? i : -1;
}

int nst_image_has(const struct nst_image *im, const char *name)
{
	return index_of(im, name) >= 0;
}

int nst_image_column(struct nst_image *im, const char *name, struct nst_column *col,
		     struct nst_err *err)
{
	int i = index_of(im, name), r;
	struct nst_image_column *c;

	if (i < 0)
		return nst_image_fail(im, err, "it lacks '%s'", name);
	r = nst_schema(im->kind)->column[i].flags & NST_CHECKED_IN_USE
		    ? fetch(im, i, err)
		    : nst_image_verify_column(im, i, err);
	if (r)
		return r;
	c = &im->column[i];
	*col = (struct nst_column){
		.type = c->id.type,
		.rank = c->id.rank,
		.dim = {c->id.dim[0], c->id.dim[1]},
		.elem = c->elem,
		.size = c->size,
		.data = c->data,
	};
	return 0;
}

int nst_image_require(struct nst_image *im, const char *name, uint64_t n, uint64_t cols,
		      struct nst_column *col, struct nst_err *err)
{
	int r = nst_image_column(im, name, col, err);

	if (!r && (col->dim[0] != n || (cols && col->dim[1] != cols)))
		r = nst_image_fail(im, err, "'%s' has %llu x %llu entries instead of %llu x %llu", name,
				   (unsigned long long)col->dim[0], (unsigned long long)col->dim[1],
				   (unsigned long long)n, (unsigned long long)(cols ? cols : col->dim[1]));
	return r;
}

int nst_image_strings(struct nst_image *im, const char *name, const char *const **strings,
		      uint64_t *n, struct nst_err *err)
{
	static const char *const none[] = {NULL};
	int i = index_of(im, name), r;
	struct nst_image_column *c;
	size_t count, width, bytes;

	*strings = none;
	*n = 0;
	if (i < 0)
		return 0;
	c = &im->column[i];
	if (c->id.type != NST_STR)
		return nst_fail(err, NST_EINVAL, "column '%s' does not hold strings", name);
	r = nst_image_verify_column(im, i, err);
	if (r)
		return r;
	count = (size_t)c->id.dim[0];
	width = c->elem;
	if (!c->string && count) {
		if (nst_mul_size(count, width + 1, &bytes))
			return nst_fail_mem(err, SIZE_MAX);
		if (!c->text)
			c->text = nst_zalloc(bytes, 1, err);
		if (c->text)
			c->string = nst_alloc(count, sizeof(*c->string), err);
		if (!c->string)
			return err->code;
		for (size_t k = 0; k < count; k++) {
			c->string[k] = c->text + k * (width + 1);
			memcpy(c->text + k * (width + 1), (const char *)c->data + k * width, width);
		}
	}
	if (count)
		*strings = c->string;
	*n = count;
	return 0;
}

/* ---- accessors ---- */

const char *nst_image_name(const struct nst_image *im)
{
	return im->name;
}

const char *nst_image_path(const struct nst_image *im)
{
	return im->path;
}

const char *nst_image_dir(const struct nst_image *im)
{
	return im->dir;
}

const char *nst_image_uuid(const struct nst_image *im)
{
	return im->uuid;
}

const char *nst_image_history(const struct nst_image *im)
{
	return im->history ? im->history : "";
}

enum nst_kind nst_image_kind(const struct nst_image *im)
{
	return im->kind;
}

uint64_t nst_image_rows(const struct nst_image *im)
{
	return im->rows;
}

int nst_image_last(const struct nst_image *im)
{
	return im->last;
}

/* Value of an attribute of the given type with n elements, or NULL. */
static const struct nst_attr_value *attr_of(const struct nst_image *im, const char *name,
					    enum nst_type type, size_t n)
{
	const struct nst_schema *schema = nst_schema(im->kind);
	int i = nst_schema_attr_index(schema, name);

	if (i < 0 || !im->attr[i].present || schema->attr[i].type != type || schema->attr[i].n != n)
		return NULL;
	return &im->attr[i];
}

const char *nst_image_attr_str(const struct nst_image *im, const char *name)
{
	const struct nst_attr_value *a = attr_of(im, name, NST_STR, 1);

	return a ? a->str : "";
}

void nst_image_attr_f64(const struct nst_image *im, const char *name, size_t n, double *out)
{
	const struct nst_attr_value *a = attr_of(im, name, NST_F64, n);

	for (size_t i = 0; i < n; i++)
		out[i] = a ? a->f64[i] : 0;
}

void nst_image_attr_u64(const struct nst_image *im, const char *name, size_t n, uint64_t *out)
{
	const struct nst_attr_value *a = attr_of(im, name, NST_U64, n);

	for (size_t i = 0; i < n; i++)
		out[i] = a ? a->u64[i] : 0;
}

/* ---- pieces of a mapped file ---- */

int nst_image_read(const struct nst_image *im, const uint8_t *p, size_t n, struct nst_buf *buf,
		   const uint8_t **out, struct nst_err *err)
{
	const struct nst_backing *b = im->backing;
	uintptr_t at = (uintptr_t)p - (uintptr_t)b->base;
	ssize_t got;

	*out = p;
	if (n < READ_FROM || !b->fd || at > b->size || n > b->size - at)
		return 0;
	buf->len = 0;
	if (nst_buf_reserve(buf, n, err) < 0)
		return err->code;
	got = nst_pread_full(b->fd, buf->data, n, (off_t)at);
	if (got < 0)
		return nst_fail_errno(err, "cannot read %s", im->name);
	if ((size_t)got < n)
		return nst_image_fail(im, err, "it has become shorter");
	*out = buf->data;
	return 0;
}

/* ---- life ---- */

void *nst_image_alloc(struct nst_image *im, size_t n, size_t size, struct nst_err *err)
{
	void **list = realloc(im->owned, (im->nowned + 1) * sizeof(*list)), *p;

	if (!list) {
		nst_fail_mem(err, (im->nowned + 1) * sizeof(*list));
		return NULL;
	}
	im->owned = list;
	p = nst_zalloc(n, size, err);
	if (p)
		im->owned[im->nowned++] = p;
	return p;
}

void nst_backing_put(struct nst_backing *b)
{
	if (!b || --b->users > 0)
		return;
	if (b->spooled)
		nst_spool_unmap(b->base, b->size);
	else if (b->base)
		munmap(b->base, b->size);
	if (b->fd)
		close(b->fd);
	free(b);
}

void nst_image_free(struct nst_image *im)
{
	if (!im)
		return;
	for (size_t i = 0; i < NST_MAX_COLUMNS; i++) {
		free(im->column[i].owned);
		free(im->column[i].string);
		free(im->column[i].text);
	}
	for (size_t i = 0; i < NST_MAX_ATTRS; i++)
		free(im->attr[i].str);
	for (size_t i = 0; i < im->nowned; i++)
		free(im->owned[i]);
	free(im->owned);
	free(im->name);
	free(im->path);
	free(im->dir);
	free(im->history);
	nst_backing_put(im->backing);
	free(im);
}
