# signpost(1): a dispatcher and one file per sub-command.
bin_PROGRAMS += tools/signpost
tools_signpost_SOURCES = \
	tools/signpost.c tools/command.h \
	tools/genkey.c \
	tools/publication.c tools/publication.h \
	tools/newfile.c tools/newfile.h
tools_signpost_LDADD = $(LIBCRYPTO_ROOM) $(LIBBASE) $(OPENSSL_LIBS)
dist_check_SCRIPTS += tests/tools/test_genkey.py
TESTS += tests/tools/test_genkey.py
dist_noinst_SCRIPTS += tools/demo.sh tools/demo_milter.py tools/demo_verify.py
