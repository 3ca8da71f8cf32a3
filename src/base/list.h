/* SPDX-License-Identifier: BSD-2-Clause */
/* Intrusive doubly linked lists. An unlinked node points at itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/types.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_insert_between_(struct list *n, struct list *prev, struct list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}
static inline void list_push_front(struct list *head, struct list *n)
{
    list_insert_between_(n, head, head->next);
}
static inline void list_push_back(struct list *head, struct list *n)
{
    list_insert_between_(n, head->prev, head);
}
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_for_each(n, head)         for (struct list *n = (head)->next; n != (head); n = n->next)
#define list_for_each_safe(n, head)                                                                \
    for (struct list *n = (head)->next, *n##_next = n->next; n != (head);                          \
         n = n##_next, n##_next = n->next)

#endif
