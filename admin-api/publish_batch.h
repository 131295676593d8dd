/*
 * publish_batch.h - many changes of one zone in as few updates as their prerequisites let through.
 */
#ifndef SIGNPOST_ADMIN_API_PUBLISH_BATCH_H
#define SIGNPOST_ADMIN_API_PUBLISH_BATCH_H

#include "admin-api/publish_talk.h"

/* At most PUBLISH_BATCH_MAX. Sets all effects. talk: with its link and key; the rest is zeroes. */
void publish_batch_apply(
    struct talk *talk, struct span zone, struct publish_change *changes, size_t count);

#endif
