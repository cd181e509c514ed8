# What a packager or a contributor changes; every line can also be given to make or set in the
# environment.

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share/nst
COMPDIR    ?= $(PREFIX)/share/bash-completion/completions
# Where h5dump and h5py look for filters; `make install` puts ours there.
PLUGINDIR  ?= $(PREFIX)/lib/hdf5/plugin

CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config
# Tools take HDF5 into themselves (static) where its archive is installed and needs no library that they
# do not have, and so start four times as fast; or leave it where it is (shared).
HDF5_LINK  ?= static
# Python of the system, for the comparisons with other programs (make check-peers).
PYTHON     ?= /usr/bin/python3

# Everything made by make lies here.
BUILD      ?= build
# SANITIZE=address,undefined builds and tests under build/san-address-undefined/.
SANITIZE   ?=
# DEVELOPER=1 turns warnings into errors; `make check` sets it.
DEVELOPER  ?=
