/* SPDX-License-Identifier: BSD-2-Clause */
/* libsystemd's D-Bus client, loaded when it is asked for and never linked: a host without systemd
 * has no use for it, and a container's start no time. */
#ifndef CONTAINER_SDBUS_H
#define CONTAINER_SDBUS_H

#include "container/util.h"

typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;
typedef struct sd_bus_slot sd_bus_slot;
typedef struct {
    const char *name, *message;
    int need_free;
} sd_bus_error;
typedef int (*sd_bus_handler)(sd_bus_message *m, void *ctx, sd_bus_error *error);

struct sdbus {
    void *library;
    sd_bus *bus;
    int (*default_system)(sd_bus **bus);
    int (*default_user)(sd_bus **bus);
    int (*create)(sd_bus **bus);
    int (*set_address)(sd_bus *bus, const char *address);
    int (*start)(sd_bus *bus);
    sd_bus *(*unref)(sd_bus *bus);
    int (*method)(sd_bus *bus, sd_bus_message **m, const char *destination, const char *path,
                  const char *interface, const char *member);
    int (*append)(sd_bus_message *m, const char *types, ...);
    int (*append_array)(sd_bus_message *m, char type, const void *data, size_t size);
    int (*open)(sd_bus_message *m, char type, const char *contents);
    int (*close)(sd_bus_message *m);
    int (*call)(sd_bus *bus, sd_bus_message *m, uint64_t usec, sd_bus_error *error,
                sd_bus_message **reply);
    int (*read)(sd_bus_message *m, const char *types, ...);
    sd_bus_message *(*message_unref)(sd_bus_message *m);
    void (*error_free)(sd_bus_error *error);
    int (*match)(sd_bus *bus, sd_bus_slot **slot, const char *sender, const char *path,
                 const char *interface, const char *member, sd_bus_handler fn, void *ctx);
    int (*process)(sd_bus *bus, sd_bus_message **m);
    int (*wait)(sd_bus *bus, uint64_t usec);
};

/* Can this program load libraries at all? A static one cannot; `doppel oci` can. */
bool sdbus_loadable(void);
/* Connects to the system's or the user's manager. */
int sdbus_connect(struct sdbus *b, bool user, struct err *e) must_check;
void sdbus_close(struct sdbus *b);
/* Sends m and waits for the answer; *reply may be NULL. Gives m back. */
int sdbus_call(struct sdbus *b, sd_bus_message *m, sd_bus_message **reply,
               struct err *e) must_check;

#endif
