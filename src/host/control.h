/* SPDX-License-Identifier: BSD-2-Clause */
/* The way to a running machine by its name: a socket in a folder that only its user may enter,
 * $XDG_RUNTIME_DIR/doppel or /tmp/doppel-UID. A client sends one line, the machine answers with a
 * text and closes. */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include "base/err.h"
#include "base/os.h"

struct control;

/* Answers a request (without its newline) with text from mem_alloc or str_print; NULL: the
 * connection is closed without an answer. On the loop's thread. */
typedef char *(*control_answer_fn)(void *ctx, const char *request);

/* -EEXIST: a machine of that name runs. A socket that nobody listens at any more is replaced. */
int control_create(struct control **out, struct os_loop *l, const char *name,
                   control_answer_fn answer, void *ctx, struct err *e) must_check;
/* The socket's file stays when the process is confined; the next machine of the name replaces it,
 * and a client that finds nobody there removes it. */
void control_destroy(struct control *c);
/* Sends a request to the machine called name; the whole answer, for mem_free. */
int control_ask(const char *name, const char *request, char **answer, struct err *e) must_check;

#endif
