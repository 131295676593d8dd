/*
 * keystore_driver_audit.h - the words of keystore_driver about the audit, and what is counted. Each
 * prints its answer.
 */
#ifndef SIGNPOST_TESTS_CONFORMANCE_KEYSTORE_DRIVER_AUDIT_H
#define SIGNPOST_TESTS_CONFORMANCE_KEYSTORE_DRIVER_AUDIT_H

#include "lib/store/keystore.h"

/* count TENANT */
void driver_count(struct keystore *store, struct span tenant);
/* audit_load COUNT BATCH */
void driver_audit_load(struct keystore *store, long count, long batch);
/* verify [SEQ HASH]: behind this row; hash empty: of the whole chain. */
void driver_verify(struct keystore *store, uint64_t seq, struct span hash);

#endif
