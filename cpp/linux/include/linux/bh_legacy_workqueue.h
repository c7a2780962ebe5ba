/* create_workqueue and its kin, saying what they are today. Included by workqueue.h alone. */
#ifndef _LINUX_BH_LEGACY_WORKQUEUE_H
#define _LINUX_BH_LEGACY_WORKQUEUE_H

#include <linux/workqueue.h>

#ifdef BOTTOMHALF_LEGACY_API
#undef create_workqueue
#undef create_freezable_workqueue
#undef create_singlethread_workqueue
static inline __bh_legacy("create_workqueue(name) starts no threads since 2.6.36: alloc_workqueue(name, flags, max_active) "
                          "says what is wanted") struct workqueue_struct *
create_workqueue(const char *name) {
    return alloc_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, 1, name);
}
static inline __bh_legacy("create_freezable_workqueue(name) is alloc_workqueue(name, WQ_FREEZABLE | WQ_UNBOUND | "
                          "WQ_MEM_RECLAIM, 1) since 2.6.36") struct workqueue_struct *
create_freezable_workqueue(const char *name) {
    return alloc_workqueue("%s", __WQ_LEGACY | WQ_FREEZABLE | WQ_UNBOUND | WQ_MEM_RECLAIM, 1, name);
}
static inline __bh_legacy("create_singlethread_workqueue(name) is alloc_ordered_workqueue(name, WQ_MEM_RECLAIM) since "
                          "2.6.36") struct workqueue_struct *
create_singlethread_workqueue(const char *name) {
    return alloc_ordered_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, name);
}

#endif /* BOTTOMHALF_LEGACY_API */
#endif
