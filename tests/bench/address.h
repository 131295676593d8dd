/*
 * address.h - a milter socket as OpenDKIM writes it, for the programs of this folder.
 */
#ifndef SIGNPOST_TESTS_BENCH_ADDRESS_H
#define SIGNPOST_TESTS_BENCH_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* inet:PORT@IPv4-ADDRESS, unix:PATH or local:PATH. false: it is none of them, *why_out says what is
 * wrong (static). */
bool address_of_socket(const char *text, struct sockaddr_storage *address_out,
    socklen_t *address_bytes_out, const char **why_out);

#endif
