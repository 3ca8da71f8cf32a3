/* SPDX-License-Identifier: BSD-2-Clause */
/* A mount's option strings sorted into what the kernel takes: flags, recursive attributes,
 * propagation, and file system data. */
#ifndef CONTAINER_MOUNT_OPTIONS_H
#define CONTAINER_MOUNT_OPTIONS_H

#include "container/util.h"

struct mount_options {
    unsigned long flags;          /* MS_ flags of mount(2) */
    u64 attr_set, attr_clear;     /* MOUNT_ATTR_ of this mount */
    u64 rec_set, rec_clear;       /* and of everything below it */
    unsigned long propagation[8]; /* in the order given */
    unsigned propagations;
    bool bind, recursive;
    bool tmpcopyup, idmap, ridmap;
    bool source_nofollow, destination_nofollow;
    char data[4096];
};

int mount_options_parse(const char *const *options, struct mount_options *out,
                        struct err *e) must_check;
/* The i-th known option name for `features`; NULL at the end. */
const char *mount_option_name(unsigned i);

#endif
