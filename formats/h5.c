/* libhdf5, kept quiet and kept to ourselves. */
#include "formats/h5.h"

#include "formats/plugin/zfilter.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "columns are used in place: a little-endian machine is needed"
#endif

int nst_h5_begin(struct nst_err *err)
{
	static int ready;

	if (!ready) {
		/* A file must never make us load code: HDF5 would look for plugins by filter number. */
		if (H5open() < 0 || H5PLset_loading_state(0) < 0 || H5Zregister(&nst_zfilter_class) < 0)
			return nst_fail(err, NST_EIO, "cannot start libhdf5");
		ready = 1;
	}
	/* Printing errors is a setting of each thread. */
	if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0)
		return nst_fail(err, NST_EIO, "cannot start libhdf5");
	return 0;
}

/* IEEE binary16, which HDF5 1.10 has no name for. */
static hid_t half(void)
{
	static hid_t type;

	if (type <= 0) {
		type = H5Tcopy(H5T_IEEE_F32LE);
		if (type < 0 || H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 ||
		    H5Tset_ebias(type, 15) < 0)
			return -1;
	}
	return type;
}

hid_t nst_h5_type(enum nst_type type)
{
	switch (type) {
	case NST_U8:
		return H5T_STD_U8LE;
	case NST_U32:
		return H5T_STD_U32LE;
	case NST_U64:
		return H5T_STD_U64LE;
	case NST_I32:
		return H5T_STD_I32LE;
	case NST_F16:
		return half();
	case NST_F32:
		return H5T_IEEE_F32LE;
	case NST_F64:
		return H5T_IEEE_F64LE;
	case NST_STR:
		break;
	}
	return -1;
}
