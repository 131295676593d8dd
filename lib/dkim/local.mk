# The mail half of signing: bytes in, bytes out. Programs that link it need $(IDN2_LIBS).
LIBDKIM = lib/dkim/libdkim.a
