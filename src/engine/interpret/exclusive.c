/* SPDX-License-Identifier: BSD-2-Clause */
/* Running alone: one thread asks all vCPUs to their next safe point, which is between two blocks, in
 * a wait of this file, or outside run(), and works while they stand there. */
#include "engine/interpret/interpret_priv.h"

void exclusive_enter(struct interpret *iv)
{
    struct interpret_vm *ivm = iv->ivm;
    os_mutex_lock(&ivm->lock);
    while (ivm->owner)
        os_cond_wait(&ivm->changed, &ivm->lock);
    ivm->running++;
    iv->in_run = true;
    os_mutex_unlock(&ivm->lock);
}

void exclusive_leave(struct interpret *iv)
{
    struct interpret_vm *ivm = iv->ivm;
    os_mutex_lock(&ivm->lock);
    ivm->running--;
    iv->in_run = false;
    os_cond_broadcast(&ivm->changed);
    os_mutex_unlock(&ivm->lock);
}

/* Stands still until nobody wants to run alone; with the lock held. */
static void stand_still(struct interpret_vm *ivm)
{
    ivm->running--;
    os_cond_broadcast(&ivm->changed);
    while (ivm->owner)
        os_cond_wait(&ivm->changed, &ivm->lock);
    ivm->running++;
}

void exclusive_safe_point(struct interpret *iv)
{
    struct interpret_vm *ivm = iv->ivm;
    os_mutex_lock(&ivm->lock);
    if (ivm->owner)
        stand_still(ivm);
    os_mutex_unlock(&ivm->lock);
}

void exclusive_begin(struct interpret_vm *ivm, struct interpret *iv)
{
    os_mutex_lock(&ivm->lock);
    if (ivm->owner && iv)
        stand_still(ivm);
    while (ivm->owner)
        os_cond_wait(&ivm->changed, &ivm->lock);
    ivm->owner = iv ? (const void *)iv : ivm;
    for (unsigned i = 0; i < ivm->vm->cpus; i++) {
        struct interpret *other = ivm->vm->vcpu[i]->engine;
        if (other != iv && other->in_run)
            vcpu_post(other->vcpu, VCPU_REQ_MEMORY);
    }
    unsigned self = iv && iv->in_run;
    while (ivm->running > self)
        os_cond_wait(&ivm->changed, &ivm->lock);
    os_mutex_unlock(&ivm->lock);
}

void exclusive_end(struct interpret_vm *ivm)
{
    os_mutex_lock(&ivm->lock);
    ivm->owner = NULL;
    os_cond_broadcast(&ivm->changed);
    os_mutex_unlock(&ivm->lock);
}
