/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading libsystemd, and a connection to a service manager. */
#include "container/sdbus.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_USEC = 30 * 1000 * 1000 };

bool sdbus_loadable(void)
{
    return true;
}

static int load(struct sdbus *b, struct err *e)
{
    const struct {
        const char *name;
        void *slot;
    } symbols[] = {
        {"sd_bus_default_system", &b->default_system},
        {"sd_bus_default_user", &b->default_user},
        {"sd_bus_new", &b->create},
        {"sd_bus_set_address", &b->set_address},
        {"sd_bus_start", &b->start},
        {"sd_bus_unref", &b->unref},
        {"sd_bus_message_new_method_call", &b->method},
        {"sd_bus_message_append", &b->append},
        {"sd_bus_message_append_array", &b->append_array},
        {"sd_bus_message_open_container", &b->open},
        {"sd_bus_message_close_container", &b->close},
        {"sd_bus_call", &b->call},
        {"sd_bus_message_read", &b->read},
        {"sd_bus_message_unref", &b->message_unref},
        {"sd_bus_error_free", &b->error_free},
        {"sd_bus_match_signal", &b->match},
        {"sd_bus_process", &b->process},
        {"sd_bus_wait", &b->wait},
    };
    b->library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!b->library)
        return err_set(e, -ENOTSUP, "the systemd cgroup manager needs libsystemd: %s", dlerror());
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *at = dlsym(b->library, symbols[i].name);
        if (!at)
            return err_set(e, -ENOTSUP, "this libsystemd has no %s", symbols[i].name);
        memcpy(symbols[i].slot, &at, sizeof at);
    }
    return 0;
}

/* Without a bus, root of a rootless user namespace still reaches the manager's own socket. */
static int connect_private(struct sdbus *b, bool user)
{
    char address[300];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (user && !runtime)
        return -ENOENT;
    snprintf(address, sizeof address, "unix:path=%s/systemd/private", user ? runtime : "/run");
    int r = b->create(&b->bus);
    if (r >= 0 && (r = b->set_address(b->bus, address)) >= 0)
        r = b->start(b->bus);
    return r;
}

int sdbus_connect(struct sdbus *b, bool user, struct err *e)
{
    *b = (struct sdbus){0};
    int r = load(b, e);
    if (r) {
        sdbus_close(b);
        return r;
    }
    r = user ? b->default_user(&b->bus) : b->default_system(&b->bus);
    if (r < 0) {
        b->bus = b->bus ? b->unref(b->bus) : NULL;
        int other = connect_private(b, user);
        r = other < 0 ? r : other;
    }
    if (r < 0) {
        sdbus_close(b);
        return err_set(e, r, "connect to the %s service manager: %s", user ? "user's" : "system's",
                       err_name(r));
    }
    return 0;
}

void sdbus_close(struct sdbus *b)
{
    if (b->bus)
        b->unref(b->bus);
    if (b->library)
        dlclose(b->library);
    *b = (struct sdbus){0};
}

int sdbus_call(struct sdbus *b, sd_bus_message *m, sd_bus_message **reply, struct err *e)
{
    sd_bus_error why = {0};
    sd_bus_message *answer = NULL;
    int r = b->call(b->bus, m, CALL_USEC, &why, &answer);
    b->message_unref(m);
    if (r < 0)
        err_set(e, r, "systemd: %s", why.message ? why.message : err_name(r));
    b->error_free(&why);
    if (reply && r >= 0)
        *reply = answer;
    else if (answer)
        b->message_unref(answer);
    return r < 0 ? r : 0;
}
