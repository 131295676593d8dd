# The milter codec: pure, no sockets.
noinst_LIBRARIES += daemon/milter/libmilter_codec.a
daemon_milter_libmilter_codec_a_SOURCES = \
	daemon/milter/decode.c \
	daemon/milter/encode.c \
	daemon/milter/negotiate.c \
	daemon/milter/milter.h \
	daemon/milter/protocol.h
LIBMILTERCODEC = daemon/milter/libmilter_codec.a
