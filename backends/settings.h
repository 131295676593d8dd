/*
 * settings.h - what the configuration says about how tables are opened, in the form that
 * table_open() takes.
 */
#ifndef SIGNPOST_BACKENDS_SETTINGS_H
#define SIGNPOST_BACKENDS_SETTINGS_H

#include "lib/conf/conf.h"
#include "lib/store/keystore.h"
#include "lib/store/table.h"

struct backend_settings {
	struct table_settings settings;
	struct table_registry registry;
	struct keystore_registry keystores;
};

/* The registry of this build with the settings of conf. Borrows from conf; valid as long as *room
 * and conf are. */
const struct table_registry *backend_registry_for(
    const struct conf *conf, struct backend_settings *room);
/* The same for key stores; *room may be the one above. */
const struct keystore_registry *backend_keystores_for(
    const struct conf *conf, struct backend_settings *room);

#endif
