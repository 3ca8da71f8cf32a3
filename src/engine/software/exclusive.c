/* SPDX-License-Identifier: BSD-2-Clause */
/* Running alone: one thread asks all vCPUs to their next safe point, which is between two blocks,
 * in a wait of this file, or outside run(), and works while they stand there. */
#include "engine/software/software.h"

void exclusive_enter(struct soft *sv)
{
    struct soft_vm *svm = sv->svm;
    os_mutex_lock(&svm->lock);
    while (svm->owner)
        os_cond_wait(&svm->changed, &svm->lock);
    svm->running++;
    sv->in_run = true;
    os_mutex_unlock(&svm->lock);
}

void exclusive_leave(struct soft *sv)
{
    struct soft_vm *svm = sv->svm;
    os_mutex_lock(&svm->lock);
    svm->running--;
    sv->in_run = false;
    os_cond_broadcast(&svm->changed);
    os_mutex_unlock(&svm->lock);
}

/* Stands still until nobody wants to run alone; with the lock held. */
static void stand_still(struct soft_vm *svm)
{
    svm->running--;
    os_cond_broadcast(&svm->changed);
    while (svm->owner)
        os_cond_wait(&svm->changed, &svm->lock);
    svm->running++;
}

void exclusive_safe_point(struct soft *sv)
{
    struct soft_vm *svm = sv->svm;
    os_mutex_lock(&svm->lock);
    if (svm->owner)
        stand_still(svm);
    os_mutex_unlock(&svm->lock);
}

void exclusive_begin(struct soft_vm *svm, struct soft *sv)
{
    os_mutex_lock(&svm->lock);
    if (svm->owner && sv)
        stand_still(svm);
    while (svm->owner)
        os_cond_wait(&svm->changed, &svm->lock);
    svm->owner = sv ? (const void *)sv : svm;
    for (unsigned i = 0; i < svm->vm->cpus; i++) {
        struct soft *other = svm->vm->vcpu[i]->engine;
        if (other != sv && other->in_run)
            vcpu_post(other->vcpu, VCPU_REQ_MEMORY);
    }
    unsigned self = sv && sv->in_run;
    while (svm->running > self)
        os_cond_wait(&svm->changed, &svm->lock);
    os_mutex_unlock(&svm->lock);
}

void exclusive_end(struct soft_vm *svm)
{
    os_mutex_lock(&svm->lock);
    svm->owner = NULL;
    os_cond_broadcast(&svm->changed);
    os_mutex_unlock(&svm->lock);
}
