/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files that parse config.json. */
#ifndef CONTAINER_CONFIG_PRIV_H
#define CONTAINER_CONFIG_PRIV_H

#include "container/config.h"
#include "container/json.h"

/* An array of strings as a vector ended by NULL; NULL when missing. */
int config_strings(struct config *c, json_t *o, const char *where, const char *key,
                   const char ***out, struct err *e) must_check;
int config_id_maps(struct config *c, json_t *o, const char *where, const char *key,
                   struct id_maps *out, struct err *e) must_check;
int config_parse_linux(struct config *c, json_t *o, struct err *e) must_check;

#endif
