/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of units, appended to a message as a(sv). The first failure stays in status. */
#ifndef CONTAINER_SYSTEMD_PROPERTIES_H
#define CONTAINER_SYSTEMD_PROPERTIES_H

#include "container/sdbus.h"

struct properties {
    struct sdbus *bus;
    sd_bus_message *message;
    int status;
    const char *wrong; /* what was not understood */
};

void properties_check(struct properties *p, int status);
/* type: "s" with a const char *, "t" with a u64, "b" with an int. */
void property_add(struct properties *p, const char *name, const char *type, ...);
void property_add_array(struct properties *p, const char *name, char type, const void *data,
                        size_t size);
/* linux.resources, as far as systemd has properties for them. */
void properties_of_resources(struct properties *p, json_t *resources, bool v2);
/* org.systemd.property.NAME annotations: values as GVariant text. */
void properties_of_annotations(struct properties *p, json_t *annotations);

#endif
