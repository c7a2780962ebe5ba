/* <linux/idr.h> and <linux/xarray.h>. */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/xarray.h>

#include "check.h"

static int things[8];
static int add_up(int id, void *p, void *data) {
    *(int *)data += id + *(int *)p;
    return id == 40 ? 7 : 0;
}
int c_idr(void);
int c_idr(void) {
    DEFINE_IDR(idr);
    DEFINE_IDA(ida);
    int *p, id, sum = 0, seen = 0;
    u32 next = 100;
    for (int i = 0; i < 8; ++i) things[i] = i;
    CHECK(idr_is_empty(&idr) && idr_find(&idr, 0) == NULL && idr_remove(&idr, 0) == NULL);
    CHECK(idr_alloc(&idr, &things[0], 0, 0, GFP_KERNEL) == 0 && idr_alloc(&idr, &things[1], 0, 0, GFP_KERNEL) == 1);
    CHECK(idr_alloc(&idr, &things[2], 5, 7, GFP_KERNEL) == 5 && idr_alloc(&idr, &things[3], 5, 7, GFP_KERNEL) == 6);
    CHECK(idr_alloc(&idr, &things[4], 5, 7, GFP_KERNEL) == -ENOSPC);
    CHECK(idr_alloc(&idr, NULL, 3, 0, GFP_KERNEL) == 3 && idr_find(&idr, 3) == NULL); /* kept free for later */
    CHECK(idr_replace(&idr, &things[3], 3) == NULL && idr_find(&idr, 3) == &things[3]);
    CHECK(PTR_ERR(idr_replace(&idr, &things[3], 4)) == -ENOENT);
    CHECK(idr_remove(&idr, 1) == &things[1] && idr_alloc(&idr, &things[1], 0, 0, GFP_KERNEL) == 1);
    CHECK(idr_alloc_u32(&idr, &things[5], &next, 100, GFP_KERNEL) == 0 && next == 100);
    CHECK(idr_alloc_u32(&idr, &things[5], &next, 100, GFP_KERNEL) == -ENOSPC);
    idr_for_each_entry(&idr, p, id) {
        CHECK(idr_find(&idr, id) == p);
        ++seen;
    }
    CHECK(seen == 6);
    CHECK(idr_alloc(&idr, &things[6], 40, 41, GFP_KERNEL) == 40);
    CHECK(idr_for_each(&idr, add_up, &sum) == 7 && sum == 0 + 1 + 3 + 5 + 6 + 40 + 0 + 1 + 3 + 2 + 3 + 6);
    idr_destroy(&idr);
    CHECK(idr_is_empty(&idr));
    CHECK(idr_alloc_cyclic(&idr, &things[0], 1, 4, GFP_KERNEL) == 1);
    CHECK(idr_remove(&idr, 1) == &things[0] && idr_alloc_cyclic(&idr, &things[0], 1, 4, GFP_KERNEL) == 2);
    CHECK(idr_get_cursor(&idr) == 3 && idr_alloc_cyclic(&idr, &things[0], 1, 4, GFP_KERNEL) == 3);
    CHECK(idr_alloc_cyclic(&idr, &things[0], 1, 4, GFP_KERNEL) == 1);
    CHECK(idr_alloc_cyclic(&idr, &things[0], 1, 4, GFP_KERNEL) == -ENOSPC);
    idr_destroy(&idr);

    CHECK(ida_alloc(&ida, GFP_KERNEL) == 0 && ida_alloc(&ida, GFP_KERNEL) == 1);
    CHECK(ida_alloc_range(&ida, 1, 2, GFP_KERNEL) == 2 && ida_alloc_range(&ida, 1, 2, GFP_KERNEL) == -ENOSPC);
    CHECK(ida_alloc_min(&ida, 10, GFP_KERNEL) == 10 && ida_alloc_max(&ida, 2, GFP_KERNEL) == -ENOSPC);
    ida_free(&ida, 1);
    CHECK(ida_alloc(&ida, GFP_KERNEL) == 1 && !ida_is_empty(&ida));
    ida_destroy(&ida);
    CHECK(ida_is_empty(&ida));
    ida_free(&ida, 5); /* not allocated: warns */
    return 0;
}

int c_xarray(void);
int c_xarray(void) {
    DEFINE_XARRAY(xa);
    DEFINE_XARRAY_ALLOC1(numbered);
    unsigned long index, sum = 0;
    void *entry;
    u32 id = 0, next = 0;
    CHECK(xa_empty(&xa) && xa_load(&xa, 3) == NULL && xa_erase(&xa, 3) == NULL);
    CHECK(xa_store(&xa, 3, &things[3], GFP_KERNEL) == NULL && xa_load(&xa, 3) == &things[3]);
    CHECK(xa_store(&xa, 3, &things[4], GFP_KERNEL) == &things[3]);
    CHECK(xa_insert(&xa, 3, &things[5], GFP_KERNEL) == -EBUSY && xa_insert(&xa, ULONG_MAX, &things[5], GFP_KERNEL) == 0);
    CHECK(xa_store(&xa, 1000, xa_mk_value(42), GFP_KERNEL) == NULL);
    CHECK(xa_is_value(xa_load(&xa, 1000)) && xa_to_value(xa_load(&xa, 1000)) == 42 && !xa_is_value(&things[0]));
    xa_for_each(&xa, index, entry) sum += index;
    CHECK(sum == 3 + 1000 + ULONG_MAX);
    sum = 0;
    xa_for_each_range(&xa, index, entry, 4, 1000) sum += index;
    CHECK(sum == 1000);
    index = 3;
    CHECK(xa_find_after(&xa, &index, ULONG_MAX, XA_PRESENT) != NULL && index == 1000);
    CHECK(xa_store(&xa, 3, NULL, GFP_KERNEL) == &things[4] && xa_erase(&xa, 1000) == xa_mk_value(42));
    CHECK(!xa_empty(&xa));
    xa_destroy(&xa);
    CHECK(xa_empty(&xa));

    xa_lock(&numbered);
    CHECK(__xa_alloc(&numbered, &id, &things[0], xa_limit_32b, GFP_ATOMIC) == 0 && id == 1);
    xa_unlock(&numbered);
    CHECK(xa_alloc(&numbered, &id, NULL, XA_LIMIT(1, 2), GFP_KERNEL) == 0 && id == 2 && xa_load(&numbered, 2) == NULL);
    CHECK(xa_alloc(&numbered, &id, &things[1], XA_LIMIT(1, 2), GFP_KERNEL) == -EBUSY);
    CHECK(xa_alloc_cyclic(&numbered, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) == 0 && id == 3 && next == 4);
    xa_erase(&numbered, 1);
    CHECK(xa_alloc_cyclic(&numbered, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) == 0 && id == 4);
    CHECK(xa_alloc_cyclic(&numbered, &id, &things[1], XA_LIMIT(1, 4), &next, GFP_KERNEL) >= 0 && id == 1);
    CHECK(xa_store(&numbered, 3, NULL, GFP_KERNEL) == &things[1]); /* it keeps its place */
    CHECK(xa_alloc(&numbered, &id, &things[1], XA_LIMIT(1, 4), GFP_KERNEL) == -EBUSY);
    xa_destroy(&numbered);
    return 0;
}
